"""Doctor: every operator, weight, folder and extra is told of, as text and as JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from benchmark.commands.doctor import command
from models.weights.registry import published
from ops.dispatch import HAS


def test_doctor_tells_what_there_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AAHQ_WEIGHTS", str(tmp_path / "weights"))
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / published()["vgg19"].file).write_bytes(b"vgg")
    (tmp_path / "reproduce-demo" / "data").mkdir(parents=True)
    answer = CliRunner().invoke(command, [str(tmp_path), "--json"])
    assert answer.exit_code == 0, answer.output
    found = json.loads(answer.output)
    assert set(found["operators"]["cpu"]) == set(HAS)
    assert found["operators"]["cpu"]["bias_act"] == {"implementation": "cpu", "reason": "CPU device"}
    assert set(found["weights"]) == set(published())
    assert found["weights"]["vgg19"]["found"].endswith(published()["vgg19"].file)
    assert found["weights"]["psp"]["found"] is None
    assert found["folders"]["data of reproduce-demo"]["there"]
    assert set(found["extras"]) == {"align", "page", "cluster", "train"}
    text = CliRunner().invoke(command, [str(tmp_path)])
    assert text.exit_code == 0
    assert "modulated_conv2d" in text.output
    assert published()["psp"].license in text.output
