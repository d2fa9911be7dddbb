"""Light on a surface: normals from depth, cast shadows, soft hollows, skin that lets light through."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from aahq.painted.portraits.canvas import Array, blur, smoothstep
from aahq.painted.portraits.factors import Factors


@dataclass(frozen=True)
class Light:
    """One key lamp, light from all around, and a rim from behind. Colours are linear (3,)."""

    direction: Array
    key: Array
    around: Array
    rim: Array
    side: float

    @classmethod
    def of(cls, f: Factors) -> Light:
        side, up = f["light_side"] * 0.85, f["light_height"] * 0.9
        direction = np.array([side, -up, 0.85], np.float32)
        direction /= np.linalg.norm(direction)
        warm = f["light_warmth"]
        hard = f["light_contrast"]
        key = np.array([1.0 + 0.10 * warm, 1.0 - 0.02 * warm, 1.05 - 0.25 * warm], np.float32)
        cool = np.array([0.90, 0.98, 1.12], np.float32) * (1 - 0.3 * (1 - warm))
        return cls(
            direction,
            key * np.float32((0.98 + 0.36 * hard) * f["light"]),
            cool * np.float32((0.50 - 0.30 * hard) * f["light"]),
            np.array([0.9, 0.95, 1.0], np.float32) * np.float32(0.25 + 0.4 * hard),
            float(np.sign(f["light_side"])),
        )


def normals(depth: Array) -> tuple[Array, Array, Array]:
    """Unit normals (nx, ny, nz) of a depth map in pixels (towards the viewer)."""
    gx = cv2.Sobel(depth, cv2.CV_32F, 1, 0, ksize=3, scale=0.125)
    gy = cv2.Sobel(depth, cv2.CV_32F, 0, 1, ksize=3, scale=0.125)
    nz = 1 / np.sqrt(1 + gx * gx + gy * gy)
    return -gx * nz, -gy * nz, nz


def cast_shadow(depth: Array, light: Light, unit: float, reach: float = 1.1, steps: int = 9) -> Array:
    """How much of the key lamp is blocked, 0 to 1, by walking from each pixel towards the lamp. (H, W)."""
    height, width = depth.shape
    factor = max(int(unit / 24), 1)
    small = (
        cv2.resize(depth, (max(width // factor, 4), max(height // factor, 4)), interpolation=cv2.INTER_AREA) / factor
    )
    unit = unit / factor
    flat = light.direction[:2] / np.linalg.norm(light.direction[:2])
    climb = light.direction[2] / np.linalg.norm(light.direction[:2])
    blocked: Array = np.zeros_like(small)
    for k in range(1, steps + 1):
        walk = reach * unit * (k / steps) ** 1.4
        move = np.array([[1, 0, flat[0] * walk], [0, 1, flat[1] * walk]], np.float32)
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        ahead = cv2.warpAffine(small, move, small.shape[::-1], flags=flags, borderMode=cv2.BORDER_REPLICATE)
        over = ahead - small - climb * walk
        blocked = np.maximum(blocked, smoothstep(0.0, 0.03 * unit + 0.12 * walk, over))
    blocked = cv2.GaussianBlur(blocked, (0, 0), 0.035 * unit + 0.4)
    return cv2.resize(blocked, (width, height), interpolation=cv2.INTER_LINEAR)


def hollows(depth: Array, unit: float) -> Array:
    """Ambient light that is lost in hollows, 0 (open) to 1. (H, W)."""
    lost = np.zeros_like(depth)
    for radius, weight in ((0.06, 2.2), (0.20, 1.2)):
        lost += weight * np.clip(blur(depth, radius * unit) - depth, 0, None) / unit
    return np.clip(lost * 2.0, 0, 0.85)


def shade_skin(albedo: Array, depth: Array, shadow: Array, light: Light, unit: float, oily: Array | float) -> Array:
    """Skin under the light: wrapped diffuse (more for red), sky and bounce, two highlights. (H, W, 3) linear."""
    nx, ny, nz = normals(depth)
    lx, ly, lz = light.direction
    facing = nx * lx + ny * ly + nz * lz
    lost = hollows(depth, unit)
    open_ = 1 - lost
    out = np.empty_like(albedo)
    wrap = (0.32, 0.20, 0.15)
    soften = (0.85, 0.97, 1.0)
    sky = 0.62 - 0.38 * ny
    bounce = np.clip(0.35 + 0.65 * ny, 0, 1) * 0.25
    edge = (1 - nz) ** 2 * np.clip(-nx * light.side * 1.2 + 0.1, 0, 1)
    for c in range(3):
        diffuse = np.clip((facing + wrap[c]) / (1 + wrap[c]), 0, 1) * (1 - soften[c] * shadow)
        warm_hollow = open_ if c == 0 else open_ * (1 - 0.25 * lost)
        ambient = light.around[c] * (sky + bounce * (1.25, 1.0, 0.85)[c]) * warm_hollow
        out[..., c] = albedo[..., c] * (light.key[c] * diffuse * (1 - 0.35 * lost) + ambient + light.rim[c] * edge)
    hx, hy, hz = lx, ly, lz + 1
    length = np.sqrt(hx * hx + hy * hy + hz * hz)
    half = np.clip((nx * hx + ny * hy + nz * hz) / length, 0, 1)
    gloss = half**10 * 0.055 + half**46 * 0.11
    out += (gloss * (1 - 0.9 * shadow) * open_ * oily)[..., None] * light.key
    return out
