"""Hair as strands: each runs in a band between the hairline and the outline of the head of hair."""

from __future__ import annotations

import cv2
import numpy as np

from aahq.painted.portraits.canvas import HAIR, Array, Canvas, blur, bounds, fixed, noise, polygon, smoothstep
from aahq.painted.portraits.factors import HAIR_STYLES, Factors
from aahq.painted.portraits.features import Sitter, hair_colour
from aahq.painted.portraits.layout import smooth_curve
from aahq.painted.portraits.relief import beard_region

# Outline of the hair on one side, from the crown down: (u, v); u is mirrored. And where the band ends.
_OUTER: dict[str, list[tuple[float, float]]] = {
    "crop": [(0, -1.74), (0.62, -1.62), (1.08, -1.20), (1.26, -0.62), (1.25, -0.10), (1.19, 0.12)],
    "side part": [(0, -1.84), (0.70, -1.72), (1.18, -1.26), (1.36, -0.62), (1.31, -0.05), (1.21, 0.22)],
    "bob": [(0, -1.80), (0.72, -1.68), (1.25, -1.20), (1.50, -0.45), (1.60, 0.40), (1.58, 1.05), (1.32, 1.50)],
    "long": [(0, -1.80), (0.72, -1.68), (1.22, -1.22), (1.46, -0.45), (1.54, 0.50), (1.60, 1.50), (1.72, 2.9)],
    "waves": [(0, -1.86), (0.80, -1.72), (1.38, -1.20), (1.62, -0.40), (1.74, 0.55), (1.82, 1.45), (1.80, 2.7)],
    "curls": [(0, -2.02), (0.85, -1.88), (1.50, -1.36), (1.80, -0.50), (1.80, 0.35), (1.60, 0.95), (1.38, 1.15)],
    "bun": [(0, -1.70), (0.66, -1.58), (1.12, -1.16), (1.28, -0.58), (1.24, -0.10), (1.17, 0.12)],
}
_INNER: dict[str, list[tuple[float, float]]] = {
    "crop": [(0, -1.06), (0.45, -1.05), (0.80, -0.88), (1.00, -0.52), (1.10, -0.20), (1.12, 0.12)],
    "side part": [(0, -1.10), (0.45, -1.08), (0.84, -0.86), (1.02, -0.50), (1.10, -0.15), (1.13, 0.22)],
    "bob": [(0, -1.16), (0.42, -1.06), (0.78, -0.82), (0.98, -0.40), (1.08, 0.20), (1.08, 0.90), (0.94, 1.45)],
    "long": [(0, -1.16), (0.42, -1.06), (0.78, -0.82), (0.98, -0.40), (1.06, 0.25), (1.02, 1.20), (0.92, 2.8)],
    "waves": [(0, -1.16), (0.42, -1.06), (0.80, -0.80), (1.00, -0.36), (1.06, 0.25), (1.02, 1.10), (0.98, 2.6)],
    "curls": [(0, -1.10), (0.45, -1.02), (0.82, -0.78), (1.00, -0.40), (1.07, 0.10), (1.12, 0.70), (1.08, 1.1)],
    "bun": [(0, -1.12), (0.45, -1.08), (0.82, -0.84), (1.02, -0.48), (1.10, -0.15), (1.13, 0.10)],
}


def style_of(f: Factors) -> str:
    return HAIR_STYLES[int(f["hair_style"])]


def covers_ears(f: Factors) -> bool:
    return style_of(f) in ("bob", "long", "waves", "curls")


