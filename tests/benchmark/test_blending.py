"""What the blending indicator trades: at its two ends the answer is known without any network's opinion."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from benchmark.cli import main


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict:
    path: Path = tmp_path_factory.mktemp("blending")
    done = CliRunner().invoke(main, ["blending", "--groups", "2", "--json"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    (path / "told.json").write_text(done.stdout)
    return json.loads(done.stdout)


@pytest.mark.slow
def test_the_top_is_the_natural_face_whatever_the_style(told: dict) -> None:
    # At the top no layer sees the style: all ten pictures of a face are one picture. It is nearest to itself, and names
    # one and the same of ten styles ten times.
    top = told["rows"][-1]
    assert (top["i"], top["identity"], top["style"]) == (8, 1.0, 0.1)


@pytest.mark.slow
def test_less_of_the_face_as_the_style_comes_in(told: dict) -> None:
    first, top = told["rows"][0], told["rows"][-1]
    assert first["identity"] < top["identity"]
    assert 0 <= first["style"] <= 1
    # The portraits carry their own style; a reader that could not see it would be at chance, 0.1.
    assert told["portraits"] > 0.15


def test_pictures_without_known_factors_are_refused(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["blending", "--data", str(tmp_path)])
    assert done.exit_code == 2 or done.exception is not None
