"""The FFHQ recipe's border: reflect the picture outwards, blur what lies near and beyond its edge, fade to the median.

The arithmetic is SciPy's `gaussian_filter` and NumPy's `pad` and `median`, operation by operation, so the pixels are the
same. What is saved is repetition: a reflected row holds the picture's own pixels in the same or in mirrored order, so away
from the outer edge its blur is a blur of the picture itself, made once.
"""

from __future__ import annotations

import numba
import numpy as np


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
    row_windows, row_kind, row_ramp = _axis(h, top, bottom, radius)
    windows, kind, ramp = _axis(w, left, right, radius)
    # The picture's middle is not blurred: of its rows, only what lies near the sides.
    whole = np.zeros(len(row_windows), dtype=bool)
    whole[row_kind[blur_share(row_ramp) > 0]] = True
    used = np.zeros(len(windows), dtype=bool)
    used[kind[blur_share(ramp) > 0]] = True
    read = np.zeros(w, dtype=bool)
    read[windows[used]] = True
    # Runs of neighbouring kinds: the picture's own columns, then those near the outer left and right edge.
    outer = len(windows) - w
    edges = [(w, w + min(radius, outer)), (w + min(radius, outer), w + outer)]
    pixels = rgb.astype(np.int16).reshape(h, w * 3)
    wide = np.empty((len(row_windows), w * 3), dtype=np.float32)
    blurred = np.zeros((len(row_windows), len(windows) * 3), dtype=np.float32)
    for kinds, own, reads in (
        (np.flatnonzero(whole), [(0, w)], [(0, w)]),
        (np.flatnonzero(~whole), _but_the_middle(used[:w]), _but_the_middle(read)),
    ):
        for first, last in reads:
            _blur_rows(pixels, row_windows, kinds, weights, first * 3, last * 3, wide)
        _blur_columns(wide, windows, kinds, np.array(own + edges), weights, blurred)
    soft = _soften(
        np.ascontiguousarray(rgb),
        blurred,
        _reflected(h, top, bottom),
        row_kind,
        row_ramp,
        _reflected(w, left, right),
        kind,
        ramp,
    )
    median = np.array([exact_median(plane.ravel()) for plane in soft], dtype=np.float32)
    return _fade(soft, row_ramp, ramp, median, *box)


