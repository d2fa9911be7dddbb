"""Rows of Pillow's `transform(QUAD, BILINEAR)`, sample for sample, mostly in float32.

Pillow interpolates in float64 and cuts off the fraction, so a float32 value decides the sample wherever an integer is
farther away than its error. Where one is not (one sample in two thousand), the sample is made again in Pillow's arithmetic.
"""

from __future__ import annotations

import numba
import numpy as np

# Samples are looked through for doubtful ones by so many.
BLOCK = 512
# Fast values count in 1/4096: 255 of them fill 20 of float32's 24 bits. Their error: the two shares are rounded to 2**-25,
# each of three products and three sums of at most 255 by 2**-24 of it, together 9.1e-5 = 0.38 / 4096. A value whose
# last twelve bits are neither 0 nor 4095 is thus on the same side of every integer as the exact one.
FRACTION_BITS = 12
DOUBT = np.int32((1 << FRACTION_BITS) - 2)

_BYTE = np.uint32(255)
_ONE = np.int32(1)


@numba.njit(cache=True, nogil=True)
def cells_of(rgb):
    """uint8 (H,W,3) -> uint32 (3,H+1,W+1): [c, i, j] holds channel c of the pixels round the corner (i, j).

    From the low byte: upper left, upper right, lower left, lower right; beyond the edge the edge's own pixel.
    """
    h, w, _ = rgb.shape
    out = np.empty((3, h + 1, w + 1), np.uint32)
    upper, lower = np.empty(w + 2, np.uint32), np.empty(w + 2, np.uint32)
    for i in range(h + 1):
        for c in range(3):
            above, below = rgb[max(i - 1, 0)], rgb[min(i, h - 1)]
            for j in range(w):
                upper[j + 1], lower[j + 1] = above[j, c], below[j, c]
            upper[0], upper[w + 1], lower[0], lower[w + 1] = upper[1], upper[w], lower[1], lower[w]
            for j in range(w + 1):
                pair = np.uint32(upper[j] | np.uint32(upper[j + 1] << np.uint32(8)))
                pair |= np.uint32(lower[j] << np.uint32(16))
                out[c, i, j] = np.uint32(pair | np.uint32(lower[j + 1] << np.uint32(24)))
    return out


