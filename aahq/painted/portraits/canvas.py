"""The base picture before any style: colour, depth, parts and importance, and the helpers that fill them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

# float32 unless a docstring says otherwise; NumPy's stubs widen arithmetic, so the item type is left open.
Array = NDArray[Any]

# Parts of a picture, in the order in which they lie over one another.
BACKGROUND, BODY, SKIN, FACE, LIPS, EYES, HAIR = range(7)
# Blurs beyond this sigma, in pixels, are done on a reduced copy.
REDUCED = 6


@dataclass
class Canvas:
    """A picture in the making. All arrays are (H, W) or (H, W, 3) float32 unless said otherwise.

    Attributes:
        rgb: linear light, 0 and up.
        flat: linear colour without light, 0 to 1 (cel shading and prints start from it).
        depth: towards the viewer, in pixels.
        part: uint8, what lies on top (`BACKGROUND` ... `HAIR`).
        care: 0 to 1, how much a style should respect what is here (eyes and mouth: 1).
        lines: 0 to 1, drawn features (lids, brows, nostrils, mouth line, contours) for the line styles.
        unit: pixels in one pupil distance of the nearest face, or a tenth of the height without faces.
    """

    rgb: Array
    flat: Array
    depth: Array
    part: NDArray[np.uint8]
    care: Array
    lines: Array
    unit: float

    @classmethod
    def blank(cls, height: int, width: int, unit: float) -> Canvas:
        def plane(*more: int) -> Array:
            return np.zeros((height, width, *more), np.float32)

        part = np.full((height, width), BACKGROUND, np.uint8)
        return cls(plane(3), plane(3), plane(), part, plane(), plane(), unit)

    @property
    def height(self) -> int:
        return self.rgb.shape[0]

    @property
    def width(self) -> int:
        return self.rgb.shape[1]

    def lay(self, mask: Array, rgb: Array, flat: Array, part: int | None, depth: Array | None = None) -> None:
        """Put a layer over the picture: `mask` (H, W) 0 to 1, colours (H, W, 3) or (3,)."""
        top, bottom, left, right = bounds(mask)
        if top == bottom:
            return
        at = np.s_[top:bottom, left:right]
        cover = mask[at][..., None]
        for plane, colour in ((self.rgb, rgb), (self.flat, flat)):
            colour = colour[at] if np.ndim(colour) == 3 else np.asarray(colour, np.float32)
            plane[at] += (colour - plane[at]) * cover
        if part is not None:
            self.part[at][mask[at] > 0.5] = part
        if depth is not None:
            self.depth[at] += (depth[at] - self.depth[at]) * mask[at]


def bounds(mask: Array) -> tuple[int, int, int, int]:
    """(top, bottom, left, right) of what is not zero; all zero for an empty mask."""
    rows = np.flatnonzero(mask.any(1))
    if not len(rows):
        return 0, 0, 0, 0
    columns = np.flatnonzero(mask.any(0))
    return int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1


def fixed(points: Array) -> NDArray[np.int32]:
    """Pixel coordinates in OpenCV's 1/16 pixel fixed point."""
    return np.round(np.clip(points, -30000, 30000) * 16).astype(np.int32)


def polygon(shape: tuple[int, int], points: Array, soft: float = 0.0) -> Array:
    """A filled polygon with smooth edges. points (N, 2) pixels; soft: edge blur, sigma in pixels. (H, W) 0 to 1."""
    mask = np.zeros(shape, np.uint8)
    cv2.fillPoly(mask, [fixed(points)], 255, cv2.LINE_AA, 4)
    out = mask.astype(np.float32) * np.float32(1 / 255)
    if soft <= 0.2 or soft > REDUCED:
        return blur(out, soft) if soft > 0.2 else out
    # Nothing reaches farther than the kernel (OpenCV cuts it off at four sigma): rows beyond stay what they are, zero.
    top, bottom, *_ = bounds(mask)
    reach = 2 * int(4 * soft + 2)
    rows = np.s_[max(top - reach, 0) : bottom + reach]
    if bottom > top:
        out[rows] = blur(out[rows], soft)
    return out


def stroke(shape: tuple[int, int], points: Array, width: float, taper: bool = False, soft: float = 0.0) -> Array:
    """A line of `width` pixels along points (N, 2); tapered ones thin out at both ends. (H, W) 0 to 1."""
    p = np.asarray(points, np.float32)
    along = np.gradient(p, axis=0)
    normal = np.stack([-along[:, 1], along[:, 0]], 1)
    normal /= np.maximum(np.hypot(normal[:, 0], normal[:, 1]), 1e-6)[:, None]
    half = np.full(len(p), width / 2, np.float32)
    if taper:
        half *= np.sin(np.pi * np.linspace(0.06, 0.94, len(p))) ** 0.7
    normal *= half[:, None]
    return polygon(shape, np.concatenate([p + normal, (p - normal)[::-1]]), soft)


def blur(image: Array, sigma: float) -> Array:
    """Gaussian blur; large ones are done on a reduced copy, which nobody can tell apart."""
    if sigma < 0.2:
        return image
    if sigma > REDUCED:
        factor = int(sigma // 3)
        height, width = image.shape[:2]
        small = cv2.resize(image, (max(width // factor, 2), max(height // factor, 2)), interpolation=cv2.INTER_AREA)
        small = cv2.GaussianBlur(small, (0, 0), sigma / factor, borderType=cv2.BORDER_REFLECT)
        return cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)
    return cv2.GaussianBlur(image, (0, 0), sigma, borderType=cv2.BORDER_REFLECT)


def noise(rng: np.random.Generator, height: int, width: int, scale: float, octaves: int = 3) -> Array:
    """Smooth noise with features of about `scale` pixels, mean 0, deviation about 1. (H, W) float32."""
    out = np.zeros((height, width), np.float32)
    for octave in range(octaves):
        cell = max(scale / 2**octave, 1.0)
        grid = rng.standard_normal((int(height / cell) + 3, int(width / cell) + 3), dtype=np.float32)
        big = cv2.resize(grid, None, fx=cell, fy=cell, interpolation=cv2.INTER_CUBIC)
        out += big[:height, :width] * np.float32(0.5**octave)
        if cell == 1.0:
            break
    return out * np.float32(0.9)


def smoothstep(low: Any, high: Any, x: Any) -> Any:
    """0 below low, 1 above high, smooth between."""
    t = np.clip((x - low) * (1 / (high - low)), 0, 1)
    return t * t * (3 - 2 * t)


def luma(rgb: Array) -> Array:
    """Brightness of (H, W, 3)."""
    return rgb @ np.array([0.30, 0.59, 0.11], np.float32)


def hsv(hue: float, saturation: float, value: float) -> Array:
    """A linear-light colour from hue, saturation, value (0 to 1, display values)."""
    k = (np.array([5, 3, 1]) + hue * 6) % 6
    display = value - value * saturation * np.clip(np.minimum(k, 4 - k), 0, 1)
    return (display**2.2).astype(np.float32)
