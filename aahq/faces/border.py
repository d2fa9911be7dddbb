"""The FFHQ recipe's border: reflect the picture outwards, blur what lies near and beyond its edge, fade to the median.

The arithmetic is SciPy's `gaussian_filter` and NumPy's `pad` and `median`, operation by operation, so the pixels are the
same. What is saved is repetition: a reflected row holds the picture's own pixels in the same or in mirrored order, so away
from the outer edge its blur is a blur of the picture itself, made once.
"""

from __future__ import annotations

import numba
import numpy as np

# Values 0..255 in steps of 1/64: fine enough that the bin of the median holds few values to sort.
BINS_PER_LEVEL = 64
BINS = 256 * BINS_PER_LEVEL


def blurred_border(rgb: np.ndarray, pad: np.ndarray, side: float, box: tuple[int, int, int, int]) -> np.ndarray:
    """The padded picture inside `box`.

    Args:
        rgb: uint8 (H,W,3).
        pad: pixels to add left, top, right, bottom; each at least 1.
        side: side of the crop; the blur's sigma is 2 % of it.
        box: left, top, right, bottom in the padded picture: what is wanted of it.

    Returns:
        uint8 (bottom - top, right - left, 3).
    """
    left, top, right, bottom = (int(v) for v in pad)
    h, w, _ = rgb.shape
    weights = gaussian_weights(side * 0.02)
    radius = len(weights) - 1
    rows, row_kind, row_ramp = _axis(h, top, bottom, radius)
    columns, column_kind, column_ramp = _axis(w, left, right, radius)
    wide = _blur_rows(np.ascontiguousarray(rgb), rows, weights)
    # Runs of neighbouring kinds: the picture's own columns, then those near the outer left and right edge.
    outer = len(columns) - w
    runs = np.array([0, w, w + min(radius, outer), w + outer], dtype=np.int64)
    blurred = _blur_columns(wide, columns, runs, weights)
    picture = (np.ascontiguousarray(rgb), blurred)
    row = (_reflected(h, top, bottom), row_kind, row_ramp)
    column = (_reflected(w, left, right), column_kind, column_ramp)
    median = _median(*picture, *row, *column)
    return _blend(*picture, *row, *column, median, *box)


def gaussian_weights(sigma: float) -> np.ndarray:
    """SciPy's kernel cut at four sigma, from the centre outwards: float64 (radius + 1,)."""
    radius = int(4.0 * sigma + 0.5)
    kernel = np.exp(-0.5 / (sigma * sigma) * np.arange(-radius, radius + 1) ** 2)
    return (kernel / kernel.sum())[radius:]


def _reflected(size: int, before: int, after: int) -> np.ndarray:
    """Index of the source pixel of every padded pixel: reflection without repeating the edge (NumPy's "reflect")."""
    if size == 1:
        return np.zeros(before + size + after, dtype=np.int64)
    at = np.arange(-before, size + after) % (2 * size - 2)
    return np.minimum(at, 2 * size - 2 - at)