@numba.njit(cache=True, nogil=True)
def columns_of(a, b, frame, side, step):
    """What of a sample's place depends on its column: float64 (blocks,5,BLOCK), in the order of `warp._warp_rows`.

    Of a block: column + 0.5; x and its slope in y, y and its slope; x and y in cells, whose first lies at `frame`'s first two.
    """
    out = np.zeros(((side + BLOCK - 1) // BLOCK, 5, BLOCK))
    for phase in range(step):
        for column in range(side // step):
            xx, at = column * step + phase + 0.5, phase * (side // step) + column
            block, k = out[at // BLOCK], at % BLOCK
            block[0, k] = xx
            block[1, k], block[2, k] = a[0] + a[1] * xx + (0.5 - frame[0]), a[3] * xx
            block[3, k], block[4, k] = b[0] + b[1] * xx + (0.5 - frame[1]), b[3] * xx
    return out


@numba.njit(cache=True, nogil=True)
def sample_rows(cells, columns, a, b, frame, first, lines):
    """Rows of samples from the `first` on into `lines`, int32 (rows,3,side).

    Args:
        cells: uint32 (3,H+1,W+1) from `cells_of`.
        columns: float64 (blocks,5,BLOCK) from `columns_of`.
        a, b: float64 (4,), Pillow's coefficients of x and y: of 1, column, row, column times row.
        frame: int64 (4,) where the cells' picture lies in the whole one (x, y), and the whole one's width and height.
    """
    # Room for a block of samples: index, along, across, corners, doubts.
    room = (
        np.empty(BLOCK, np.uint32),
        np.empty(BLOCK, np.float32),
        np.empty(BLOCK, np.float32),
        np.empty(BLOCK, np.uint32),
        np.empty(BLOCK, np.int32),
    )
    for row in range(len(lines)):
        _sample_row(cells, columns, a, b, frame, first + row + 0.5, room, lines[row])


@numba.njit(cache=True, nogil=True)
def _sample_row(cells, columns, a, b, frame, yy, room, line):
    _, high, wide = cells.shape
    index, along, across, corners, doubts = room
    side = line.shape[1]
    for first in range(0, side, BLOCK):
        count = min(BLOCK, side - first)
        part = columns[first // BLOCK]
        _places(part, a[2] * yy, b[2] * yy, yy, float(high), float(wide), index, along, across)
        for c in range(3):
            values = line[c, first : first + count]
            if _blend(cells[c].reshape(high * wide), index, along, across, corners, doubts, values):
                for at in range(count):
                    if doubts[at]:
                        values[at] = _exact(cells, part[0, at], yy, a, b, frame, c)
    if _leaves(side, yy, a, b, frame):
        for at in range(side):
            xx = columns[at // BLOCK, 0, at % BLOCK]
            x, y = _place(xx, yy, a), _place(xx, yy, b)
            if x < 0.0 or x >= frame[2] or y < 0.0 or y >= frame[3]:
                line[0, at] = line[1, at] = line[2, at] = 0


@numba.njit(cache=True, nogil=True, fastmath={"contract"})
def _places(columns, x_row, y_row, yy, high, wide, index, along, across):
    """The cell of each sample and how far along and across it lies; a rounding away from Pillow's, which `_exact` mends."""
    x_own, x_slope, y_own, y_slope = columns[1], columns[2], columns[3], columns[4]
    for at in range(BLOCK):
        # From cell 0.5 (the picture's edge) to a quarter of a pixel before the last: Pillow's own bounds.
        x = min(max(x_own[at] + x_row + x_slope[at] * yy, 0.5), wide - 0.75)
        y = min(max(y_own[at] + y_row + y_slope[at] * yy, 0.5), high - 0.75)
        left, top = np.floor(x), np.floor(y)
        along[at], across[at] = np.float32(x - left), np.float32(y - top)
        # Through int32, for which there is an instruction; a picture has fewer than 2**31 pixels.
        index[at] = np.uint32(np.int32(top * wide + left))


@numba.njit(cache=True, nogil=True, fastmath={"contract"})
def _blend(table, index, along, across, corners, doubts, values):
    """Fast values, which of them are doubtful, and whether any is; `corners` is scratch."""
    any_doubt = np.int32(0)
    for at in range(values.size):
        corners[at] = table[index[at]]
    for at in range(values.size):
        g = corners[at]
        p = np.float32(np.int32(np.uint32(g << np.uint32(12)) & np.uint32(0xFF000)))
        q = np.float32(np.int32(np.uint32(g << np.uint32(4)) & np.uint32(0xFF000)))
        r = np.float32(np.int32(np.uint32(g >> np.uint32(4)) & np.uint32(0xFF000)))
        s = np.float32(np.int32(np.uint32(g >> np.uint32(12)) & np.uint32(0xFF000)))
        upper = p + (q - p) * along[at]
        lower = r + (s - r) * along[at]
        value = np.int32(upper + (lower - upper) * across[at])
        values[at] = value >> np.int32(FRACTION_BITS)
        # Four equal corners leave no doubt: the fast value is theirs exactly.
        uneven = np.uint32(np.uint32(g << np.uint32(8)) | np.uint32(g >> np.uint32(24))) != g
        near = np.int32(np.int32(value + _ONE) & DOUBT) == np.int32(0)
        doubts[at] = np.int32(uneven) & np.int32(near)
        any_doubt = np.int32(any_doubt | doubts[at])
    return any_doubt


@numba.njit(cache=True, nogil=True)
def _exact(cells, xx, yy, a, b, frame, c):
    """One sample in Pillow's arithmetic."""
    _, high, wide = cells.shape
    x = min(max(_place(xx, yy, a), 0.0), frame[2] - 0.25) - 0.5
    y = min(max(_place(xx, yy, b), 0.0), frame[3] - 0.25) - 0.5
    left, top = np.floor(x), np.floor(y)
    along, across = x - left, y - top
    j = min(max(int(left) - frame[0] + 1, 0), wide - 1)
    i = min(max(int(top) - frame[1] + 1, 0), high - 1)
    g = cells[c, i, j]
    p, q = np.float64(g & _BYTE), np.float64((g >> np.uint32(8)) & _BYTE)
    r, s = np.float64((g >> np.uint32(16)) & _BYTE), np.float64(g >> np.uint32(24))
    upper = p + (q - p) * along
    lower = r + (s - r) * along
    return np.int32(upper + (lower - upper) * across)


@numba.njit(cache=True, nogil=True)
def _place(xx, yy, coefficients):
    return coefficients[0] + coefficients[1] * xx + coefficients[2] * yy + coefficients[3] * xx * yy


@numba.njit(cache=True, nogil=True)
def _leaves(side, yy, a, b, frame):
    """Whether a row comes within a pixel of the picture's edge; it is straight, so its two ends tell."""
    for xx in (0.5, side - 0.5):
        x, y = _place(xx, yy, a), _place(xx, yy, b)
        if x < 1.0 or x > frame[2] - 1.0 or y < 1.0 or y > frame[3] - 1.0:
            return True
    return False
