"""The styles: each family turns the base picture into a painting, print or drawing of its kind."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from aahq.painted.portraits.canvas import Array, Canvas
from aahq.painted.portraits.styles import brush, dry, flat, line, wet
from aahq.painted.portraits.styles.hand import Brushwork

__all__ = ["FAMILIES", "Hand", "apply_style", "family_of", "style_seed"]

# Order is part of the meaning of a style seed: new families go to the end.
_PAINTERS: dict[str, Callable[[Canvas, Brushwork], Array]] = {
    "natural": flat.natural,
    "oil": brush.oil,
    "watercolour": wet.watercolour,
    "ink": line.ink,
    "engraving": line.engraving,
    "cel": flat.cel,
    "pastel": dry.pastel,
    "low-poly": flat.low_poly,
    "pointillism": brush.pointillism,
    "woodcut": line.woodcut,
    "charcoal": dry.charcoal,
    "gouache": brush.gouache,
    "stained glass": flat.stained_glass,
    "impressionism": brush.impressionism,
    "fresco": wet.fresco,
    "screen print": flat.screen_print,
}

FAMILIES: tuple[str, ...] = tuple(_PAINTERS)


def family_of(style: int) -> str:
    """The family of a style seed; families come round evenly, seeds 0, 16, 32, ... are natural."""
    return FAMILIES[style % len(FAMILIES)]


def style_seed(family: str, number: int) -> int:
    """The `number`-th style seed of a family."""
    return number * len(FAMILIES) + FAMILIES.index(family)


def apply_style(canvas: Canvas, hand: Brushwork) -> Array:
    """The finished picture, (H, W, 3) float32 display values, about 0 to 1."""
    return np.clip(_PAINTERS[hand.family](canvas, hand), 0, 1)
