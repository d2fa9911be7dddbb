"""The FFHQ crop in its plain form, with Pillow and SciPy: the reference that `aahq.faces.align` is held against."""

from __future__ import annotations

import numpy as np
from PIL import Image


def crop_frame(points: np.ndarray) -> tuple[np.ndarray, float]:
    """The oriented square of the recipe: corners (4,2) (top left, bottom left, bottom right, top right), and its side."""
    points = np.asarray(points, dtype=np.float64)
    if len(points) == 68:
        left, right, corners = points[36:42].mean(axis=0), points[42:48].mean(axis=0), (points[48], points[54])
    else:
        left, right, corners = points[0], points[1], (points[2], points[3])
    eyes, mouth = (left + right) * 0.5, (corners[0] + corners[1]) * 0.5
    across, down = right - left, mouth - eyes
    x = across - down[::-1] * [-1, 1]
    x /= np.hypot(*x)
    x *= max(np.hypot(*across) * 2.0, np.hypot(*down) * 1.8)
    y = x[::-1] * [-1, 1]
    centre = eyes + down * 0.1
    return np.stack([centre - x - y, centre - x + y, centre + x + y, centre + x - y]), float(np.hypot(*x) * 2)


def straightforward_align(
    rgb: np.ndarray, points: np.ndarray, size: int = 1024, transform: int = 4096, padding: bool = True
) -> np.ndarray:
    """Shrink, crop, pad (or not), turn, reduce, one library call each; uint8 (H,W,3) -> uint8 (size,size,3)."""
    image = Image.fromarray(rgb)
    quad, side = crop_frame(points)
    shrink = int(np.floor(side / size * 0.5))
    if shrink > 1:
        w, h = (int(np.rint(n / shrink)) for n in image.size)
        image = image.resize((w, h), Image.Resampling.LANCZOS)
        quad, side = quad / shrink, side / shrink
    border = max(int(np.rint(side * 0.1)), 3)
    low, high = np.floor(quad.min(axis=0)).astype(int), np.ceil(quad.max(axis=0)).astype(int)
    box = (*np.maximum(low - border, 0), *np.minimum(high + border, image.size))
    if box[2] - box[0] < image.size[0] or box[3] - box[1] < image.size[1]:
        image = image.crop((int(box[0]), int(box[1]), int(box[2]), int(box[3])))
        quad = quad - box[:2]
    low, high = np.floor(quad.min(axis=0)).astype(int), np.ceil(quad.max(axis=0)).astype(int)
    pad = np.array([*np.maximum(border - low, 0), *np.maximum(high - image.size + border, 0)])
    if padding and max(pad) > border - 4:
        pad = np.maximum(pad, int(np.rint(side * 0.3)))
        image, quad = _blurred_border(np.array(image, dtype=np.float32), pad, side), quad + pad[:2]
    corners = tuple(float(v) for v in (quad + 0.5).ravel())
    image = image.transform((transform, transform), Image.Transform.QUAD, corners, Image.Resampling.BILINEAR)
    if size < transform:
        image = image.resize((size, size), Image.Resampling.LANCZOS)
    return np.array(image)


def _blurred_border(pixels: np.ndarray, pad: np.ndarray, side: float) -> Image.Image:
    from scipy.ndimage import gaussian_filter

    # The ramp is float64: a float32 array divided by one of `pad`'s int64 scalars.
    left, top, right, bottom = pad
    pixels = np.pad(pixels, ((top, bottom), (left, right), (0, 0)), "reflect")
    h, w, _ = pixels.shape
    y, x, _ = np.ogrid[:h, :w, :1]
    mask = np.maximum(
        1.0 - np.minimum(np.float32(x) / left, np.float32(w - 1 - x) / right),
        1.0 - np.minimum(np.float32(y) / top, np.float32(h - 1 - y) / bottom),
    )
    blur = side * 0.02
    pixels += (gaussian_filter(pixels, [blur, blur, 0]) - pixels) * np.clip(mask * 3.0 + 1.0, 0.0, 1.0)
    pixels += (np.median(pixels, axis=(0, 1)) - pixels) * np.clip(mask, 0.0, 1.0)
    return Image.fromarray(np.uint8(np.clip(np.rint(pixels), 0, 255)))
