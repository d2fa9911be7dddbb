"""The face's fine relief and its skin: bumps and colour as functions of head coordinates."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from aahq.painted.portraits.canvas import Array, hsv, noise, smoothstep
from aahq.painted.portraits.factors import Factors


def bump(u: Array, v: Array, at: tuple[float, float], size: tuple[float, float]) -> Array:
    """exp(-((u - u0)/su)^2 - ((v - v0)/sv)^2)."""
    du = (u - np.float32(at[0])) * np.float32(1 / size[0])
    dv = (v - np.float32(at[1])) * np.float32(1 / size[1])
    return np.exp(-(du * du + dv * dv))


def crease(u: Array, v: Array, curve: list[tuple[float, float]], width: float) -> Array:
    """A soft groove along a short polyline in head coordinates."""
    best = np.full_like(u, 9.0)
    for (u0, v0), (u1, v1) in pairwise(curve):
        du, dv = u1 - u0, v1 - v0
        t = np.clip(((u - u0) * du + (v - v0) * dv) / (du * du + dv * dv), 0, 1)
        best = np.minimum(best, (u - u0 - t * du) ** 2 + (v - v0 - t * dv) ** 2)
    return np.exp(best * np.float32(-1 / width**2))


def relief(u: Array, v: Array, f: Factors) -> Array:
    """Height over `layout.surface`, in pupil distances; the face's two halves are alike. Shape of u."""
    a = np.abs(u)
    n, mouth, length = f["nose_length"], 1.045 * f["mouth_height"], f["face_length"]
    male, age = f["masculine"], max(0.0, (f["age"] - 30) / 45)
    wide = f["nose_width"]
    h = -0.135 * bump(a, v, (0.47, -0.06), (0.33, 0.19))
    h += 0.060 * bump(a, v, (0.50, 0.0), (0.23, 0.15))
    h += (0.035 + 0.045 * male) * bump(a, v, (0.42, -0.35 * f["brow_height"]), (0.40, 0.10))
    h -= 0.05 * bump(a, v, (0.16, 0.0), (0.10, 0.16))
    h += 0.085 * bump(a, v, (0.185 * wide, 0.655 * n), (0.085, 0.085))
    h += 0.060 * bump(u, v, (0.0, 0.60 * n), (0.135, 0.115))
    h -= 0.050 * bump(a, v, (0.30 * wide, 0.66 * n), (0.06, 0.09))
    h += 0.09 * f["cheekbone"] * bump(a, v, (0.72, 0.40), (0.30, 0.24))
    h -= 0.05 * f["cheekbone"] * bump(a, v, (0.80, 0.95), (0.24, 0.28))
    h += 0.05 * f["expression"] * bump(a, v, (0.56, 0.58), (0.20, 0.17))
    h += 0.085 * bump(u, v, (0.0, mouth + 0.01), (0.40, 0.24))
    h -= 0.022 * bump(u, v, (0.0, 0.86 * n + 0.02), (0.045, 0.10))
    h += 0.035 * f["lip_upper"] * bump(u, v, (0.0, mouth - 0.05), (0.30, 0.045))
    h += 0.050 * f["lip_lower"] * bump(u, v, (0.0, mouth + 0.095), (0.25, 0.06))
    h -= 0.050 * bump(u, v, (0.0, mouth + 0.265), (0.24, 0.07))
    h += 0.075 * bump(u, v, (0.0, 1.53 * length), (0.26 * f["chin_width"], 0.17))
    h -= 0.05 * bump(a, v, (1.0, -0.40), (0.20, 0.28))
    fold = 0.012 + 0.030 * age + 0.022 * f["expression"]
    h -= fold * crease(a, v, [(0.27, 0.60 * n), (0.40, 0.80), (0.52, mouth - 0.02)], 0.045)
    h -= (0.006 + 0.026 * age) * crease(a, v, [(0.30, 0.13), (0.45, 0.20), (0.60, 0.17)], 0.045)
    if age > 0.25:
        h += age * _wrinkles(a, u, v)
    return h.astype(np.float32)


def _wrinkles(a: Array, u: Array, v: Array) -> Array:
    rows = 0.007 * np.sin((v + 0.05 * u * u + 0.02 * np.sin(u * 9)) * 48) * bump(u, v, (0, -0.80), (0.62, 0.22))
    feet = 0.007 * np.sin((v - 0.3 * (a - 0.75)) * 75) * bump(a, v, (0.86, 0.02), (0.11, 0.15))
    frown = -0.012 * bump(a, v, (0.085, -0.30), (0.022, 0.10))
    return rows + feet + frown


