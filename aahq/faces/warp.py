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
    unit = 1.0 / transform_size
    a = np.array([x0, (x3 - x0) * unit, (x1 - x0) * unit, (x2 - x1 - x3 + x0) * unit * unit])
    b = np.array([y0, (y3 - y0) * unit, (y1 - y0) * unit, (y2 - y1 - y3 + y0) * unit * unit])
    # Only a whole number of samples to an output lets all inner outputs share one row of weights.
    step = transform_size // size if transform_size % size == 0 else 1
    packed = np.zeros((*rgb.shape[:2], 4), dtype=np.uint8)
    packed[..., :3] = rgb
    pixels = packed.view(np.dtype("<u4"))[..., 0].astype(np.uint32, copy=False)
    width, height = full or (rgb.shape[1], rgb.shape[0])
    frame = np.array([*origin, width, height], dtype=np.int64)
    if size == transform_size:
        starts, weights = np.arange(size), np.full((size, 1), 1 << PRECISION_BITS, dtype=np.int32)
    else:
        starts, weights = lanczos_weights(transform_size, size)
    margin = _margin(starts, weights, step) if step > 1 else (size + 1) // 2
    return _reduce_rows(_warp_rows(pixels, a, b, frame, transform_size, step, margin, starts, weights), starts, weights)


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


def _margin(starts: np.ndarray, weights: np.ndarray, step: int) -> int:
    """How many outputs at either end do not have the middle one's weights at the place that it leads one to expect."""
    middle, at = len(starts) // 2, np.arange(len(starts))
    regular = (weights == weights[middle]).all(axis=1) & (starts - at * step == starts[middle] - middle * step)
    odd = np.flatnonzero(~regular)
    return int(max([0, *(odd[odd < middle] + 1), *(len(starts) - odd[odd > middle])]))


def _lanczos(x: float) -> float:
    return _sinc(x) * _sinc(x / 3) if -3.0 <= x < 3.0 else 0.0


def _sinc(x: float) -> float:
    return sin(x * pi) / (x * pi) if x != 0.0 else 1.0


@numba.njit(cache=True, nogil=True)
def _warp_rows(packed, a, b, frame, side, step, margin, starts, weights):
    """Bilinear rows, each reduced along x at once: uint32 (H,W) pixels -> uint8 (side,3,target).

    With `step` samples to an output, sample `column` is kept at [column % step, column // step]: samples that meet the
    same weight of neighbouring outputs then lie side by side, and one instruction serves several. A `step` of 1 keeps the
    order, for ratios that are not whole.
    """
    target = len(starts)
    out = np.empty((side, 3, target), np.uint8)
    line = np.empty((3, side), np.int32)
    corner = np.empty((4, side), np.int32)
    along, across = np.empty(side), np.empty(side)
    place = np.arange(side) % step * (side // step) + np.arange(side) // step
    total = np.empty(target, np.int32)
    for row in range(side):
        _sample_row(packed, a, b, frame, row + 0.5, step, corner, along, across, line)
        for c in range(3):
            _reduce_line(line[c], place, starts, weights, margin, total)
            _clip(total, out[row, c])
    return out


@numba.njit(cache=True, nogil=True)
def _reduce_line(samples, place, starts, weights, margin, total):
    """Weighted sums of one line; the outputs between the margins share the middle one's weights."""
    target, taps = weights.shape
    total[:] = 1 << (PRECISION_BITS - 1)
    inner = total[margin : target - margin]
    shared = weights[target // 2]
    for k in range(taps if inner.size else 0):
        weight, first = shared[k], place[starts[margin] + k]
        own = samples[first : first + inner.size]
        for i in range(inner.size):
            inner[i] += own[i] * weight
    for i in range(target):
        if i < margin or i >= target - margin:
            for k in range(taps):
                total[i] += samples[place[starts[i] + k]] * weights[i, k]


@numba.njit(cache=True, nogil=True)
def _clip(total, out):
    for i in range(out.size):
        value = total[i] >> np.int32(PRECISION_BITS)
        out[i] = np.uint8(np.int32(0) if value < 0 else np.int32(255) if value > 255 else value)


@numba.njit(cache=True, nogil=True)
def _sample_row(packed, a, b, frame, yy, step, corner, along, across, line):
    """One row of bilinear samples into `line`, in the order of `_warp_rows`; `corner`, `along`, `across` are scratch."""
    own_h, own_w = packed.shape
    flat = packed.reshape(own_h * own_w)
    left_edge, top_edge, w, h = frame
    side = along.size
    # 32 bits: twice as many fit into one instruction. A picture has fewer than 2**31 pixels.
    zero, one, width = np.int32(0), np.int32(1), np.int32(own_w)
    last_x, last_y = np.int32(own_w - 1), np.int32(own_h - 1)
    outside = 0
    for phase in range(step):
        for column in range(side // step):
            xx = column * step + phase + 0.5
            at = phase * (side // step) + column
            x = a[0] + a[1] * xx + a[2] * yy + a[3] * xx * yy
            y = b[0] + b[1] * xx + b[2] * yy + b[3] * xx * yy
            outside += (x < 0.0) | (x >= w) | (y < 0.0) | (y >= h)
            x = min(max(x, 0.0), w - 0.25) - 0.5
            y = min(max(y, 0.0), h - 0.25) - 0.5
            floor_x, floor_y = np.floor(x), np.floor(y)
            along[at], across[at] = x - floor_x, y - floor_y
            x_own, y_own = np.int32(floor_x) - np.int32(left_edge), np.int32(floor_y) - np.int32(top_edge)
            left, right = min(max(x_own, zero), last_x), min(max(x_own + one, zero), last_x)
            top, bottom = min(max(y_own, zero), last_y) * width, min(max(y_own + one, zero), last_y) * width
            corner[0, at], corner[1, at] = top + left, top + right
            corner[2, at], corner[3, at] = bottom + left, bottom + right
    # Each corner's pixel is fetched once, in the place of its number; the channels are then taken out of it.
    for k in range(4):
        for at in range(side):
            corner[k, at] = np.int32(flat[corner[k, at]])
    for c in range(3):
        shift, low = np.int32(8 * c), np.int32(255)
        for at in range(side):
            p = np.float64((corner[0, at] >> shift) & low)
            q = np.float64((corner[1, at] >> shift) & low)
            upper = p + (q - p) * along[at]
            p = np.float64((corner[2, at] >> shift) & low)
            q = np.float64((corner[3, at] >> shift) & low)
            lower = p + (q - p) * along[at]
            line[c, at] = np.int32(upper + (lower - upper) * across[at])
    if outside:
        for at in range(side):
            xx = at % (side // step) * step + at // (side // step) + 0.5
            x = a[0] + a[1] * xx + a[2] * yy + a[3] * xx * yy
            y = b[0] + b[1] * xx + b[2] * yy + b[3] * xx * yy
            if x < 0.0 or x >= w or y < 0.0 or y >= h:
                line[0, at] = line[1, at] = line[2, at] = 0


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
