"""What stands around a face: backgrounds with depth, neck, shoulders and clothes."""

from __future__ import annotations

import colorsys

import numpy as np

from aahq.painted.portraits.canvas import BODY, Array, Canvas, blur, hsv, noise, polygon, smoothstep, stroke
from aahq.painted.portraits.factors import Factors
from aahq.painted.portraits.features import Sitter
from aahq.painted.portraits.layout import smooth_curve
from aahq.painted.portraits.light import normals


def draw_background(canvas: Canvas, f: Factors, rng: np.random.Generator) -> None:
    """Fill the whole canvas with one of six grounds, all out of focus behind a sitter."""
    kind = int(f["background"]) % 6
    hue, light = f["background_hue"], 0.25 + 0.6 * f["background_light"]
    height, width = canvas.part.shape
    y, x = np.mgrid[:height, :width].astype(np.float32)
    x, y = x / width, y / height
    painters = (_studio, _lamps, _window, _leaves, _sky, _wall)
    rgb = painters[kind](x, y, hue, light, f, rng, canvas.unit)
    canvas.rgb[:] = np.clip(rgb, 0, 2)
    canvas.flat[:] = np.clip(blur(rgb, 0.3 * canvas.unit), 0, 1)
    canvas.depth[:] = -2.5 * canvas.unit


def _mix(a: Array, b: Array, t: Array) -> Array:
    return a + (b - a) * t[..., None]


def _studio(x: Array, y: Array, hue: float, light: float, f: Factors, rng: np.random.Generator, unit: float) -> Array:
    glow = np.exp(-(((x - 0.5 - 0.25 * np.sign(f["light_side"])) / 0.5) ** 2 + ((y - 0.42) / 0.6) ** 2))
    cloud = noise(rng, x.shape[0], x.shape[1], 0.25 * x.shape[1], 3) * 0.10
    return _mix(hsv(hue, 0.45, 0.35 * light), hsv((hue + 0.04) % 1, 0.32, 0.95 * light), np.clip(glow + cloud, 0, 1))


def _lamps(x: Array, y: Array, hue: float, light: float, f: Factors, rng: np.random.Generator, unit: float) -> Array:
    out = _mix(hsv(hue, 0.6, 0.20 * light), hsv((hue + 0.12) % 1, 0.5, 0.55 * light), y)
    aspect = x.shape[1] / x.shape[0]
    for _ in range(22):
        cx, cy, r = rng.random(), rng.random(), rng.uniform(0.025, 0.085)
        colour = hsv((hue + rng.choice([0.0, 0.08, 0.5]) + rng.normal(0, 0.03)) % 1, rng.uniform(0.25, 0.6), 1.0)
        glow = colour * np.float32(rng.uniform(0.10, 0.45) * light)
        height, width = x.shape
        top, left = max(0, int((cy - r) * height)), max(0, int((cx - r / aspect) * width))
        at = np.s_[top : int((cy + r) * height) + 2, left : int((cx + r / aspect) * width) + 2]
        d = np.sqrt(((x[at] - cx) * aspect) ** 2 + (y[at] - cy) ** 2) / r
        disc = (1 - smoothstep(0.88, 1.0, d)) * (0.75 + 0.25 * smoothstep(0.6, 0.95, d))
        out[at] += disc[..., None] * glow
    return out


def _window(x: Array, y: Array, hue: float, light: float, f: Factors, rng: np.random.Generator, unit: float) -> Array:
    wall = _mix(hsv(hue, 0.30, 0.55 * light), hsv(hue, 0.35, 0.28 * light), smoothstep(0.2, 1.0, y))
    left = 0.06 if f["light_side"] < 0 else 0.60
    frame = smoothstep(left, left + 0.02, x) * (1 - smoothstep(left + 0.32, left + 0.34, x))
    frame *= smoothstep(0.05, 0.07, y) * (1 - smoothstep(0.70, 0.72, y))
    bars = np.minimum(np.abs(x - left - 0.17), np.abs(y - 0.38) * 1.2)
    pane = frame * smoothstep(0.008, 0.02, bars)
    sky = _mix(np.array([0.75, 0.88, 1.05], np.float32), np.array([1.0, 0.93, 0.80], np.float32), y)
    return blur(_mix(wall, wall * 0 + sky, pane * 0.9), 0.010 * x.shape[1])


def _leaves(x: Array, y: Array, hue: float, light: float, f: Factors, rng: np.random.Generator, unit: float) -> Array:
    n = noise(rng, x.shape[0], x.shape[1], 0.16 * x.shape[1], 3)
    m = noise(rng, x.shape[0], x.shape[1], 0.09 * x.shape[1], 2)
    green = 0.20 + 0.16 * (hue - 0.5)
    out = _mix(hsv(green, 0.65, 0.25 * light), hsv(green + 0.05, 0.60, 0.72 * light), np.clip(0.5 + 0.35 * n, 0, 1))
    sun = smoothstep(0.9, 1.7, m)
    out = out + sun[..., None] * hsv(0.14, 0.35, 0.95) * np.float32(0.8 * light)
    return blur(out, 0.014 * x.shape[1])


