"""A portrait from two seeds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from aahq.painted.portraits.backdrop import draw_background
from aahq.painted.portraits.canvas import Canvas
from aahq.painted.portraits.factors import Factors, identity_factors, moment_factors, style_factors, texture_stream
from aahq.painted.portraits.figure import draw_figure
from aahq.painted.portraits.layout import aligned_camera
from aahq.painted.portraits.styles import Brushwork, apply_style, family_of
from aahq.painted.portraits.worlds import GALLERY, WORLDS


@dataclass(frozen=True)
class Portrait:
    """A painted portrait and the truth about it.

    Attributes:
        rgb: (S, S, 3) uint8 sRGB.
        landmarks: (68, 2) float32, pixels, (0, 0) the middle of the first pixel, in iBUG-68 order. Points of the
            jaw may lie a little outside of the picture when a turned head's ear does.
        factors: `identity`, `style`, `style_name`, `variation` and the named numbers that the picture was made from.
    """

    rgb: NDArray[np.uint8]
    landmarks: NDArray[np.float32]
    factors: dict[str, Any]


def paint(identity: int, style: int, size: int = 512, variation: int = 0, world: str = "gallery") -> Portrait:
    """Paint one person in one style, framed as the FFHQ crop would frame the face.

    The same seeds give the same bytes with the same versions of numpy and OpenCV.

    Args:
        identity: seed of the person: geometry, skin, hair, age.
        style: seed of the style; its family is `family_of(style)`, its palette, texture and strokes follow the seed.
        size: side in pixels, 32 to 2048.
        variation: seed of pose, expression, light and background; another picture of the same person.
        world: name of the part of the painter's range that pose and background are drawn from (`WORLDS`).

    Raises:
        ValueError: size out of range; no such world.
    """
    if not 32 <= size <= 2048:
        raise ValueError(f"size {size}: expected 32 to 2048")
    if world not in WORLDS:
        raise ValueError(f"world {world!r}: expected one of {', '.join(WORLDS)}")
    part = WORLDS[world]
    look = {**identity_factors(identity), **moment_factors(identity, variation, part.pose, part.backdrops)}
    inner = working_size(size)
    camera = aligned_camera(look, inner)
    rng = texture_stream(identity, style, variation)
    canvas = Canvas.blank(inner, inner, camera.unit)
    draw_background(canvas, look, rng)
    landmarks = draw_figure(canvas, look, camera, rng)
    rgb = finish(canvas, style, rng, size, size)
    scale = size / inner
    factors = describe(identity, style, variation, look)
    if part is not GALLERY:
        factors["world"] = world
    return Portrait(rgb, ((landmarks + 0.5) * scale - 0.5).astype(np.float32), factors)


def working_size(size: int) -> int:
    """Small pictures are painted larger and reduced: features of half a pixel need it."""
    return max(size, min(2 * size, 192), 128)


def finish(canvas: Canvas, style: int, rng: np.random.Generator, height: int, width: int) -> NDArray[np.uint8]:
    """Style the canvas and reduce it to (height, width, 3) uint8."""
    painted = apply_style(canvas, Brushwork(style_factors(style), rng, family_of(style)))
    if painted.shape[:2] != (height, width):
        painted = cv2.resize(painted, (width, height), interpolation=cv2.INTER_AREA)
    return np.round(np.clip(painted, 0, 1) * 255).astype(np.uint8)


def describe(identity: int, style: int, variation: int, look: Factors) -> dict[str, Any]:
    """The factors of a portrait as they stand in a manifest."""
    numbers = {name: round(value, 6) for name, value in {**look, **style_factors(style)}.items()}
    return {"identity": identity, "style": style, "style_name": family_of(style), "variation": variation, **numbers}
