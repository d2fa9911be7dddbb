"""Eyes, brows, mouth and nostrils, drawn where the 68 points say."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from aahq.painted.portraits.canvas import EYES, LIPS, Array, Canvas, bounds, fixed, hsv, polygon, smoothstep, stroke
from aahq.painted.portraits.factors import Factors
from aahq.painted.portraits.layout import Camera, smooth_curve
from aahq.painted.portraits.light import Light
from aahq.painted.portraits.relief import lip_tone, skin_tone


@dataclass(frozen=True)
class Sitter:
    """One face being drawn: its factors, camera, 68 points in head coordinates, lamp and accidents."""

    f: Factors
    camera: Camera
    points: Array
    light: Light
    shadow: Array
    rng: np.random.Generator

    def pixels(self, uv: Array) -> Array:
        """Points of the face's surface in pixels."""
        return self.camera.to_pixels(uv[:, 0], uv[:, 1], self.f)


def hair_colour(f: Factors) -> Array:
    """The person's hair, linear (3,)."""
    dark = np.array([0.020, 0.013, 0.010])
    brown = np.array([0.105, 0.052, 0.026])
    blond = np.array([0.55, 0.36, 0.165])
    red = np.array([0.30, 0.085, 0.028])
    t = f["hair_fair"]
    base = dark + (brown - dark) * min(1.0, t * 2.2) + (blond - brown) * max(0.0, (t - 0.45) / 0.55)
    base = base + (red - base) * 0.8 * f["hair_red"]
    return (base + (np.array([0.50, 0.50, 0.51]) - base) * 0.9 * f["hair_grey"]).astype(np.float32)


def draw_eyes(canvas: Canvas, who: Sitter) -> None:
    for side, first in ((-1, 36), (1, 42)):
        _draw_eye(canvas, who, who.points[first : first + 6], side)


def _draw_eye(canvas: Canvas, who: Sitter, six: Array, side: int) -> None:
    unit = who.camera.unit
    shape = canvas.part.shape
    upper, lower = smooth_curve(six[[0, 1, 2, 3]], 24), smooth_curve(six[[3, 4, 5, 0]], 24)
    up_px, low_px = who.pixels(upper), who.pixels(lower)
    hole = polygon(shape, np.concatenate([up_px, low_px[1:-1]]))
    top, bottom, left, right = bounds(hole)
    if top == bottom:
        return
    pad = int(0.12 * unit) + 2
    at = np.s_[max(top - pad, 0) : bottom + pad, max(left - pad, 0) : right + pad]
    lit = _eyeball(who, six, at, shape, side)
    inside = hole[at][..., None]
    canvas.rgb[at] += (lit - canvas.rgb[at]) * inside
    canvas.flat[at] += (np.clip(lit, 0, 1) - canvas.flat[at]) * inside
    canvas.part[at][hole[at] > 0.5] = EYES
    _draw_lids(canvas, who, up_px, low_px, upper, side)


