"""Whole pictures as a gallery shows them: a portrait in its own framing, groups, landscapes, still lifes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aahq.painted.portraits.backdrop import draw_background
from aahq.painted.portraits.canvas import Array, Canvas, blur, hsv, noise, smoothstep
from aahq.painted.portraits.factors import identity_factors, moment_factors, stream
from aahq.painted.portraits.figure import draw_figure
from aahq.painted.portraits.layout import free_camera
from aahq.painted.portraits.paint import describe, finish

_SCENE = 105


@dataclass(frozen=True)
class Picture:
    """A painted picture and what it shows.

    Attributes:
        rgb: (H, W, 3) uint8 sRGB.
        faces: for each face its landmarks, (68, 2) float32 pixels, iBUG-68.
        factors: for each face its factors, as `Portrait.factors`.
    """

    rgb: NDArray[np.uint8]
    faces: tuple[NDArray[np.float32], ...]
    factors: tuple[dict[str, Any], ...]


def portrait_picture(identity: int, style: int, width: int, height: int, variation: int = 0) -> Picture:
    """Head and shoulders of one person, not aligned: rolled, off the middle, with room around."""
    rng = stream(_SCENE, identity, style, variation)
    look = {**identity_factors(identity), **moment_factors(identity, variation)}
    unit = min(width / rng.uniform(4.6, 6.0), height / rng.uniform(5.6, 6.8))
    centre = (width * rng.uniform(0.44, 0.56), height * rng.uniform(0.40, 0.46))
    canvas = Canvas.blank(height, width, unit)
    draw_background(canvas, look, rng)
    landmarks = draw_figure(canvas, look, free_camera(look, centre, unit), rng)
    rgb = finish(canvas, style, rng, height, width)
    return Picture(rgb, (landmarks,), (describe(identity, style, variation, look),))


def group_picture(identities: tuple[int, ...], style: int, width: int, height: int, variation: int = 0) -> Picture:
    """Two to four people side by side, the outer ones a little behind."""
    rng = stream(_SCENE, *identities, style, variation)
    count = len(identities)
    unit = min(width / (3.3 * count + 0.6), height / 6.2)
    looks = [{**identity_factors(i), **moment_factors(i, variation)} for i in identities]
    canvas = Canvas.blank(height, width, unit)
    draw_background(canvas, looks[0], rng)
    faces: list[NDArray[np.float32]] = [np.zeros((68, 2), np.float32)] * count
    lamp = {name: looks[0][name] for name in ("light_side", "light_height", "light_warmth", "light_contrast", "light")}
    for k in sorted(range(count), key=lambda k: -abs(k - (count - 1) / 2)):
        look = {**looks[k], **lamp}
        middle = width * (k + 0.5) / count + unit * rng.uniform(-0.12, 0.12)
        raised = height * (0.40 + 0.05 * (k % 2)) + unit * rng.uniform(-0.15, 0.15)
        faces[k] = draw_figure(canvas, look, free_camera(look, (middle, raised), unit), rng)
    rgb = finish(canvas, style, rng, height, width)
    factors = tuple(describe(i, style, variation, look) for i, look in zip(identities, looks, strict=True))
    return Picture(rgb, tuple(faces), factors)


def landscape_picture(seed: int, style: int, width: int, height: int) -> Picture:
    """Ridges in the haze under a sky, water in front: nobody there."""
    rng = stream(_SCENE, 1, seed, style)
    canvas = Canvas.blank(height, width, height / 10)
    y, x = np.mgrid[:height, :width].astype(np.float32)
    x, y = x / width, y / height
    warm, hue = rng.random(), 0.53 + 0.12 * rng.random()
    top, low = hsv(hue, 0.60, 0.75), hsv(0.06 + 0.05 * warm, 0.45 * warm + 0.05, 1.0)
    out = top + (low - top) * smoothstep(0.0, 0.55, y)[..., None]
    sun = rng.uniform(0.2, 0.8), rng.uniform(0.22, 0.42)
    far = np.sqrt(((x - sun[0]) * width / height) ** 2 + (y - sun[1]) ** 2)
    out = out + (np.exp(-((far / 0.16) ** 2)) * 0.6 + smoothstep(0.052, 0.047, far) * 1.2)[..., None] * hsv(
        0.11, 0.25, 1.0
    )
    cloud = smoothstep(0.3, 1.5, noise(rng, height, width, 0.35 * width, 5) + np.sin(y * 22) * 0.35)
    out = out + (np.array([1.0, 0.95, 0.92], np.float32) - out) * (0.6 * cloud * smoothstep(0.6, 0.3, y))[..., None]
    canvas.depth[:] = -4 * canvas.unit
    haze = low * 0.85
    for layer, base in enumerate((0.46, 0.54, 0.62, 0.70)):
        jag = noise(rng, 1, width, (0.34 - 0.05 * layer) * width, 5)[0]
        ridge = base - (0.075 - 0.008 * layer) * jag
        mask = smoothstep(0.0, 1.5 / height, y - ridge[None, :])
        near = hsv(0.28 + 0.06 * rng.random(), 0.55, 0.22 + 0.05 * layer)
        tone = haze + (near - haze) * np.float32(0.30 + 0.22 * layer)
        rough = 1 + 0.16 * noise(rng, height, width, 0.05 * width, 4)
        canvas_tone = tone * (rough * (1 - 0.25 * smoothstep(0, 0.2, y - ridge[None, :])))[..., None]
        out = out + (canvas_tone - out) * mask[..., None]
        canvas.part[mask > 0.5] = 1 + layer % 2
        canvas.depth[mask > 0.5] = (layer - 3) * canvas.unit
    shore = 0.80
    flip = out[np.clip(((2 * shore - y[:, 0]) * height).astype(int), 0, height - 1)]
    ripple = 1 + 0.10 * noise(rng, height, width, 0.03 * width, 2) * smoothstep(shore, 1.0, y)
    water = blur(flip, 0.006 * height) * np.array([0.72, 0.84, 0.92], np.float32) * ripple[..., None]
    out = out + (water - out) * smoothstep(shore, shore + 2 / height, y)[..., None]
    canvas.rgb[:] = np.clip(out, 0, 2)
    canvas.flat[:] = np.clip(blur(canvas.rgb, 0.2 * canvas.unit), 0, 1)
    return Picture(finish(canvas, style, rng, height, width), (), ())


def still_life_picture(seed: int, style: int, width: int, height: int) -> Picture:
    """Fruit on a table before a wall: nobody there either."""
    rng = stream(_SCENE, 2, seed, style)
    canvas = Canvas.blank(height, width, height / 10)
    y, x = np.mgrid[:height, :width].astype(np.float32)
    wall, table = hsv(rng.random(), 0.40, 0.42), hsv(0.07, 0.55, 0.52)
    glow = np.exp(-(((x / width - 0.25) / 0.5) ** 2 + ((y / height - 0.3) / 0.6) ** 2))
    grain = 1 + 0.07 * noise(rng, height, width, 0.2 * width, 4)
    out = wall * ((0.45 + 0.9 * glow) * grain)[..., None]
    edge = 0.64 * height
    plank = 1 + 0.10 * np.sin((y - edge) * 0.25 + noise(rng, height, width, 0.4 * width, 2))
    front = smoothstep(0, 2, y - edge)
    out = out + (table * (plank * (0.55 + 0.6 * glow))[..., None] - out) * front[..., None]
    canvas.part[front > 0.5] = 1
    for _ in range(int(rng.integers(5, 9))):
        radius = height * rng.uniform(0.07, 0.13)
        cx, cy = width * rng.uniform(0.15, 0.85), height * rng.uniform(0.62, 0.80)
        out = _fruit(
            out, canvas, x, y, cx, cy, radius, hsv(rng.choice([0.0, 0.05, 0.09, 0.14, 0.24, 0.80]), 0.75, 0.85)
        )
    canvas.rgb[:] = np.clip(out, 0, 2)
    canvas.flat[:] = np.clip(blur(canvas.rgb, 0.4 * canvas.unit), 0, 1)
    return Picture(finish(canvas, style, rng, height, width), (), ())


def _fruit(out: Array, canvas: Canvas, x: Array, y: Array, cx: float, cy: float, radius: float, colour: Array) -> Array:
    dx, dy = (x - cx) / radius, (y - cy) / radius
    r2 = dx * dx + dy * dy
    fallen = np.exp(-(((dx - 0.5) / 1.2) ** 2 + ((dy - 0.95) / 0.30) ** 2))
    out = out * (1 - 0.65 * fallen[..., None])
    nz = np.sqrt(np.clip(1 - r2, 0, 1))
    facing = np.clip(-0.55 * dx - 0.60 * dy + 0.58 * nz, 0, 1)
    shine = np.clip(-0.32 * dx - 0.38 * dy + 0.87 * nz, 0, 1) ** 40
    body = colour * (0.14 + 1.05 * facing)[..., None] + (0.7 * shine)[..., None]
    mask = smoothstep(1.0, 1 - 3 / radius, r2)
    canvas.part[mask > 0.5] = 4
    canvas.depth[:] = np.where(mask > 0.5, nz * radius, canvas.depth)
    return out + (body - out) * mask[..., None]
