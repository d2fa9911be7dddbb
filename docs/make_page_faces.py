"""Paint the faces and styles that `blendgan page` offers, `models/page/static/*.webp`: nobody's face, CC0."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from aahq.painted.portraits import paint, style_seed
from suite.files import whole_file

HERE = Path(__file__).resolve().parents[1] / "models" / "page" / "static"
SIDE = 128
WORLD = "small"
# (name, family, number of the style in its family, identity, variation)
PICTURES = (
    ("face-1", "natural", 20, 9001, 1), ("face-2", "natural", 20, 9002, 2), ("face-3", "natural", 20, 9003, 3),
    ("face-4", "natural", 20, 9005, 5), ("face-5", "natural", 20, 9009, 9), ("face-6", "natural", 20, 9014, 14),
    ("style-ink", "ink", 902, 9102, 2), ("style-woodcut", "woodcut", 908, 9108, 8),
    ("style-cel", "cel", 919, 9119, 19), ("style-gouache", "gouache", 910, 9110, 10),
    ("style-stained-glass", "stained glass", 911, 9111, 11), ("style-screen-print", "screen print", 914, 9114, 14),
    ("style-impressionism", "impressionism", 912, 9112, 12), ("style-watercolour", "watercolour", 916, 9116, 16),
    ("style-pastel", "pastel", 920, 9120, 20), ("style-pointillism", "pointillism", 922, 9122, 22),
    ("style-charcoal", "charcoal", 909, 9109, 9), ("style-engraving", "engraving", 918, 9118, 18),
)  # fmt: skip


def main() -> None:
    for name, family, number, identity, variation in PICTURES:
        picture = paint(identity, style_seed(family, number), SIDE, variation, WORLD)
        with whole_file(HERE / f"{name}.webp") as part:
            Image.fromarray(picture.rgb).save(part, format="WEBP", quality=88, method=6)


if __name__ == "__main__":
    main()
