"""The two heavy steps of the FFHQ crop as compiled loops, in the very arithmetic of Pillow: nothing is approximated.

`warp_reduce` is Pillow's `transform(QUAD, BILINEAR)` followed by `resize(LANCZOS)` without the large intermediate picture:
each of its rows is reduced as soon as it is made (`aahq.faces.bilinear` makes them).
"""

from __future__ import annotations

from functools import lru_cache
from math import ceil, pi, sin

import numba
import numpy as np

from aahq.faces.bilinear import cells_of, columns_of, sample_rows

# Pillow's fixed-point precision of 8-bit resampling: 32 - 8 - 2 bits.
PRECISION_BITS = 22
# Rows of samples that are made and reduced in turn; they stay in the processor's cache.
ROWS = 8
# Weights that are applied in one sweep: a sum is read and written a sixth as often.
TAPS = 6


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
    width, height = full or (rgb.shape[1], rgb.shape[0])
    frame = np.array([*origin, width, height], dtype=np.int64)
    if size == transform_size:
        starts, weights = np.arange(size), np.full((size, 1), 1 << PRECISION_BITS, dtype=np.int32)
    else:
        starts, weights = lanczos_weights(transform_size, size)
    margin = _margin(starts, weights, step) if step > 1 else (size + 1) // 2
    cells = cells_of(np.ascontiguousarray(rgb))
    return _reduce_rows(_warp_rows(cells, a, b, frame, transform_size, step, margin, starts, weights), starts, weights)


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


def _warp_rows(
    cells: np.ndarray,
    a: np.ndarray,
    b: np.ndarray,
    frame: np.ndarray,
    side: int,
    step: int,
    margin: int,
    starts: np.ndarray,
    weights: np.ndarray,
) -> np.ndarray:
    """Bilinear rows, each reduced along x at once: uint32 (3,H+1,W+1) cells -> uint8 (side,3,target).

    With `step` samples to an output, sample `column` is kept at [column % step, column // step]: samples that meet the
    same weight of neighbouring outputs then lie side by side, and one instruction serves several. A `step` of 1 keeps the
    order, for ratios that are not whole.
    """
    out = np.empty((side, 3, len(starts)), dtype=np.uint8)
    place = np.arange(side) % step * (side // step) + np.arange(side) // step
    columns = columns_of(a, b, frame, side, step)
    lines = np.empty((ROWS, 3, side), dtype=np.int32)
    # Two compiled functions in turn: as one, the compiler leaves half of their vector instructions out.
    for first in range(0, side, ROWS):
        part = lines[: side - first]
        sample_rows(cells, columns, a, b, frame, first, part)
        _reduce_lines(part, place, starts, weights, margin, out[first : first + ROWS])
    return out


@numba.njit(cache=True, nogil=True)
def _reduce_lines(lines, place, starts, weights, margin, out):
    total = np.empty(len(starts), np.int32)
    for row in range(len(lines)):
        for c in range(3):
            _reduce_line(lines[row, c], place, starts, weights, margin, total)
            _clip(total, out[row, c])


@numba.njit(cache=True, nogil=True)
def _reduce_line(samples, place, starts, weights, margin, total):
    """Weighted sums of one line; the outputs between the margins share the middle one's weights."""
    target, taps = weights.shape
    total[:] = 1 << (PRECISION_BITS - 1)
    inner, first = total[margin : target - margin], starts[margin]
    shared = weights[target // 2]
    whole = taps - taps % TAPS if inner.size else 0
    for k in range(0, whole, TAPS):
        w0, w1, w2, w3, w4, w5 = shared[k], shared[k + 1], shared[k + 2], shared[k + 3], shared[k + 4], shared[k + 5]
        at = place[first + k : first + k + TAPS]
        s0, s1, s2 = samples[at[0] :], samples[at[1] :], samples[at[2] :]
        s3, s4, s5 = samples[at[3] :], samples[at[4] :], samples[at[5] :]
        for i in range(inner.size):
            some = s0[i] * w0 + s1[i] * w1 + s2[i] * w2
            inner[i] += some + s3[i] * w3 + s4[i] * w4 + s5[i] * w5
    for k in range(whole, taps if inner.size else 0):
        weight, own = shared[k], samples[place[first + k] :]
        # The last weight of many rows is a zero that fills them up.
        for i in range(inner.size if weight else 0):
            inner[i] += own[i] * weight
    for end in range(2):
        for i in range(end * (target - margin), margin + end * (target - margin)):
            for k in range(taps):
                total[i] += samples[place[starts[i] + k]] * weights[i, k]


@numba.njit(cache=True, nogil=True)
def _clip(total, out):
    for i in range(out.size):
        out[i] = np.uint8(min(max(np.int32(total[i] >> np.int32(PRECISION_BITS)), np.int32(0)), np.int32(255)))


@numba.njit(cache=True, nogil=True)
def _reduce_rows(rows, starts, weights):
    """Reduce along y: uint8 (side,3,target) -> (target,target,3)."""
    target, taps = weights.shape
    out = np.empty((target, target, 3), np.uint8)
    total = np.empty(target, np.int32)
    for i in range(target):
        for c in range(3):
            total[:] = 1 << (PRECISION_BITS - 1)
            for k in range(0, taps - taps % 4, 4):
                w0, w1, w2, w3 = weights[i, k], weights[i, k + 1], weights[i, k + 2], weights[i, k + 3]
                at = starts[i] + k
                s0, s1, s2, s3 = rows[at, c], rows[at + 1, c], rows[at + 2, c], rows[at + 3, c]
                for x in range(target):
                    some = np.int32(s0[x]) * w0 + np.int32(s1[x]) * w1
                    total[x] += some + np.int32(s2[x]) * w2 + np.int32(s3[x]) * w3
            for k in range(taps - taps % 4, taps):
                weight, source = weights[i, k], rows[starts[i] + k, c]
                for x in range(target if weight else 0):
                    total[x] += np.int32(source[x]) * weight
            for x in range(target):
                out[i, x, c] = min(max(total[x] >> PRECISION_BITS, 0), 255)
    return out