def exact_median(values: np.ndarray, sample: int = 20_000) -> np.float32:
    """NumPy's median of float32 (N,), by sorting only what lies about as high as the median of some `sample` of them."""
    ranks = np.array([(len(values) - 1) // 2, len(values) // 2])
    some = np.sort(values[:: max(1, len(values) // sample)])
    reach = len(some) // 64 + 1
    low, high = some[max(len(some) // 2 - reach, 0)], some[min(len(some) // 2 + reach, len(some) - 1)]
    for bounds in ((low, high), (-np.inf, np.inf)):
        below, inside = _between(values, np.float32(bounds[0]), np.float32(bounds[1]))
        if below <= ranks[0] and ranks[1] < below + len(inside):
            break
    # The mean of the two middle ones, in float32 as NumPy's is.
    return np.partition(inside, ranks - below)[ranks - below].mean()


@numba.njit(cache=True, nogil=True)
def _between(values, low, high):
    """How many are less than `low`, and those from `low` to `high`."""
    room, count, below = np.empty_like(values), 0, 0
    for value in values:
        # Written in any case, and kept by counting: no branch that a processor could guess wrong.
        room[count] = value
        count += (value >= low) & (value <= high)
        below += value < low
    return below, room[:count].copy()


def blur_share(ramp: np.ndarray) -> np.ndarray:
    """How much of a pixel is its blur: of the recipe's mask (see `_axis`), 0 to 1."""
    return np.minimum(np.maximum(ramp * 3.0 + 1.0, 0.0), 1.0)


def _but_the_middle(wanted: np.ndarray) -> list[tuple[int, int]]:
    """Ranges that hold all that is wanted: what comes before the longest part that is not, and what after."""
    change = np.flatnonzero(np.diff(np.r_[True, wanted, True]))
    if not len(change):
        return [(0, len(wanted))]
    gaps = change.reshape(-1, 2)
    first, last = gaps[np.argmax(gaps[:, 1] - gaps[:, 0])]
    return [(0, int(first)), (int(last), len(wanted))]


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
def _blur_rows(pixels, windows, kinds, weights, first, last, out):
    """Weighted sums of rows in SciPy's order, from the outermost pair inwards: int16 (H,3W) -> float32 (K,3W).

    Four pairs a sweep, so that a sum is read and written a quarter as often; the sum of two pixels is exact in 16 bits.
    """
    radius = len(weights) - 1
    total = np.empty(last - first)
    for kind in kinds:
        window = windows[kind]
        middle = pixels[window[radius], first:last]
        for i in range(total.size):
            total[i] = np.float64(middle[i]) * weights[0]
        reach = radius
        while reach >= 4:
            w1, w2, w3, w4 = weights[reach], weights[reach - 1], weights[reach - 2], weights[reach - 3]
            a1, b1 = pixels[window[radius - reach], first:last], pixels[window[radius + reach], first:last]
            a2, b2 = pixels[window[radius - reach + 1], first:last], pixels[window[radius + reach - 1], first:last]
            a3, b3 = pixels[window[radius - reach + 2], first:last], pixels[window[radius + reach - 2], first:last]
            a4, b4 = pixels[window[radius - reach + 3], first:last], pixels[window[radius + reach - 3], first:last]
            for i in range(total.size):
                value = total[i] + np.float64(np.int16(a1[i] + b1[i])) * w1
                value += np.float64(np.int16(a2[i] + b2[i])) * w2
                value += np.float64(np.int16(a3[i] + b3[i])) * w3
                total[i] = value + np.float64(np.int16(a4[i] + b4[i])) * w4
            reach -= 4
        while reach > 0:
            above, below = pixels[window[radius - reach], first:last], pixels[window[radius + reach], first:last]
            for i in range(total.size):
                total[i] += np.float64(np.int16(above[i] + below[i])) * weights[reach]
            reach -= 1
        for i in range(total.size):
            out[kind, first + i] = np.float32(total[i])


@numba.njit(cache=True, nogil=True)
def _blur_columns(wide, windows, kinds, runs, weights, out):
    """The same along x: (K,3W) -> float32 (K,3L). In a run of kinds the windows slide by one, so sums go side by side."""
    many, radius = windows.shape[0], len(weights) - 1
    line = np.empty((many + 2 * radius) * 3)
    room = np.empty(many * 3)
    for kind in kinds:
        source = wide[kind]
        for run in range(len(runs)):
            first, last = runs[run]
            length = (last - first) * 3
            total = room[:length]
            for i in range(last - first + 2 * radius if length else 0):
                # The first window whole, then the last pixel of each later one.
                at = windows[first, i] if i <= 2 * radius else windows[first + i - 2 * radius, 2 * radius]
                for c in range(3):
                    line[i * 3 + c] = source[at * 3 + c]
            middle = line[radius * 3 :]
            for i in range(length):
                total[i] = middle[i] * weights[0]
            reach = radius
            while reach >= 4:
                w1, w2, w3, w4 = weights[reach], weights[reach - 1], weights[reach - 2], weights[reach - 3]
                a1, b4 = line[(radius - reach) * 3 :], line[(radius + reach - 3) * 3 :]
                a2, a3, a4, b3, b2, b1 = a1[3:], a1[6:], a1[9:], b4[3:], b4[6:], b4[9:]
                for i in range(length):
                    value = total[i] + (a1[i] + b1[i]) * w1
                    value += (a2[i] + b2[i]) * w2
                    value += (a3[i] + b3[i]) * w3
                    total[i] = value + (a4[i] + b4[i]) * w4
                reach -= 4
            while reach > 0:
                before, after = line[(radius - reach) * 3 :], line[(radius + reach) * 3 :]
                for i in range(length):
                    total[i] += (before[i] + after[i]) * weights[reach]
                reach -= 1
            for i in range(length):
                out[kind, first * 3 + i] = np.float32(total[i])


@numba.njit(cache=True, nogil=True)
def _soften(rgb, blurred, rows, row_kind, row_ramp, columns, column_kind, column_ramp):
    """The padded picture with its blur blended in, as a float32 array in place would hold it: (3,P,Q)."""
    h, w, _ = rgb.shape
    pixels = rgb.reshape(h, w * 3)
    width = len(columns)
    out = np.empty((3, len(rows), width), np.float32)
    own, soft = np.empty(width, np.float32), np.empty(width, np.float32)
    for y in range(len(rows)):
        source, smooth = pixels[rows[y]], blurred[row_kind[y]]
        for c in range(3):
            for x in range(width):
                own[x] = np.float32(source[columns[x] * 3 + c])
                soft[x] = smooth[column_kind[x] * 3 + c]
            line = out[c, y]
            for x in range(width):
                share = min(max(max(row_ramp[y], column_ramp[x]) * 3.0 + 1.0, 0.0), 1.0)
                line[x] = np.float32(np.float64(own[x]) + np.float64(soft[x] - own[x]) * share)
    return out


@numba.njit(cache=True, nogil=True)
def _fade(soft, row_ramp, column_ramp, median, left, top, right, bottom):
    """Faded to the median, then rounded: uint8 (bottom - top, right - left, 3)."""
    out = np.empty((bottom - top, right - left, 3), np.uint8)
    for y in range(top, bottom):
        for x in range(left, right):
            share = min(max(max(row_ramp[y], column_ramp[x]), 0.0), 1.0)
            for c in range(3):
                value = soft[c, y, x]
                value = np.float32(np.float64(value) + np.float64(median[c] - value) * share)
                out[y - top, x - left, c] = np.uint8(min(max(np.rint(value), 0.0), 255.0))
    return out
