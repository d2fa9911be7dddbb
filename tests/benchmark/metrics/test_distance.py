"""`aahq-bench distance`: FD-lite0 and KD-lite0 of folders, and the scale they are read by."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image

from benchmark.cli import main
from benchmark.metrics.extractors.lite0 import Lite0, Trunk
from benchmark.metrics.sets import set_distance

COUNT, SIZE = 24, 64


def ovals(folder: Path, seed: int, count: int = COUNT) -> Path:
    """Ovals with eyes on plain grounds, each of its own colours and shape."""
    folder.mkdir()
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:SIZE, :SIZE] / SIZE - 0.5
    for number in range(count):
        ground, skin = rng.uniform(0.1, 0.9, 3), np.array([0.9, 0.7, 0.55]) * rng.uniform(0.5, 1.0)
        face = (x / rng.uniform(0.22, 0.3)) ** 2 + (y / rng.uniform(0.3, 0.4)) ** 2 < 1
        image = np.where(face[..., None], skin, ground)
        eyes = (np.abs(x) - rng.uniform(0.09, 0.13)) ** 2 + (y + 0.08) ** 2 < rng.uniform(0.02, 0.04) ** 2
        image = np.where(eyes[..., None], 0.1, image)
        Image.fromarray((image * 255).astype(np.uint8)).save(folder / f"{number:03}.png")
    return folder


def run(*words: object) -> dict[str, object]:
    done = CliRunner().invoke(main, ["distance", *map(str, words), "--json"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    found: dict[str, object] = json.loads(done.stdout)
    return found


def test_what_is_lost_on_the_way_counts(tmp_path: Path) -> None:
    """Real pictures lie nearer to real ones than what went through 32, then 16 px, then noise; by both distances."""
    real = ovals(tmp_path / "real", 0, 2 * COUNT)
    found = run(ovals(tmp_path / "fake", 1), "--real", real, "--count", COUNT, "--scale")
    scale = found["scale"]
    assert isinstance(scale, dict)
    names = ["real", "real through 32 px", "real through 16 px", "noise"]
    for metric in ("fd", "kd"):
        values = [scale[name][metric] for name in names]
        assert values == sorted(values), metric
    assert found["size"] == SIZE
    assert found["FD-lite0"] < scale["real through 32 px"]["fd"]  # type: ignore[operator]


def test_a_sheet_beside_the_pictures_is_none_of_them(tmp_path: Path) -> None:
    real, fake = ovals(tmp_path / "real", 0), ovals(tmp_path / "fake", 1)
    alone = run(fake, "--real", real, "--count", COUNT)
    Image.new("RGB", (3 * SIZE, SIZE)).save(fake / "sheet.png")
    assert run(fake, "--real", real, "--count", COUNT) == alone


def test_too_few_pictures_are_said(tmp_path: Path) -> None:
    folder = ovals(tmp_path / "few", 0, 3)
    done = CliRunner().invoke(main, ["distance", str(folder), "--real", str(folder), "--count", "4"])
    assert done.exit_code == 2
    assert "error: PICTURES: holds 3 pictures, --count is 4; lower --count" in done.output


def test_a_set_lies_at_no_distance_from_itself() -> None:
    features = np.random.default_rng(0).normal(size=(40, 8))
    assert set_distance(features, features).fd == pytest.approx(0, abs=1e-9)


def test_the_name_says_which_features() -> None:
    assert (Lite0.fd_name, Lite0.kernel_name, Lite0.dim, Lite0.size) == ("FD-lite0", "KD-lite0", 1280, 112)


def test_one_set_of_pictures_passes_the_network_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also when faces and references are looked at in between."""
    trunk = Trunk()
    own, faces, references = (torch.zeros(2, 3, 32, 32, dtype=torch.uint8) for _ in range(3))
    passes: list[int] = []
    maps = trunk.network.maps

    def counted(x: torch.Tensor) -> list[torch.Tensor]:
        passes.append(len(x))
        return maps(x)

    monkeypatch.setattr(trunk.network, "maps", counted)
    for pictures in (own, faces, own, references, own):
        trunk.maps(pictures)
    assert len(passes) == 3
    trunk.maps(torch.full((2, 3, 128, 128), 7, dtype=torch.uint8), largest=64)
    assert len(passes) == 4
