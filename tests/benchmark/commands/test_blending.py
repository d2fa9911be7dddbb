"""What the blending indicator trades: at its two ends the answer is known without any network's opinion."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner
from torch import Tensor

from benchmark.cli import main
from benchmark.commands.blending import measure
from benchmark.metrics.extractors.reader import load_reader
from models.data.release import open_release


@pytest.fixture(scope="module")
def portraits(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = str(tmp_path_factory.mktemp("blending") / "portraits")
    paint = ["portraits", folder, "--count", "48", "--size", "64", "--domain", "art", "--styles", "40", "--seed", "77"]
    paint += ["--world", "small"]
    subprocess.run([sys.executable, "-m", "aahq", *paint], check=True)
    return folder


@pytest.fixture(scope="module")
def told(portraits: str) -> dict[str, Any]:
    folder = portraits
    done = CliRunner().invoke(main, ["blending", "--data", folder, "--groups", "4", "--json"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


@pytest.mark.slow
def test_the_top_is_the_natural_face_whatever_the_style(told: dict[str, Any]) -> None:
    # At the top no layer sees the style: all ten pictures of a face are one picture. It is nearest to itself, and names
    # one and the same of ten styles ten times.
    top = told["rows"][-1]
    assert (top["i"], top["identity"], top["style"]) == (10, 1.0, 0.1)


@pytest.mark.slow
def test_less_of_the_face_as_the_style_comes_in(told: dict[str, Any]) -> None:
    first, top = told["rows"][0], told["rows"][-1]
    assert first["identity"] < top["identity"]


class Painter:
    """A generator that knows the answers: without style a face's own picture, with style the portrait itself."""

    size, n_latent, style_dim = 64, 2, 3 * 64 * 64

    def face_latents(self, z: Tensor, _: None, **__: Any) -> Tensor:
        return z

    def __call__(self, w: Tensor, z_style: Tensor | None = None, i: int | None = None) -> tuple[Tensor, None]:
        flat = w.clamp(-1, 1) if z_style is None or i == self.n_latent else z_style
        return flat.unflatten(1, (3, 64, 64)), None


@pytest.mark.slow
def test_a_painter_that_follows_every_style_is_always_right(portraits: str) -> None:
    model = SimpleNamespace(
        generator=Painter(), truncation=1.0, centre=None, style_codes=lambda images: images.flatten(1)
    )
    table = measure(model, open_release(portraits), load_reader(), 3, 0)  # type: ignore[arg-type]
    first, top = table["rows"][0], table["rows"][-1]
    assert first["style"] == 1.0
    # All faces in one style are one picture, and all styles of one natural face: one of ten is right.
    assert (first["identity"], top["identity"], top["style"]) == (0.1, 1.0, 0.1)


def test_a_folder_that_is_no_release_is_refused(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["blending", "--data", str(tmp_path)])
    assert done.exit_code == 2
    assert "no release.json" in done.output
