"""The two heavy steps of the FFHQ crop as compiled loops, in the very arithmetic of Pillow: nothing is approximated.

`warp_reduce` is Pillow's `transform(QUAD, BILINEAR)` followed by `resize(LANCZOS)` without the large intermediate picture:
each of its rows is reduced as soon as it is made.
"""

from __future__ import annotations

from functools import lru_cache
from math import ceil, pi, sin

import numba
import numpy as np

# Pillow's fixed-point precision of 8-bit resampling: 32 - 8 - 2 bits.
PRECISION_BITS = 22


def warp_reduce(
    rgb: np.ndarray,
    corners: np.ndarray,
    transform_size: int,
    size: int,
    origin: tuple[int, int] = (0, 0),
    full: tuple[int, int] | None = None,
) -> np.ndarray:
    """Map a quadrilateral onto a square with bilinear sampling, then reduce the square with Lanczos.

    Args:
        rgb: uint8 (H,W,3).
        corners: (4,2) top left, bottom left, bottom right, top right, in pixel coordinates of `rgb`.
        transform_size: side of the square that is sampled.
        size: side of the result, at most `transform_size`.
        origin, full: where `rgb` lies in a larger picture, and that picture's width and height: `corners` then count in
            the larger picture, of which `rgb` must hold the quadrilateral and the pixels round it.

    Returns:
        uint8 (size,size,3).
    """
    # Pillow's ImageTransform coefficients for QUAD: x = a0 + a1 X + a2 Y + a3 X Y, and so for y.
    (x0, y0), (x1, y1), (x2, y2), (x3, y3) = ((float(x), float(y)) for x, y in corners)
    step = 1.0 / transform_size
    a = np.array([x0, (x3 - x0) * step, (x1 - x0) * step, (x2 - x1 - x3 + x0) * step * step])
    b = np.array([y0, (y3 - y0) * step, (y1 - y0) * step, (y2 - y1 - y3 + y0) * step * step])
    packed = np.zeros((*rgb.shape[:2], 4), dtype=np.uint8)
    packed[..., :3] = rgb
    pixels = packed.view(np.dtype("<u4"))[..., 0].astype(np.uint32, copy=False)
    width, height = full or (rgb.shape[1], rgb.shape[0])
    frame = np.array([*origin, width, height], dtype=np.int64)
    if size == transform_size:
        starts, weights = np.arange(size), np.full((size, 1), 1 << PRECISION_BITS, dtype=np.int32)
    else:
        starts, weights = lanczos_weights(transform_size, size)
    return _reduce_rows(_warp_rows(pixels, a, b, frame, transform_size, starts, weights), starts, weights)


@lru_cache(maxsize=8)
def lanczos_weights(source: int, target: int) -> tuple[np.ndarray, np.ndarray]:
    """Pillow's Lanczos weights for reducing `source` samples to `target` in 22-bit fixed point.

    Returns:
        int64 (target,) first source sample of each output; int32 (target, taps) weights, zero beyond those in use.
    """
    scale = source / target
    support = 3.0 * scale
    taps = min(ceil(support) * 2 + 1, source)
    starts = np.zeros(target, dtype=np.int64)
    weights = np.zeros((target, taps), dtype=np.int32)
    for i in range(target):
        centre = (i + 0.5) * scale
        first, last = max(int(centre - support + 0.5), 0), min(int(centre + support + 0.5), source)
        values = [_lanczos((x - centre + 0.5) * (1.0 / scale)) for x in range(first, last)]
        total = 0.0
        for value in values:
            total += value
        # Rows of weights are equally long; one that would reach past the end starts earlier, with zeros in front.
        starts[i] = min(first, source - taps)
        for x, value in enumerate(values, first - starts[i]):
            share = value / total * (1 << PRECISION_BITS)
            weights[i, x] = int(share - 0.5) if share < 0 else int(share + 0.5)
    return starts, weights


def _lanczos(x: float) -> float:
    return _sinc(x) * _sinc(x / 3) if -3.0 <= x < 3.0 else 0.0


def _sinc(x: float) -> float:
    return sin(x * pi) / (x * pi) if x != 0.0 else 1.0


# Rows that are reduced together: they lie side by side in memory, so one vector instruction serves several.
LANES = 16


