"""One row is all that a metric, or an extractor, needs beside its own file."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from benchmark.metrics import extractors, table
from benchmark.metrics.extractors import ExtractorRow, open_extractor
from benchmark.metrics.extractors.features import Extractor
from benchmark.metrics.gaussian import fit
from benchmark.metrics.measured import FeatureSets, Measured
from benchmark.metrics.metric import Metric
from benchmark.metrics.table import METRICS, explained, metric_of, place_explained
from benchmark.run import measure as measuring
from benchmark.run.cell_features import CellFeatures
from benchmark.run.record import Value
from benchmark.tasks.settings import MethodSettings, Reproduce
from suite.errors import SuiteError


class Channels(Extractor):
    """Mean colour."""

    name, fd_name, kernel_name, dim, size = "channels", "FD-channels", "KD-channels", 3, 0
    resize, weights_sha256, licence = "none", "0" * 64, ""

    def embed(self, pictures: Tensor) -> Tensor:
        return pictures.float().mean((2, 3)) / 255


def open_channels(*_: object) -> Channels:
    return Channels()


def gap(sets: FeatureSets) -> list[Measured]:
    value = float(np.abs(sets.real.mean(0) - sets.fake.mean(0)).sum())
    return [Measured(f"gap ({sets.extractor})", value, None, len(sets.real), len(sets.fake), "no interval", False)]


def cell(real: np.ndarray, fake: np.ndarray) -> CellFeatures:
    one = Channels()
    faces = np.arange(len(fake)) // 2
    sets = FeatureSets("channels", "FD-channels", "KD-channels", {}, real, fake, faces, fit(real), fit(fake))
    return CellFeatures(len(fake), [(one, sets)], {"diversity-channels": ({}, np.array([0.1, 0.3]))})


def test_a_new_metric_is_a_function_and_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    row = Metric(
        "gap", (0.0, 3.0), False, "features", f"{__name__}:gap", title="Gap", what="Of mean colours.", read="Low."
    )
    rng = np.random.default_rng(0)
    real, fake = rng.random((40, 3), np.float32), rng.random((20, 3), np.float32)
    with pytest.raises(SuiteError, match=r"'gap \(channels\)' is not known"):
        metric_of("gap (channels)")
    monkeypatch.setattr(table, "METRICS", (row,))
    monkeypatch.setattr(measuring, "METRICS", (row,))
    found = {one.metric: one for one in measuring.measure(cell(real, fake))}
    assert found["gap (channels)"].value == pytest.approx(np.abs(real.mean(0) - fake.mean(0)).sum())
    given = {
        "protocol": "aahq-gap-channels-v1:0123456789ab",
        "n_real": 40,
        "n_fake": 20,
        "rankable": False,
        "why": "one",
    }
    assert Value(metric="gap (channels)", value=found["gap (channels)"].value, **given).low is None
    with pytest.raises(ValueError, match="expected 0 to 3"):
        Value(metric="gap (channels)", value=4.0, **given)


def test_every_metric_computes_what_its_row_names() -> None:
    rng = np.random.default_rng(0)
    real, fake = rng.random((40, 3), np.float32), rng.random((20, 3), np.float32)
    found = measuring.measure(cell(real, fake))
    for one in found:
        assert metric_of(one.metric).low <= one.value <= metric_of(one.metric).high, one.metric
    names = [one.metric.partition(" ")[0].partition("-")[0] for one in found]
    assert names == ["FD", "FD", "KD", "precision", "recall", "density", "coverage", "diversity"]


def test_each_name_finds_its_own_row_and_its_words() -> None:
    infinity, fid, kid = metric_of("FID-infinity"), metric_of("FID-legacy-pytorch"), metric_of("KID")
    assert (infinity.column, fid.column, kid.column) == ("", "FID", "")
    assert metric_of("FD-factor-infinity") is infinity
    assert explained()[place_explained("FD-factor")] is metric_of("FID")
    assert explained()[place_explained("density (factor)")] is metric_of("precision (factor)")
    assert all(metric.code.endswith(".py") for metric in METRICS)


def test_a_new_extractor_is_a_class_and_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {"faces": 4, "styles": 2, "methods": (MethodSettings(name="BlendGAN"),)}
    with pytest.raises(ValueError, match="no extractor 'channels'"):
        Reproduce(others=("channels",), **given)
    monkeypatch.setitem(extractors.EXTRACTORS, "channels", ExtractorRow(f"{__name__}:open_channels", "lite0"))
    assert Reproduce(others=("channels",), **given).others == ("channels",)
    vectors = open_extractor("channels")(torch.zeros(2, 3, 4, 4, dtype=torch.uint8))
    assert vectors.shape == (2, 3)
