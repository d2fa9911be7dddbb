"""The baselines' weights that come with the package."""

from __future__ import annotations

import json

import pytest
import torch

from baselines.checkpoints import read
from baselines.load import open_method
from models.method import Face
from models.weights.download import SHIPPED
from suite.errors import SuiteError

SHIPPED_METHODS = ("adain", "munit", "funit", "drit", "stargan2")


@pytest.mark.parametrize("name", SHIPPED_METHODS)
def test_shipped_weights_are_small_recorded_and_answer(name):
    file = SHIPPED / f"{name}-painted-64.safetensors"
    record = json.loads(file.with_suffix(".json").read_text())
    _, settings = read(file, name)
    assert settings is not None
    assert record["settings"] == settings.model_dump()
    assert record["log"][-1]["step"] <= record["steps"]
    assert record["pictures_of_each_domain"] == record["steps"] * settings.batch
    assert file.stat().st_size < 5e6
    method = open_method(name, "painted")
    face = torch.linspace(-1, 1, 64).expand(1, 3, 64, 64)
    made = method.from_reference(Face(images=face), -face, [0])
    assert made.shape == face.shape
    assert bool(made.isfinite().all())


def test_all_shipped_weights_together_are_small():
    assert sum(file.stat().st_size for file in SHIPPED.glob("*.safetensors")) < 32e6


def test_a_method_without_shipped_weights_says_so():
    with pytest.raises(SuiteError, match="none of mdmm come with the package, only of adain, munit"):
        open_method("mdmm", "painted")