def _axis(size: int, before: int, after: int, radius: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What one axis needs.

    Returns:
        windows: int64 (K, 2 radius + 1) source pixels that each *kind* of blurred pixel is made of;
        kind: int64 (P,) the kind of every padded pixel;
        ramp: float64 (P,) the recipe's mask along this axis: 1 at the outer edge, 0 at the picture's, negative inside.
    """
    source = _reflected(size, before, after)
    total = len(source)
    reach = np.arange(-radius, radius + 1)
    inner = _reflected(size, radius, radius)[np.arange(size)[:, None] + reach + radius]
    # At the outer edge SciPy reflects once more, this time repeating the edge pixel.
    outer = np.r_[0 : min(radius, total), max(total - radius, min(radius, total)) : total]
    at = (outer[:, None] + reach) % (2 * total)
    windows = np.concatenate([inner, source[np.minimum(at, 2 * total - 1 - at)]])
    kind = source.copy()
    kind[outer] = size + np.arange(len(outer))
    place = np.arange(total, dtype=np.float32)
    ramp = 1.0 - np.minimum(place / np.int64(before), (total - 1 - place) / np.int64(after))
    return windows, kind, ramp


@numba.njit(cache=True, nogil=True)
def _blur_rows(rgb, windows, weights):
    """Weighted sums of rows in SciPy's order, from the outermost pair inwards: float32 (K,W,3)."""
    _, w, _ = rgb.shape
    flat = rgb.reshape(rgb.shape[0], w * 3)
    kinds, radius = windows.shape[0], len(weights) - 1
    out = np.empty((kinds, w * 3), np.float32)
    total = np.empty(w * 3)
    for kind in range(kinds):
        middle = flat[windows[kind, radius]]
        for i in range(w * 3):
            total[i] = np.float64(middle[i]) * weights[0]
        for reach in range(radius, 0, -1):
            above, below = flat[windows[kind, radius - reach]], flat[windows[kind, radius + reach]]
            weight = weights[reach]
            for i in range(w * 3):
                total[i] += (np.float64(above[i]) + np.float64(below[i])) * weight
        for i in range(w * 3):
            out[kind, i] = np.float32(total[i])
    return out.reshape(kinds, w, 3)


@numba.njit(cache=True, nogil=True)
def _blur_columns(wide, windows, runs, weights):
    """The same along x: (K,W,3) -> float32 (K,L,3). In a run of kinds the windows slide by one, so sums go side by side."""
    kinds = wide.shape[0]
    many, radius = windows.shape[0], len(weights) - 1
    out = np.empty((kinds, many, 3), np.float32)
    flat = out.reshape(kinds, many * 3)
    line = np.empty((many + 2 * radius) * 3)
    total = np.empty(many * 3)
    for kind in range(kinds):
        source = wide[kind]
        for run in range(len(runs) - 1):
            first, last = runs[run], runs[run + 1]
            length = (last - first) * 3
            for i in range(last - first + 2 * radius):
                # The first window whole, then the last pixel of each later one.
                at = windows[first, i] if i <= 2 * radius else windows[first + i - 2 * radius, 2 * radius]
                for c in range(3):
                    line[i * 3 + c] = source[at, c]
            for i in range(length):
                total[i] = line[radius * 3 + i] * weights[0]
            for reach in range(radius, 0, -1):
                weight = weights[reach]
                before, after = line[(radius - reach) * 3 :], line[(radius + reach) * 3 :]
                for i in range(length):
                    total[i] += (before[i] + after[i]) * weight
            for i in range(length):
                flat[kind, first * 3 + i] = np.float32(total[i])
    return out


@numba.njit(inline="always")
def _softened(own, blurred, ramp):
    """One channel of one pixel after the blur is blended in, as a float32 array in place would hold it."""
    share = min(max(ramp * 3.0 + 1.0, 0.0), 1.0)
    value = np.float32(own)
    return np.float32(np.float64(value) + np.float64(blurred - value) * share)


@numba.njit(inline="always")
def _bin(value):
    return min(max(int(value * BINS_PER_LEVEL), 0), BINS - 1)


@numba.njit(cache=True, nogil=True)
def _median(rgb, blurred, rows, row_kind, row_ramp, columns, column_kind, column_ramp):
    """Exact median of each channel over the padded picture: count by value, then sort the bin that holds it."""
    counts = np.zeros((3, BINS), np.int64)
    for y in range(len(rows)):
        for x in range(len(columns)):
            ramp = max(row_ramp[y], column_ramp[x])
            for c in range(3):
                value = _softened(rgb[rows[y], columns[x], c], blurred[row_kind[y], column_kind[x], c], ramp)
                counts[c, _bin(value)] += 1
    pixels = len(rows) * len(columns)
    ranks = ((pixels - 1) // 2, pixels // 2)
    low, high, before = np.empty(3, np.int64), np.empty(3, np.int64), np.empty(3, np.int64)
    for c in range(3):
        seen = 0
        low[c] = -1
        for i in range(BINS):
            if low[c] < 0 and seen + counts[c, i] > ranks[0]:
                low[c], before[c] = i, seen
            seen += counts[c, i]
            if seen > ranks[1]:
                high[c] = i
                break
    held = 0
    for c in range(3):
        held = max(held, counts[c, low[c] : high[c] + 1].sum())
    values, filled = np.empty((3, held), np.float32), np.zeros(3, np.int64)
    for y in range(len(rows)):
        for x in range(len(columns)):
            ramp = max(row_ramp[y], column_ramp[x])
            for c in range(3):
                value = _softened(rgb[rows[y], columns[x], c], blurred[row_kind[y], column_kind[x], c], ramp)
                if low[c] <= _bin(value) <= high[c]:
                    values[c, filled[c]] = value
                    filled[c] += 1
    out = np.empty(3, np.float32)
    for c in range(3):
        ordered = np.sort(values[c, : filled[c]])
        out[c] = (ordered[ranks[0] - before[c]] + ordered[ranks[1] - before[c]]) / np.float32(2)
    return out


@numba.njit(cache=True, nogil=True)
def _blend(rgb, blurred, rows, row_kind, row_ramp, columns, column_kind, column_ramp, median, left, top, right, bottom):
    """Blur blended in, then the median, then rounded: uint8."""
    out = np.empty((bottom - top, right - left, 3), np.uint8)
    for y in range(top, bottom):
        for x in range(left, right):
            ramp = max(row_ramp[y], column_ramp[x])
            share = min(max(ramp, 0.0), 1.0)
            for c in range(3):
                value = _softened(rgb[rows[y], columns[x], c], blurred[row_kind[y], column_kind[x], c], ramp)
                value = np.float32(np.float64(value) + np.float64(median[c] - value) * share)
                out[y - top, x - left, c] = np.uint8(min(max(np.rint(value), 0.0), 255.0))
    return out