@numba.njit(cache=True, nogil=True)
def _warp_rows(packed, a, b, frame, side, starts, weights):
    """Bilinear rows, each reduced along x at once: uint32 (H,W) pixels -> uint8 (side,3,target)."""
    target, taps = weights.shape
    out = np.empty((side, 3, target), np.uint8)
    lines = np.zeros((3, side, LANES), np.int32)
    corner = np.empty((4, side), np.uintp)
    along, across = np.empty(side), np.empty(side)
    total = np.empty(LANES, np.int32)
    for first in range(0, side, LANES):
        rows = min(LANES, side - first)
        for lane in range(rows):
            _sample_row(packed, a, b, frame, first + lane + 0.5, corner, along, across, lines, lane)
        for c in range(3):
            for i in range(target):
                start = np.uintp(starts[i])
                total[:] = 1 << (PRECISION_BITS - 1)
                for k in range(taps):
                    weight = weights[i, k]
                    for lane in range(LANES):
                        total[lane] += lines[c, start + np.uintp(k), lane] * weight
                for lane in range(rows):
                    out[first + lane, c, i] = min(max(total[lane] >> PRECISION_BITS, 0), 255)
    return out


@numba.njit(cache=True, nogil=True)
def _sample_row(packed, a, b, frame, yy, corner, along, across, lines, lane):
    """One row of bilinear samples into `lines[:, :, lane]`; `corner`, `along`, `across` are scratch."""
    own_h, own_w = packed.shape
    flat = packed.reshape(own_h * own_w)
    left_edge, top_edge, w, h = frame
    side = along.size
    outside = 0
    for column in range(side):
        xx = column + 0.5
        x = a[0] + a[1] * xx + a[2] * yy + a[3] * xx * yy
        y = b[0] + b[1] * xx + b[2] * yy + b[3] * xx * yy
        outside += (x < 0.0) | (x >= w) | (y < 0.0) | (y >= h)
        x = min(max(x, 0.0), w - 0.25) - 0.5
        y = min(max(y, 0.0), h - 0.25) - 0.5
        floor_x, floor_y = np.floor(x), np.floor(y)
        along[column], across[column] = x - floor_x, y - floor_y
        x_own, y_own = int(floor_x) - left_edge, int(floor_y) - top_edge
        left, right = min(max(x_own, 0), own_w - 1), min(max(x_own + 1, 0), own_w - 1)
        top, bottom = min(max(y_own, 0), own_h - 1) * own_w, min(max(y_own + 1, 0), own_h - 1) * own_w
        corner[0, column], corner[1, column] = top + left, top + right
        corner[2, column], corner[3, column] = bottom + left, bottom + right
    for c in range(3):
        shift = np.uint32(8 * c)
        low = np.uint32(255)
        for column in range(side):
            p = np.float64(np.int32((flat[corner[0, column]] >> shift) & low))
            q = np.float64(np.int32((flat[corner[1, column]] >> shift) & low))
            upper = p + (q - p) * along[column]
            p = np.float64(np.int32((flat[corner[2, column]] >> shift) & low))
            q = np.float64(np.int32((flat[corner[3, column]] >> shift) & low))
            lower = p + (q - p) * along[column]
            lines[c, column, lane] = np.int32(upper + (lower - upper) * across[column])
    if outside:
        for column in range(side):
            xx = column + 0.5
            x = a[0] + a[1] * xx + a[2] * yy + a[3] * xx * yy
            y = b[0] + b[1] * xx + b[2] * yy + b[3] * xx * yy
            if x < 0.0 or x >= w or y < 0.0 or y >= h:
                lines[0, column, lane] = lines[1, column, lane] = lines[2, column, lane] = 0


@numba.njit(cache=True, nogil=True)
def _reduce_rows(rows, starts, weights):
    """Reduce along y: uint8 (side,3,target) -> (target,target,3)."""
    target, taps = weights.shape
    out = np.empty((target, target, 3), np.uint8)
    total = np.empty(target, np.int32)
    for i in range(target):
        for c in range(3):
            total[:] = 1 << (PRECISION_BITS - 1)
            for k in range(taps):
                weight = weights[i, k]
                source = rows[starts[i] + k, c]
                for x in range(target):
                    total[x] += np.int32(source[x]) * weight
            for x in range(target):
                out[i, x, c] = min(max(total[x] >> PRECISION_BITS, 0), 255)
    return out
