"""Paint the README's picture wall, `docs/images/wall.png`: twenty-four portraits of people who do not exist."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from aahq.painted.portraits import paint, style_seed
from suite.files import whole_file

WALL = Path(__file__).parent / "images" / "wall.png"
TILE, GAP, PAINTED = 128, 4, 256
# (family, number of the style in its family, identity, variation), row by row.
ROWS = (
    (
        ("ink", 23, 3036, 3), ("cel", 20, 3001, 0), ("woodcut", 22, 3026, 2), ("impressionism", 22, 3028, 2),
        ("natural", 20, 3007, 0), ("screen print", 20, 3003, 0), ("watercolour", 20, 3006, 0), ("oil", 22, 3032, 2),
    ),
    (
        ("natural", 26, 3079, 6), ("stained glass", 21, 3017, 1), ("screen print", 25, 3063, 5), ("ink", 26, 3072, 6),
        ("cel", 25, 3061, 5), ("woodcut", 27, 3086, 7), ("gouache", 25, 3069, 5), ("impressionism", 23, 3040, 3),
    ),
    (
        ("woodcut", 24, 3050, 4), ("watercolour", 22, 3030, 2), ("fresco", 25, 3071, 5), ("cel", 27, 3085, 7),
        ("stained glass", 26, 3077, 6), ("natural", 22, 3031, 2), ("oil", 21, 3020, 1), ("screen print", 23, 3039, 3),
    ),
)  # fmt: skip


def wall() -> Image.Image:
    """The wall: tiles painted at 256 px, halved, on white."""
    width, height = (len(ROWS[0]) * (TILE + GAP) - GAP, len(ROWS) * (TILE + GAP) - GAP)
    out = Image.new("RGB", (width, height), "white")
    for y, row in enumerate(ROWS):
        for x, (family, number, identity, variation) in enumerate(row):
            picture = paint(identity, style_seed(family, number), PAINTED, variation)
            tile = Image.fromarray(np.ascontiguousarray(picture.rgb)).resize((TILE, TILE), Image.Resampling.LANCZOS)
            out.paste(tile, (x * (TILE + GAP), y * (TILE + GAP)))
    return out


if __name__ == "__main__":
    with whole_file(WALL) as part:
        # A palette keeps the file a third of the size; at this scale the eye sees no difference.
        wall().quantize(256, Image.Quantize.MEDIANCUT).save(part, format="PNG", optimize=True)