def _band(f: Factors, side: int, count: int) -> tuple[Array, Array]:
    """(outer, inner) curves of one side, (count, 2) head coordinates each, from the parting downwards."""
    kind = style_of(f)
    volume = f["hair_volume"]
    outer = smooth_curve(np.array(_OUTER[kind]), count)
    inner = smooth_curve(np.array(_INNER[kind]), count)
    part = 0.42 * f["hair_part"] if kind in ("side part", "bob", "long", "waves") else 0.0
    fade = np.linspace(1, 0, count) ** 2
    grow = np.array([f["face_width"] * (1 + 0.7 * (volume - 1)), 1 + 0.25 * (volume - 1)], np.float32)
    outer, inner = outer * grow, inner * (f["face_width"], 1.0)
    outer[:, 0], inner[:, 0] = outer[:, 0] * side, inner[:, 0] * side
    outer[:, 0] += part * fade
    inner[:, 0] += part * fade
    recede = max(0.0, (f["age"] - 45) / 40) * f["masculine"]
    inner[: count // 2, 1] -= 0.16 * recede * np.sin(np.linspace(0, np.pi, count // 2))
    # Hair swings out over the forehead away from the parting.
    lean = np.sin(np.linspace(0, np.pi, count)) * (0.10 if kind in ("long", "waves", "bob", "side part") else 0.03)
    inner[:, 1] += lean * (1 if side * part <= 0 else 0.25)
    return outer.astype(np.float32), inner.astype(np.float32)


def _place(who: Sitter, uv: Array, depth: float) -> Array:
    z = np.full(len(uv), depth, np.float32)
    return who.camera.to_pixels(uv[:, 0], uv[:, 1], who.f, z)


def draw_back_hair(canvas: Canvas, who: Sitter) -> None:
    """What is seen behind neck and ears."""
    f = who.f
    if style_of(f) == "bald":
        return
    outer = np.concatenate([_band(f, 1, 30)[0], _band(f, -1, 30)[0][::-1]])
    mask = polygon(canvas.part.shape, _place(who, outer, -0.15), 0.02 * who.camera.unit)
    dark = hair_colour(f) * 0.22
    canvas.lay(mask, dark, hair_colour(f) * 0.5, HAIR, np.full_like(mask, -0.5 * who.camera.unit))
    if style_of(f) == "bun":
        _draw_bun(canvas, who)


def _draw_bun(canvas: Canvas, who: Sitter) -> None:
    unit = who.camera.unit
    t = np.linspace(0, 2 * np.pi, 40)
    ring = np.stack([0.46 * np.cos(t), -1.92 + 0.36 * np.sin(t)], 1).astype(np.float32)
    mask = polygon(canvas.part.shape, _place(who, ring, -0.2), 0.01 * unit)
    canvas.lay(mask, hair_colour(who.f) * 0.4, hair_colour(who.f), HAIR, np.full_like(mask, -0.3 * unit))
    curves, shades = [], []
    for _ in range(90):
        r, a = np.sqrt(who.rng.random()), who.rng.uniform(0, 6.28)
        s = np.linspace(a, a + 1.6, 8)
        curve = np.stack([0.44 * r * np.cos(s), -1.92 + 0.34 * r * np.sin(s)], 1)
        curves.append(_place(who, curve.astype(np.float32), -0.2))
        shades.append(0.55 + 0.9 * max(0.0, -np.sin(a + 0.8)) * r + 0.25 * who.rng.standard_normal())
    _strands(canvas, who, np.stack(curves), np.array(shades), 0.020 * unit, mask)


def draw_front_hair(canvas: Canvas, who: Sitter) -> Array:
    """The hair over the head; returns its mask (H, W), whose shadow falls on the face."""
    f, unit = who.f, who.camera.unit
    kind = style_of(f)
    shape = canvas.part.shape
    whole = np.zeros(shape, np.float32)
    if kind == "bald":
        return whole
    sides = []
    for side in (-1, 1):
        outer, inner = _band(f, side, 48)
        near, far = _place(who, inner, 0.62), _place(who, outer, 0.05)
        whole = np.maximum(whole, polygon(shape, np.concatenate([far, near[::-1]]), 0.010 * unit))
        sides.append((far, near))
    lift = 0.25 * unit
    base = hair_colour(f)
    canvas.lay(whole, base * 0.38, base, HAIR, np.full(shape, 1.0 * unit, np.float32) + lift * 0.1)
    if kind == "curls":
        _draw_curls(canvas, who, sides, whole)
        return whole
    curves, shades = [], []
    count = int((520 if kind in ("long", "waves", "bob") else 420) * np.clip(unit / 90, 0.4, 1.0))
    for side, (far, near) in zip((-1, 1), sides, strict=True):
        some, tone = _band_strands(who, far, near, side, count)
        curves.append(some)
        shades.append(tone)
    loose = blur(cv2.dilate(whole, np.ones((3, 3), np.uint8), iterations=max(1, int(0.02 * unit))), 0.01 * unit)
    _strands(canvas, who, np.concatenate(curves), np.concatenate(shades), 0.017 * unit, loose)
    if f["fringe"] > 0.68 and kind in ("bob", "long", "crop", "waves"):
        whole = np.maximum(whole, _draw_fringe(canvas, who))
    return whole


def _band_strands(who: Sitter, far: Array, near: Array, side: int, count: int) -> tuple[Array, Array]:
    """Strands along the band. Returns curves (count, 24, 2) pixels and their brightness (count,)... per strand."""
    f, rng = who.f, who.rng
    kind = style_of(f)
    steps = 24
    t = np.linspace(0, 1, steps)[None]
    if kind in ("crop", "bun"):
        # Combed away from the forehead: from the hairline over the top, leaning outwards lower down.
        root = rng.random(count)[:, None]
        r0 = rng.random(count)[:, None] * 0.75
        s = np.clip(root * (1 - 0.05 * t) + (0.10 if kind == "crop" else -0.06) * t, 0, 1)
        r = np.clip(r0 + (0.34 if kind == "crop" else 0.6) * rng.uniform(0.6, 1.2, count)[:, None] * t, 0, 1.02)
    else:
        start = rng.random(count) ** 1.2 * 0.75 - 0.04
        s = np.clip(start[:, None] + 0.62 * rng.uniform(0.7, 1.3, count)[:, None] * t, -0.04, 1)
        r = np.clip(rng.random(count)[:, None] + 0.10 * rng.uniform(0.2, 1.0, count)[:, None] * t**1.2, 0.0, 1.03)
    if kind == "waves" or (kind in ("long", "bob") and f["hair_wave"] > 0.5):
        swing = (0.11 if kind == "waves" else 0.05) * (0.5 + f["hair_wave"])
        r = r + swing * np.sin(s * (26 + 12 * f["hair_wave"]) + rng.normal(0, 0.5, count)[:, None] + side) * smoothstep(
            0.25, 0.5, s
        )
    at = s * (len(far) - 1)
    i = np.clip(at.astype(int), 0, len(far) - 2)
    part = (at - i)[..., None]
    outer = far[i] * (1 - part) + far[i + 1] * part
    inner = near[i] * (1 - part) + near[i + 1] * part
    curves = inner + (outer - inner) * r[..., None]
    middle = s.mean(1)
    across = r.mean(1)
    lit = 0.62 + 0.34 * who.light.side * side * smoothstep(0.0, 0.35, middle)
    band = np.exp(-(((middle - 0.34) / 0.12) ** 2)) * (0.75 if side * who.light.side > 0 else 0.30)
    shade = 0.40 + 0.62 * lit * np.sin(np.pi * np.clip(across * 0.85 + 0.10, 0, 1)) + band
    shade *= 1 - 0.30 * smoothstep(0.65, 1.0, middle)
    clump = np.sin(across * 21 + side) * 0.14
    return curves.astype(np.float32), shade + clump + 0.15 * rng.standard_normal(count)


def _draw_fringe(canvas: Canvas, who: Sitter) -> Array:
    f, rng, unit = who.f, who.rng, who.camera.unit
    count, steps = int(260 * np.clip(unit / 90, 0.4, 1.0)), 12
    u = np.sort(rng.uniform(-0.98, 0.98, count)) * f["face_width"]
    end = -0.50 + 0.34 * (u / 0.98) ** 4 + rng.normal(0, 0.035, count) + 0.10 * f["hair_part"] * u
    t = np.linspace(0, 1, steps)
    v = -1.62 + (end + 1.62)[:, None] * t
    sweep = 0.20 * f["hair_part"] * t**2
    curve_u = u[:, None] * (0.45 + 0.57 * np.sqrt(t)) + sweep
    z = 0.80 + 0.15 * np.sin(np.pi * t)[None] - 0.35 * u[:, None] ** 2
    flat = who.camera.to_pixels(curve_u.ravel(), v.ravel(), f, (z + 0 * v).ravel().astype(np.float32))
    curves = flat.reshape(count, steps, 2)
    ring = np.concatenate([curves[:, 0], curves[::-1, -2]])
    mask = polygon(canvas.part.shape, ring, 0.015 * unit)
    canvas.lay(mask, hair_colour(f) * 0.45, hair_colour(f), HAIR, np.full_like(mask, 1.15 * unit))
    shade = 0.72 + 0.10 * np.sin(u * 14) + 0.15 * rng.standard_normal(count) + 0.25 * who.light.side * u
    soft = cv2.dilate(mask, np.ones((3, 3), np.uint8), iterations=max(1, int(0.04 * unit)))
    _strands(canvas, who, curves, shade, 0.018 * unit, soft)
    return mask


def _draw_curls(canvas: Canvas, who: Sitter, sides: list[tuple[Array, Array]], whole: Array) -> None:
    rng, unit = who.rng, who.camera.unit
    curves, shades = [], []
    turn = np.linspace(0, 1, 12)[None]
    count = int(520 * np.clip(unit / 90, 0.4, 1.0))
    for side, (far, near) in zip((-1, 1), sides, strict=True):
        i, r = rng.integers(len(far), size=count), rng.random(count) ** 0.8 * 1.02
        middle = near[i] + (far[i] - near[i]) * r[:, None]
        size = unit * rng.uniform(0.04, 0.10, (count, 1))
        spin = rng.choice([-1.0, 1.0], (count, 1)) * rng.uniform(3.5, 5.5, (count, 1))
        angle = rng.uniform(0, 6.28, (count, 1)) + turn * spin
        ring = np.stack([np.cos(angle), 0.85 * np.sin(angle)], 2) * (size * (1 - 0.55 * turn))[..., None]
        curves.append(middle[:, None] + ring)
        lit = 0.55 + 0.40 * who.light.side * side * r + 0.35 * (1 - i / len(far)) * r
        shades.append(lit + 0.28 * rng.standard_normal(count))
    soft = cv2.dilate(whole, np.ones((3, 3), np.uint8), iterations=max(1, int(0.06 * unit)))
    canvas.part[soft > 0.5] = np.where(canvas.part[soft > 0.5] == 0, HAIR, canvas.part[soft > 0.5])
    _strands(canvas, who, np.concatenate(curves), np.concatenate(shades), 0.020 * unit, soft)


def _strands(canvas: Canvas, who: Sitter, curves: Array, shades: Array, width: float, where: Array) -> None:
    """Draw curves (N, K, 2), in bundles of alike brightness whose order is shuffled, where the mask allows. In place."""
    rng = who.rng
    base = hair_colour(who.f)
    top = who.light.key * 0.25 + 0.75
    edge = int(2 * width) + 2
    first, last, left, right = bounds(where)
    if first == last:
        return
    at = np.s_[max(first - edge, 0) : last + edge, max(left - edge, 0) : right + edge]
    corner = np.array([at[1].start, at[0].start], np.float32)
    picture = np.round(255 * np.clip(canvas.rgb[at], 0, 1) ** np.float32(1 / 2.2)).astype(np.uint8)
    picture = np.ascontiguousarray(picture)
    bundles = np.array_split(np.argsort(shades), 36)
    lines = fixed(curves - corner)
    jobs = [(members[k::3], k) for members in bundles for k in range(3)]
    for index in rng.permutation(len(jobs)):
        members, k = jobs[index]
        if not len(members):
            continue
        level = float(np.clip(shades[members].mean(), 0.14, 2.0))
        glow = (base * level + 0.07 * max(0.0, level - 0.95) ** 1.3 * np.array([1.0, 0.95, 0.85])) * top
        tone = np.clip(255 * np.clip(glow, 0, 1) ** (1 / 2.2), 0, 255).tolist()
        thickness = max(1, round(width * (0.5, 0.8, 1.1)[k]))
        cv2.polylines(picture, [lines[i] for i in members], False, tone, thickness, cv2.LINE_AA, 4)
    drawn = (picture.astype(np.float32) * np.float32(1 / 255)) ** np.float32(2.2)
    full = canvas.rgb[at]
    full += (drawn - full) * where[at][..., None]


def draw_beard(canvas: Canvas, who: Sitter, u: Array, v: Array, face: Array) -> None:
    f = who.f
    if f["beard"] < 0.05:
        return
    unit = who.camera.unit
    grain = noise(who.rng, u.shape[0], u.shape[1], max(0.02 * unit, 1.2), 2)
    region = beard_region(u, v, f) * face
    dense = np.clip(region * (0.45 + 0.55 * f["beard"]) * (0.86 + 0.22 * grain), 0, 0.93)
    light = np.clip(0.6 + 0.25 * grain + 0.3 * who.light.side * u, 0.2, 1.6)
    canvas.lay(dense, hair_colour(f) * light[..., None], hair_colour(f), None)
