"""What the blending indicator trades: at its two ends the answer is known without any network's opinion."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from benchmark.cli import main


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = str(tmp_path_factory.mktemp("blending") / "portraits")
    paint = ["portraits", folder, "--count", "48", "--size", "64", "--domain", "art", "--styles", "40", "--seed", "77"]
    subprocess.run([sys.executable, "-m", "aahq", *paint], check=True)
    done = CliRunner().invoke(main, ["blending", "--data", folder, "--groups", "4", "--json"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


@pytest.mark.slow
def test_the_top_is_the_natural_face_whatever_the_style(told: dict[str, Any]) -> None:
    # At the top no layer sees the style: all ten pictures of a face are one picture. It is nearest to itself, and names
    # one and the same of ten styles ten times.
    top = told["rows"][-1]
    assert (top["i"], top["identity"], top["style"]) == (8, 1.0, 0.1)


@pytest.mark.slow
def test_less_of_the_face_as_the_style_comes_in(told: dict[str, Any]) -> None:
    first, top = told["rows"][0], told["rows"][-1]
    assert first["identity"] < top["identity"]
    assert 0 <= first["style"] <= 1
    # The portraits carry their own style. A reader that could not see it would be at chance, 0.1; one that can finds
    # 0.33 over twelve groups and 0.25 over two, so 0.15 tells the two apart and no more.
    assert told["portraits"] > 0.15


def test_a_folder_that_is_no_release_is_refused(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["blending", "--data", str(tmp_path)])
    assert done.exit_code == 2
    assert "no release.json" in done.output