def skin_tone(f: Factors) -> Array:
    """The person's mean skin colour, linear (3,)."""
    m = f["melanin"]
    stops = np.array([0.0, 0.3, 0.55, 0.78, 1.0])
    colours = np.array([(243, 206, 187), (226, 176, 145), (190, 132, 97), (138, 88, 62), (84, 52, 39)]) / 255.0
    tone = np.array([np.interp(m, stops, colours[:, c]) for c in range(3)]) ** 2.2
    warm = f["skin_warmth"] - 0.5
    return (tone * (1 + 0.10 * warm, 1.0, 1 - 0.25 * warm)).astype(np.float32)


def lip_tone(f: Factors) -> Array:
    """Lip colour, linear (3,), with lipstick as far as the person wears it."""
    bare = skin_tone(f) * np.array([0.80, 0.50, 0.52], np.float32)
    stick = hsv((0.96 + 0.07 * f["cloth_hue"]) % 1.0, 0.62 + 0.2 * f["cloth_chroma"], 0.74 - 0.22 * f["melanin"])
    mix = np.float32(0.75 * smoothstep(0.35, 0.9, np.float32(f["makeup"])))
    return bare * (1 - mix) + stick * mix


def skin(u: Array, v: Array, f: Factors, rng: np.random.Generator, unit: float) -> Array:
    """Colour of the skin: blood in cheeks and nose, thin lids, freckles, stubble. (H, W, 3) linear."""
    a = np.abs(u)
    height, width = u.shape
    mottle = noise(rng, height, width, 0.35 * unit, 3)
    blood = 0.85 * bump(a, v, (0.66, 0.58), (0.32, 0.28)) * (0.6 + 0.9 * f["makeup"])
    blood += 0.75 * bump(u, v, (0.0, 0.60 * f["nose_length"]), (0.20, 0.17))
    blood += 0.30 * bump(u, v, (0.0, 1.54), (0.30, 0.20)) + 0.10 * mottle
    blood += 0.55 * bump(a, v, (1.25, 0.1), (0.16, 0.35))
    tired = bump(a, v, (0.46, 0.15), (0.24, 0.09)) * (0.25 + 0.35 * min(1.0, f["age"] / 70))
    lid = bump(a, v, (0.50, -0.12), (0.27, 0.10)) * (0.35 + 0.6 * f["makeup"])
    pale = 1 - 0.5 * f["melanin"]
    gain = np.float32(0.16 * pale)
    scale = np.empty((height, width, 3), np.float32)
    scale[..., 0] = 1 + 0.25 * gain * blood - 0.10 * tired - 0.13 * lid
    scale[..., 1] = 1 - 1.35 * gain * blood - 0.16 * tired - 0.22 * lid
    scale[..., 2] = 1 - 1.15 * gain * blood - 0.10 * tired - 0.18 * lid
    scale *= (1 + 0.030 * mottle)[..., None]
    if f["freckles"] > 0:
        spots = smoothstep(0.9, 1.7, noise(rng, height, width, 0.045 * unit, 1))
        spots *= bump(a, v, (0.45, 0.42), (0.55, 0.30)) * np.float32(f["freckles"])
        scale *= 1 - spots[..., None] * np.array([0.22, 0.40, 0.50], np.float32)
    if f["masculine"] > 0.55:
        shade = beard_region(u, v, f) * np.float32(0.32 * (f["masculine"] - 0.4) * (1.1 - 0.6 * f["melanin"]))
        scale *= 1 - shade[..., None] * np.array([1.0, 0.85, 0.62], np.float32)
    return scale * skin_tone(f)


def beard_region(u: Array, v: Array, f: Factors) -> Array:
    """Where a beard grows, 0 to 1."""
    a = np.abs(u)
    mouth = 1.045 * f["mouth_height"]
    low = smoothstep(0.80, 1.12, v + 0.42 * smoothstep(0.75, 1.12, a))
    upper = bump(a, v, (0.22, mouth - 0.17), (0.26, 0.075))
    lips = bump(u, v, (0.0, mouth + 0.03), (0.40, 0.115))
    return np.clip(np.maximum(low, upper) - 1.1 * lips, 0, 1)