def _eyeball(who: Sitter, six: Array, at: tuple[slice, slice], shape: tuple[int, ...], side: int) -> Array:
    """The ball's colours in the window `at`."""
    f, unit = who.f, who.camera.unit
    rows, columns = np.arange(shape[0], dtype=np.float32)[at[0]], np.arange(shape[1], dtype=np.float32)[at[1]]
    centre = six.mean(0)
    look = np.array([[0.075 * f["gaze"] - 0.003 * f["pose_yaw"], -0.012]], np.float32)
    iris = who.pixels(centre[None] + look)[0]
    radius = 0.112 * unit * (0.96 + 0.04 * f["eye_size"])
    dx, dy = (columns[None, :] - iris[0]) / radius, (rows[:, None] - iris[1]) / radius
    squeeze = np.cos(who.camera.yaw + 0.25 * f["gaze"])
    r = np.sqrt((dx / squeeze) ** 2 + dy * dy)
    ball = who.pixels(centre[None])[0]
    bx, by = (columns[None, :] - ball[0]) / unit, (rows[:, None] - ball[1]) / unit
    white = np.array([0.80, 0.75, 0.72], np.float32) * (1 - 2.6 * (bx * bx) - 1.5 * by * by)[..., None]
    corner = np.exp(-(((bx - (0.2 if side < 0 else -0.2)) / 0.045) ** 2 + (by / 0.06) ** 2))
    white = white * (1 - corner[..., None] * np.array([0.25, 0.55, 0.5], np.float32))
    hue = f["iris_hue"] if f["melanin"] < 0.45 else 0.55 + 0.45 * f["iris_hue"]
    stops = [(0.60, 0.42, 0.62), (0.52, 0.30, 0.55), (0.33, 0.35, 0.42), (0.09, 0.62, 0.42), (0.06, 0.70, 0.27)]
    tone = hsv(*stops[min(int(hue * 5), 4)])
    angle = np.arctan2(dy, dx)
    phase = who.rng.uniform(0, 6.28, 3)
    rays = sum(np.sin(angle * n + p) for n, p in zip((11, 17, 29), phase, strict=True)) / 3
    glow = 0.75 + 0.55 * np.clip(r, 0, 1) + 0.30 * rays * smoothstep(0.35, 0.7, r)
    glow *= 1 + 0.9 * np.clip(0.6 * dy - who.light.side * 0.4 * dx, -0.3, 1)
    ring = 1 - 0.75 * smoothstep(0.78, 1.0, r)
    coloured = tone * (glow * ring)[..., None]
    edge = 1.6 / radius
    pupil = 1 - smoothstep(0.40 - edge, 0.40 + edge, r)
    coloured = coloured * (1 - 0.96 * pupil[..., None])
    seen = 1 - smoothstep(1 - edge, 1 + edge, r)
    out = white + (coloured - white) * seen[..., None]
    lid = smoothstep(-0.075, 0.015, by) * 0.55 + 0.45
    side_light = 0.92 + 0.5 * who.light.side * bx
    out = out * (lid * side_light * (1 - 0.45 * who.shadow[at]))[..., None] * (0.55 + 0.45 * who.light.key)
    for (gx, gy), size, power in (
        ((0.34 * who.light.side, -0.40), 0.23, 1.5),
        ((-0.35 * who.light.side, 0.42), 0.15, 0.35),
    ):
        spot = np.exp(-((((dx - gx) / size) ** 2 + ((dy - gy) / size) ** 2) ** 1.5))
        out = out + (power * spot)[..., None]
    return out.astype(np.float32)


def _draw_lids(canvas: Canvas, who: Sitter, up: Array, low: Array, upper: Array, side: int) -> None:
    f, unit = who.f, who.camera.unit
    shape = canvas.part.shape
    tone = skin_tone(f)
    lash = np.minimum(hair_colour(f) * 0.25, 0.03) + 0.004
    weight = 1 - 0.55 * f["masculine"] + 0.5 * f["makeup"]
    crease_uv = upper + np.stack([np.zeros(24), -0.075 * np.sin(np.linspace(0.15, 3.0, 24)) - 0.006], 1)
    fold = stroke(shape, who.pixels(crease_uv.astype(np.float32)), 0.035 * unit, True, 0.012 * unit)
    canvas.lay(fold * 0.60, tone * np.array([0.42, 0.33, 0.30], np.float32), tone * 0.6, None)
    canvas.lines[:] = np.maximum(canvas.lines, 0.55 * fold)
    water = stroke(shape, low, 0.022 * unit, True, 0.004 * unit)
    canvas.lay(water * 0.45, tone * np.array([1.1, 0.82, 0.78], np.float32), tone, None)
    under = stroke(shape, low + np.array([0, 0.014 * unit], np.float32), 0.020 * unit, True, 0.006 * unit)
    canvas.lay(under * (0.35 + 0.3 * f["makeup"]), tone * 0.22, tone * 0.4, None)
    canvas.lines[:] = np.maximum(canvas.lines, 0.5 * under)
    line = stroke(shape, up, (0.032 + 0.022 * weight) * unit, True, 0.003 * unit)
    canvas.lay(line * 0.95, lash, lash, None)
    canvas.lines[:] = np.maximum(canvas.lines, line)
    mask = np.zeros(shape, np.uint8)
    outward = 0.0 if side > 0 else 1.0
    for t in np.linspace(0.08, 0.95, 17):
        base = up[int(t * 23)]
        far = t if outward == 0 else 1 - t
        length = (0.028 + 0.050 * far) * unit * (0.55 + 0.5 * weight)
        lean = (far - 0.35) * 1.3 * side
        middle = base + np.array([0.35 * lean * length, -0.45 * length])
        tip = base + np.array([lean * length, -length])
        cv2.polylines(
            mask, [fixed(np.stack([base, middle, tip]))], False, 255, max(1, round(0.007 * unit)), cv2.LINE_AA, 4
        )
    canvas.lay(mask.astype(np.float32) * np.float32(0.75 / 255), lash, lash, None)


