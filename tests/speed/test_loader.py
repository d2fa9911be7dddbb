"""The bench of waiting counts what a training would wait, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from speed import loader


def test_waiting_is_counted_against_the_steps_and_without_the_first_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    closed: list[int] = []

    class Late:
        """A loader whose first batch takes 9 s and every other 0.03 s."""

        def __init__(self, read: Any, batch: int, seed: int) -> None:
            self.waited, self.seed = 0.0, seed

        def batch_at(self, step: int) -> None:
            self.waited += 0.03 if step else 9.0

        def close(self) -> None:
            closed.append(self.seed)

    monkeypatch.setattr(loader, "InfiniteLoader", Late)
    monkeypatch.setattr(loader.time, "sleep", slept.append)
    share = loader.waiting_share(None)
    # Two domains wait 0.03 s each in a step of 0.3 s.
    assert share == pytest.approx(0.06 / 0.36)
    assert slept == [0.3] * loader.STEPS
    assert closed == [0, 1]


def test_every_form_is_read_cold_and_warm(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"SIDE": 16, "COUNT": 8, "STEPS": 2, "STEP_SECONDS": 0.01}.items():
        monkeypatch.setattr(loader, name, value)
    rows = loader.rows()
    assert [row.what.split(":")[0] for row in rows] == [f"{n}, {s}" for n in loader.FORMS for s in ("cold", "warm")]
    assert all(0 <= row.value <= 100 and row.unit == "% waiting" for row in rows)
