"""What is known of the real pictures alone is computed for the first cell, and every cell gets the same numbers."""

from __future__ import annotations

import numpy as np
import pytest

from benchmark.metrics import mmd, prdc
from benchmark.metrics.measured import FeatureSets, Measured

RNG = np.random.default_rng(0)
REAL, TRAIN, HELD = (RNG.standard_normal((count, 4)).astype(np.float32) for count in (50, 30, 20))
METRICS = (mmd.measure, mmd.measure_gaussian, prdc.measure, prdc.measure_copies)


def cell(seed: int, **kept: dict[str, object]) -> FeatureSets:
    fake = np.random.default_rng(seed).standard_normal((40, 4)).astype(np.float32)
    faces = np.arange(40) // 4
    return FeatureSets("x", "FD-x", "KD-x", {}, REAL, fake, faces, train=TRAIN, held=HELD, **kept)  # type: ignore[arg-type]


def numbers(sets: FeatureSets) -> list[tuple[str, float]]:
    found: list[Measured] = [one for metric in METRICS for one in metric(sets)]
    return [(one.metric, one.value) for one in found]


def test_the_second_cell_looks_at_the_real_side_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    kept: dict[str, object] = {}
    alone = [numbers(cell(seed)) for seed in (1, 2)]
    assert numbers(cell(1, kept=kept)) == alone[0]
    looked: list[int] = []
    for module, name in ((mmd, "polynomial_within"), (mmd, "gaussian_within"), (prdc, "kth_radius"), (prdc, "nearest")):
        real = getattr(module, name)
        monkeypatch.setattr(module, name, lambda one, *rest, real=real: (looked.append(len(one)), real(one, *rest))[1])
    assert numbers(cell(2, kept=kept)) == alone[1]
    # The generated side alone: 40 pictures for each of the four, never 50 real or 20 held-out ones.
    assert looked == [40] * 4
