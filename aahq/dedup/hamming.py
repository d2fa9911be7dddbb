"""All pairs of 64-bit hashes within a Hamming distance: exact, in bounded memory, also where hashes crowd.

Pigeonhole: cut the bits into m bands; two hashes within distance d differ by at most d // m bits in one of them. For each
band every hash meets those whose band differs by so little. A bucket that holds very many hashes (flat backgrounds make
such) is not expanded: its hashes and their neighbours are joined again by the bits outside the band.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, pairwise
from math import comb

import numpy as np

# Pairs expanded at a time: some 200 MB of index arrays.
CHUNK = 2_000_000
# Below this many hashes comparing all is quicker than any bucketing.
SMALL = 1500
# A crowd is bucketed again for each band that it crowds; it must be larger by this factor to be worth it.
DEEPER = 12
WIDEST = 24


def near_pairs(hashes: np.ndarray, distance: int) -> tuple[np.ndarray, np.ndarray]:
    """Every pair i < j with at most `distance` differing bits.

    Args:
        hashes: uint64 (N,).
        distance: 0 to 63.

    Returns:
        int64 (P,2) pairs, sorted; uint8 (P,) their distances.
    """
    values, inverse, counts = np.unique(hashes, return_inverse=True, return_counts=True)
    pairs = near_distinct(values, distance)
    members = np.argsort(inverse, kind="stable")
    first = np.cumsum(counts) - counts
    same = np.arange(len(values))[counts > 1]
    both = np.concatenate([np.stack([same, same], axis=1), pairs])
    found = [
        members[np.stack([first[both[rows, 0]] + a, first[both[rows, 1]] + b], axis=1)]
        for rows, a, b in _products(counts[both[:, 0]], counts[both[:, 1]])
    ]
    out = np.concatenate([np.empty((0, 2), dtype=np.int64), *found])
    out = np.unique(np.sort(out[out[:, 0] != out[:, 1]], axis=1), axis=0) if len(same) else np.sort(out, axis=1)
    out = out[np.lexsort((out[:, 1], out[:, 0]))]
    given = np.asarray(hashes, dtype=np.uint64)
    return out, np.bitwise_count(given[out[:, 0]] ^ given[out[:, 1]])


def near_distinct(values: np.ndarray, distance: int) -> np.ndarray:
    """`near_pairs` of hashes that are all different: int64 (P,2), i < j."""
    values = np.ascontiguousarray(values, dtype=np.uint64)
    count = max(len(values), 1)
    kept = np.empty(0, dtype=np.int64)
    fresh: list[np.ndarray] = []
    for a, b in _join(values, 64, values, np.arange(len(values)), distance, SMALL):
        fresh.append(np.minimum(a, b) * count + np.maximum(a, b))
        # The same pair is met in several bands; merging as it goes keeps the memory at that of the answer.
        if sum(map(len, fresh)) > max(CHUNK, len(kept)):
            kept, fresh = np.unique(np.concatenate([kept, *fresh])), []
    keys = np.unique(np.concatenate([kept, *fresh]))
    return np.stack([keys // count, keys % count], axis=1)


def _plan(count: int, bits: int, distance: int) -> tuple[list[tuple[int, int]], int]:
    """Bands (shift, width) and the difference allowed within one, at the least expected work."""

    def work(m: int) -> float:
        width, reach = bits // m, distance // m
        probes = sum(comb(width, k) for k in range(reach + 1))
        return m * probes * (2**width + count + count * count / 2**width)

    least = -(-bits // WIDEST)
    m = min(range(least, max(least, min(distance + 1, bits)) + 1), key=work)
    edges = [round(i * bits / m) for i in range(m + 1)]
    return [(a, b - a) for a, b in pairwise(edges)], distance // m


def _join(
    keys: np.ndarray, bits: int, hashes: np.ndarray, index: np.ndarray, distance: int, small: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Pairs of `index`, bucketed by the low `bits` bits of `keys`, confirmed on `hashes`; a pair may come repeatedly."""
    if len(keys) <= small or bits <= 2 * distance:
        yield from _all_against_all(hashes, index, distance)
        return
    bands, reach = _plan(len(keys), bits, distance)
    for shift, width in bands:
        key = ((keys >> np.uint64(shift)) & np.uint64((1 << width) - 1)).astype(np.int64)
        counts = np.bincount(key, minlength=1 << width)
        masks = [sum(1 << bit for bit in chosen) for k in range(reach + 1) for chosen in combinations(range(width), k)]
        heavy = np.flatnonzero(counts > max(SMALL, 16 * len(keys) >> width))
        if len(heavy):
            near = np.zeros(1 << width, dtype=bool)
            for mask in masks:
                near[heavy ^ mask] = True
            crowd = near[key]
            low = keys[crowd] & np.uint64((1 << shift) - 1)
            rest = (keys[crowd] >> np.uint64(shift + width) << np.uint64(shift)) if shift + width < 64 else low * 0
            yield from _join(rest | low, bits - width, hashes[crowd], index[crowd], distance, small * DEEPER)
            # That join was complete for the crowd; without this return every band would begin it anew.
            if crowd.all():
                return
        order = np.argsort(key, kind="stable")
        start = np.cumsum(counts) - counts
        counts[heavy] = 0
        sorted_hashes, sorted_index = hashes[order], index[order]
        present = counts > 0
        filled, crowded = np.flatnonzero(present), np.flatnonzero(counts > 1)
        for mask in masks:
            if mask:
                # Each pair of buckets once: from the one without the mask's top bit.
                lower = filled[(filled & (1 << (mask.bit_length() - 1))) == 0]
                one = lower[present[lower ^ mask]]
            else:
                one = crowded
            two = one ^ mask
            for rows, a, b in _products(counts[one], counts[two]):
                i, j = start[one[rows]] + a, start[two[rows]] + b
                close = np.bitwise_count(sorted_hashes[i] ^ sorted_hashes[j]) <= distance
                if mask == 0:
                    close &= i < j
                yield sorted_index[i[close]], sorted_index[j[close]]


def _products(left: np.ndarray, right: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """For every row r all pairs (a, b) of range(left[r]) x range(right[r]), in chunks: rows, a, b."""
    sizes = left * right
    ends = np.cumsum(sizes)
    total = int(ends[-1]) if len(ends) else 0
    for begin in range(0, total, CHUNK):
        place = np.arange(begin, min(begin + CHUNK, total))
        low, high = np.searchsorted(ends, (begin, place[-1]), side="right")
        inside = np.diff(np.clip(np.concatenate([[begin], ends[low : high + 1]]), begin, place[-1] + 1))
        rows = np.repeat(np.arange(low, high + 1), inside)
        offset = place - (ends[rows] - sizes[rows])
        if right[low : high + 1].max() == 1:
            yield rows, offset, np.zeros_like(offset)
        else:
            a = offset // right[rows]
            yield rows, a, offset - a * right[rows]


def _all_against_all(hashes: np.ndarray, index: np.ndarray, distance: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    step = max(1, CHUNK // max(len(hashes), 1))
    for begin in range(0, len(hashes), step):
        block = hashes[begin : begin + step, None] ^ hashes[None, begin:]
        i, j = np.nonzero(np.bitwise_count(block) <= distance)
        later = i < j
        yield index[begin + i[later]], index[begin + j[later]]
