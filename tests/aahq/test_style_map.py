"""The map of a release's styles: pictures of one style stand together; the command writes a picture."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from aahq.cli import main
from aahq.style_map import style_features


def test_features_tell_styles_apart_and_not_places() -> None:
    """Distances between statistics: stripes moved or turned over stay nearer to themselves than to noise."""
    rng = np.random.default_rng(0)
    rows = np.arange(128)
    stripes = np.repeat(((rows // 8 % 2) * 200 + 20).astype(np.uint8)[:, None, None], 128, axis=1).repeat(3, axis=2)
    moved = np.roll(stripes, 5, axis=0)
    noise = rng.integers(0, 256, (128, 128, 3), dtype=np.uint8)
    one, same, other = (style_features(picture) for picture in (stripes, moved, noise))
    assert one.ndim == 1
    assert np.isfinite(one).all()
    assert np.linalg.norm(one - same) < 0.5 * np.linalg.norm(one - other)


def test_the_command_draws_a_release(built: Path, tmp_path: Path) -> None:
    to = tmp_path / "map.png"
    asked = ["style-map", str(built / "release"), "-o", str(to), "--width", "400", "--json"]
    done = CliRunner().invoke(main, asked, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout) == {"map": str(to), "pictures": 6}
    first = to.read_bytes()
    with Image.open(to) as drawn:
        assert drawn.width == 400
        assert len(np.unique(np.asarray(drawn.convert("L")))) > 50, "pictures are on it"
    CliRunner().invoke(main, asked, catch_exceptions=False)
    assert to.read_bytes() == first, "the same seed, the same map"


def test_too_few_pictures_are_one_line(built: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["style-map", str(tmp_path), "-o", str(tmp_path / "map.png")])
    assert done.exit_code != 0
    assert not (tmp_path / "map.png").exists()


@pytest.mark.parametrize("shade", [0, 127, 255])
def test_a_flat_picture_has_features(shade: int) -> None:
    assert np.isfinite(style_features(np.full((64, 64, 3), shade, np.uint8))).all()
