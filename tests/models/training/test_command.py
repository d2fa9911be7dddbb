"""What the shared options of `train` commands mean."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from models.training import command
from models.training.command import TrainOptions
from suite.errors import SuiteError


def options(**given: Any) -> TrainOptions:
    values = {"profile": "demo", "overrides": (), "run": Path("run"), "data": None, "faces": None, "art": None}
    return TrainOptions(
        **{**values, "resume": False, "dry_run": False, "device": "cpu", "workers": 1, "as_json": False, **given}
    )


@pytest.mark.parametrize(
    "given", [{"data": Path("r")}, {"faces": Path("r"), "art": Path("r")}, {"data": Path("r"), "art": Path("r")}]
)
def test_training_never_sees_validation_or_test_pictures(
    given: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    monkeypatch.setattr(
        command, "prepare", lambda path, size, domain=None, split=None, **_: asked.append((domain, split))
    )
    module = SimpleNamespace(batch_sizes={"photo": 4, "art": 4})
    command._pictures(options(**given), SimpleNamespace(load_size=32, split="train"), module, {})
    assert asked == [("art", "train"), ("photo", "train")]
    command._pictures(options(**given), SimpleNamespace(load_size=32, split="all"), module, {})
    assert asked[2:] == [("art", None), ("photo", None)]


def test_a_domain_without_pictures_names_its_option() -> None:
    with pytest.raises(SuiteError, match=r"--faces: give the photo pictures, or --data"):
        command._pictures(
            options(art=Path("x")),
            SimpleNamespace(load_size=32, split="train"),
            SimpleNamespace(batch_sizes={"photo": 1}),
            {},
        )