def _sky(x: Array, y: Array, hue: float, light: float, f: Factors, rng: np.random.Generator, unit: float) -> Array:
    warm = hue > 0.5
    top = hsv(0.60 - 0.05 * hue, 0.55, 0.75 * light)
    low = hsv(0.07 + 0.03 * hue, 0.55, 0.98) if warm else hsv(0.56, 0.20, 0.98)
    out = _mix(top, low, smoothstep(0.0, 0.8, y))
    cloud = smoothstep(0.1, 1.3, noise(rng, x.shape[0], x.shape[1], 0.30 * x.shape[1], 4) + 0.3 * np.sin(y * 9))
    white = np.array([1.0, 0.93, 0.88], np.float32) * np.float32(0.95 * light)
    out = _mix(out, white, cloud * 0.7)
    ridge = 0.80 + 0.06 * noise(rng, 1, x.shape[1], 0.2 * x.shape[1], 3)
    hill = smoothstep(0.0, 0.012, y - ridge)
    return blur(_mix(out, hsv(0.60, 0.4, 0.35 * light), hill), 0.006 * x.shape[1])


def _wall(x: Array, y: Array, hue: float, light: float, f: Factors, rng: np.random.Generator, unit: float) -> Array:
    base = _mix(
        hsv(hue, 0.50, 0.62 * light),
        hsv(hue, 0.55, 0.34 * light),
        np.clip(0.4 + 0.6 * (x - 0.5) * -np.sign(f["light_side"]) + 0.2 * y, 0, 1),
    )
    stripes = 0.93 + 0.07 * np.sign(np.sin(x * 2 * np.pi * 9))
    rough = 1 + 0.05 * noise(rng, x.shape[0], x.shape[1], 0.05 * x.shape[1], 3)
    return blur(base * (stripes * rough)[..., None], 0.006 * x.shape[1])


def body_rings(f: Factors) -> tuple[Array, Array]:
    """Outlines of (neck with shoulders, clothes) in head coordinates, closed."""
    n = f["neck_width"]
    low = 1.765 * f["face_length"] - 1.85
    broad = 1.0 + 0.12 * f["masculine"]
    half = np.array([(n * 1.10, 0.9), (n, 1.6), (n * 1.02, 2.02), (n * 1.25, 2.28), (1.25 * broad, 2.55),
                     (2.00 * broad, 2.85), (2.45 * broad, 3.6), (2.6 * broad, 6.5)]) + np.array([0, low])  # fmt: skip
    curve = smooth_curve(half, 60)
    skin = np.concatenate([curve, (curve * (-1, 1))[::-1]])
    kind = int(f["collar"])
    depth = (2.62, 3.15, 2.30, 1.98, 2.85)[kind] + low
    side = (1.02, 0.85, 0.80, 0.70, 1.30)[kind]
    top = np.array(
        [(side * n * 1.18, 2.28 + low if kind != 3 else 1.86 + low), (0.55 * n, 0.62 * depth + 0.86), (0.0, depth)]
    )
    if kind == 1:
        top[1] = (0.45 * n, 0.5 * (top[0, 1] + depth))
    line = smooth_curve(top[[0, 1, 2]], 14) if kind != 1 else np.linspace(top[0], top[2], 14)
    outer = smooth_curve(np.concatenate([top[:1], half[4:] * (1.03, 1.0) - (0, 0.03)]), 40)
    right = np.concatenate([line[::-1], outer])
    return skin.astype(np.float32), np.concatenate([right, (right * (-1, 1))[::-1]]).astype(np.float32)


def draw_clothes(canvas: Canvas, who: Sitter, ring: Array, shadow: Array) -> None:
    """Cloth with folds over the shoulders, and the edge of the collar. `ring` in pixels."""
    f, unit, rng = who.f, who.camera.unit, who.rng
    shape = canvas.part.shape
    mask = polygon(shape, ring)
    colour = hsv(f["cloth_hue"], 0.15 + 0.65 * f["cloth_chroma"], 0.18 + 0.70 * f["cloth_light"])
    folds = noise(rng, shape[0], shape[1], 0.7 * unit, 3) * 0.05 * unit
    round_ = blur(mask, 0.35 * unit) * 0.9 * unit
    nx, ny, nz = normals(round_ + folds)
    lx, ly, lz = who.light.direction
    facing = np.clip(nx * lx + ny * ly + nz * lz, 0, 1) * (1 - 0.8 * shadow)
    weave = 1 + 0.04 * noise(rng, shape[0], shape[1], max(0.02 * unit, 1.0), 1)
    lit = colour * ((facing * weave)[..., None] * who.light.key + who.light.around * (0.6 - 0.3 * ny)[..., None])
    canvas.lay(mask, lit, colour, BODY, np.full(shape, -0.45 * unit, np.float32))
    half = len(ring) // 2
    edge = np.concatenate([ring[-14:], ring[:14]]) if half > 20 else ring
    seam = stroke(shape, edge, 0.05 * unit, False, 0.008 * unit) * mask
    h, s, v = colorsys.rgb_to_hsv(*(float(c) ** (1 / 2.2) for c in colour))
    trim = hsv(h, s * 0.9, min(1.0, v * 1.25))
    canvas.lay(seam * 0.6, trim * 0.7, trim, None)
    canvas.lines[:] = np.maximum(canvas.lines, 0.6 * seam)
