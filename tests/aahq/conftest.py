"""A small folder of painted pictures and a build of it, made once for all tests that look at one."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

SIZE = 64
STYLES = ("natural", "oil", "pastel", "natural", "watercolour", "oil")


@pytest.fixture(scope="session")
def painted_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six portraits, a copy and a mirror of the first, a picture without a face, a cut file, and a text."""
    from aahq.painted.portraits.paint import paint
    from aahq.painted.portraits.styles import style_seed

    folder = tmp_path_factory.mktemp("painted")
    for number, family in enumerate(STYLES):
        # People and styles far apart: nothing but what is planted may look alike.
        rgb = paint(11 * number + 3, style_seed(family, number), 256).rgb
        Image.fromarray(rgb).save(folder / f"p{number}.png")
    shutil.copy(folder / "p0.png", folder / "q_copy.png")
    Image.open(folder / "p0.png").transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(folder / "q_mirror.png")
    slope = np.linspace(0, 255, 256, dtype=np.uint8)
    Image.fromarray(np.stack([np.tile(slope, (256, 1))] * 3, axis=-1)).save(folder / "r_slope.png")
    (folder / "s_cut.png").write_bytes((folder / "p1.png").read_bytes()[:5000])
    (folder / "t_text.jpg").write_text("<html>not a picture</html>")
    return folder


@pytest.fixture(scope="session")
def built(painted_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished build of `painted_folder`, with release; tests that change it copy it first."""
    from aahq.pipeline import open_build, run_all

    out = tmp_path_factory.mktemp("built") / "out"
    with open_build(
        out, source={"source": "folder", "target": str(painted_folder)}, release={"size": SIZE}, workers=1, create=True
    ) as build:
        run_all(build)
    return out