def draw_brows(canvas: Canvas, who: Sitter) -> None:
    f, unit = who.f, who.camera.unit
    shape = canvas.part.shape
    colour = hair_colour(f) * 0.55 + 0.004
    for side, first in ((-1, 17), (1, 22)):
        spine = smooth_curve(who.points[first : first + 5], 40)
        if side > 0:
            spine = spine[::-1]
        # The five points lie on a brow's upper edge in the convention, its body hangs a little below.
        thick = 0.040 * f["brow_thickness"] * np.sin(np.pi * np.linspace(0.10, 0.93, 40) ** 0.75) ** 0.8 + 0.012
        body = spine + np.stack([np.zeros(40), 0.55 * thick], 1).astype(np.float32)
        edge = np.concatenate([body - np.stack([0 * thick, thick], 1), (body + np.stack([0 * thick, thick], 1))[::-1]])
        region = polygon(shape, who.pixels(edge.astype(np.float32)), 0.018 * unit)
        canvas.lay(region * 0.55, colour, colour, None)
        hairs = np.zeros(shape, np.uint8)
        count = 110
        at = who.rng.random(count)
        offset = who.rng.uniform(-0.9, 0.9, count)
        index = (at * 39).astype(int)
        root = body[index] + np.stack([np.zeros(count), offset * thick[index]], 1)
        # From the nose outwards hairs turn from upright to lying along the brow.
        turn = np.interp(1 - at, [0, 0.35, 1], [1.25, 0.45, -0.25]) - 0.25 * offset
        length = 0.056 * (0.7 + 0.6 * who.rng.random(count))
        outward = np.stack([side * np.cos(turn), -np.sin(turn)], 1) * length[:, None]
        start, end = who.pixels(root.astype(np.float32)), who.pixels((root + outward).astype(np.float32))
        lines = list(np.stack([fixed(start), fixed(end)], 1))
        cv2.polylines(hairs, lines, False, 255, max(1, round(0.008 * unit)), cv2.LINE_AA, 4)
        strength = hairs.astype(np.float32) * np.float32(1 / 255)
        canvas.lay(strength * 0.55, colour * 0.8, colour, None)
        canvas.lines[:] = np.maximum(canvas.lines, np.maximum(0.55 * region, 0.75 * strength))


def draw_mouth(canvas: Canvas, who: Sitter, lit: Array) -> None:
    """Lips over the lit skin `lit` (H, W, 3): their own colour under the skin's light, a parting line, teeth, gloss."""
    f, unit, p = who.f, who.camera.unit, who.points
    shape = canvas.part.shape
    upper = np.concatenate([smooth_curve(p[48:55], 40), smooth_curve(p[[64, 63, 62, 61, 60]], 30)])
    lower = np.concatenate(
        [smooth_curve(p[[54, 55, 56, 57, 58, 59, 48]], 40), smooth_curve(p[[60, 67, 66, 65, 64]], 30)]
    )
    ratio = lip_tone(f) / skin_tone(f)
    for ring, dim in ((upper, 0.84), (lower, 1.02)):
        mask = polygon(shape, who.pixels(ring), 0.010 * unit)
        canvas.lay(mask * (0.80 + 0.15 * f["makeup"]), lit * ratio * np.float32(dim), lip_tone(f), LIPS)
    gap = np.concatenate([smooth_curve(p[60:65], 30), smooth_curve(p[[64, 65, 66, 67, 60]], 30)[1:-1]])
    if f["mouth_open"] > 0.02:
        dark = np.array([0.045, 0.014, 0.013], np.float32)
        hole = polygon(shape, who.pixels(gap), 0.006 * unit)
        canvas.lay(hole, dark, dark, LIPS)
        teeth = gap.copy()
        teeth[30:, 1] = np.minimum(teeth[30:, 1], p[62, 1] + 0.075 * min(1.0, 5 * f["mouth_open"]))
        white = polygon(shape, who.pixels(teeth), 0.012 * unit) * hole
        middle = np.clip(
            1.15 - np.abs(np.arange(shape[1], dtype=np.float32) - who.pixels(p[62:63])[0, 0]) / (0.42 * unit), 0.15, 1
        )
        canvas.lay(
            white * middle[None, :] * 0.9, np.array([0.60, 0.55, 0.50], np.float32), np.float32(0.75) * np.ones(3), None
        )
    else:
        gap = gap[:30]
    part = stroke(
        shape, who.pixels(smooth_curve(p[[48, 60, 61, 62, 63, 64, 54]], 50)), 0.026 * unit, True, 0.005 * unit
    )
    line = np.array([0.30, 0.14, 0.13], np.float32)
    canvas.lay(part * 0.85, skin_tone(f) * line, skin_tone(f) * line, None)
    canvas.lines[:] = np.maximum(canvas.lines, part)
    rim = stroke(shape, who.pixels(smooth_curve(p[[54, 55, 56, 57, 58, 59, 48]], 50)), 0.014 * unit, True, 0.006 * unit)
    canvas.lines[:] = np.maximum(canvas.lines, 0.38 * rim)
    shine = np.array([[-0.10 + 0.06 * who.light.side, 0.0], [0.10 + 0.06 * who.light.side, 0.0]], np.float32)
    shine += (p[57] * 0.55 + p[66] * 0.45)[None]
    gloss = stroke(shape, who.pixels(smooth_curve(shine, 8)), 0.030 * unit, True, 0.016 * unit)
    canvas.lay(
        gloss * (0.10 + 0.30 * f["makeup"]), np.array([1.0, 0.86, 0.82], np.float32) * 0.8, lip_tone(f) * 1.3, None
    )


def draw_nose(canvas: Canvas, who: Sitter) -> None:
    f, unit = who.f, who.camera.unit
    shape = canvas.part.shape
    n, wide = f["nose_length"], f["nose_width"]
    tone = skin_tone(f)
    for side in (-1, 1):
        centre = np.array([side * 0.105 * wide, 0.715 * n])
        t = np.linspace(0, 2 * np.pi, 16)[:, None]
        ring = centre + np.concatenate([0.052 * wide * np.cos(t), 0.026 * np.sin(t) - side * 0.010 * np.cos(t) * -1], 1)
        hole = polygon(shape, who.pixels(ring.astype(np.float32)), 0.012 * unit)
        canvas.lay(hole * 0.88, tone * np.array([0.13, 0.06, 0.05], np.float32), tone * 0.22, None)
        canvas.lines[:] = np.maximum(canvas.lines, hole)
        wing = np.array([(0.205, 0.56), (0.262, 0.645), (0.235, 0.725), (0.155, 0.735)]) * (side * wide, n)
        crease = stroke(shape, who.pixels(smooth_curve(wing, 16)), 0.024 * unit, True, 0.010 * unit)
        canvas.lay(crease * 0.34, tone * np.array([0.40, 0.27, 0.23], np.float32), tone * 0.55, None)
        canvas.lines[:] = np.maximum(canvas.lines, 0.6 * crease)
    base = np.array([(-0.055, 0.757), (0, 0.772), (0.055, 0.757)]) * (wide, n)
    under = stroke(shape, who.pixels(smooth_curve(base, 10)), 0.022 * unit, True, 0.012 * unit)
    canvas.lay(under * 0.35, tone * np.array([0.4, 0.27, 0.23], np.float32), tone * 0.6, None)
    canvas.lines[:] = np.maximum(canvas.lines, 0.45 * under)
