"""All pairs of 64-bit hashes within a Hamming distance: exact, in bounded memory, also where hashes crowd.

Pigeonhole: cut the bits into m bands; two hashes within distance d differ by at most d // m bits in one of them. For each
band every hash meets those whose band differs by so little. A bucket that holds very many hashes (flat backgrounds make
such) is not expanded: its hashes and their neighbours are joined again by the bits outside the band.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import combinations, pairwise
from math import comb

import numpy as np

from aahq.dedup.rooms import HERE, Room, Workshop

# Pairs expanded at a time: some 200 MB of index arrays.
CHUNK = 2_000_000
# Below this many hashes comparing all is quicker than any bucketing.
SMALL = 1500
# A crowd is bucketed again for each band that it crowds; it must be larger by this factor to be worth it.
DEEPER = 12
WIDEST = 24
# Pairs of hashes that a task compares, about: some seconds, beside which sorting the hashes once more is little.
TASK = 500_000_000


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


def near_distinct(values: np.ndarray, distance: int, shop: Workshop = HERE) -> np.ndarray:
    """`near_pairs` of hashes that are all different: int64 (P,2), i < j.

    Args:
        values: uint64 (N,).
        distance: 0 to 63.
        shop: who does the parts, each a range of one band's buckets; the answer is the same.
    """
    values = np.ascontiguousarray(values, dtype=np.uint64)
    count = max(len(values), 1)
    if shop.here or len(values) <= SMALL or 2 * distance >= 64:
        parts = _keyed(_join(values, 64, values, np.arange(len(values)), distance, SMALL), count)
    else:
        parts = shop.each(partial(_part, shop.share(values), distance), _parts(values, distance))
    keys = _merged(parts)
    return np.stack([keys // count, keys % count], axis=1)


def _keyed(pairs: Iterable[tuple[np.ndarray, np.ndarray]], count: int) -> Iterator[np.ndarray]:
    """A number for each pair, whichever of its two comes first."""
    return (np.minimum(a, b) * count + np.maximum(a, b) for a, b in pairs)


def _merged(parts: Iterable[np.ndarray]) -> np.ndarray:
    """int64 sorted, each number once."""
    kept = np.empty(0, dtype=np.int64)
    fresh: list[np.ndarray] = []
    for part in parts:
        fresh.append(part)
        # The same pair is met in several bands; merging as it goes keeps the memory at that of the answer.
        if sum(map(len, fresh)) > max(CHUNK, len(kept)):
            kept, fresh = np.unique(np.concatenate([kept, *fresh])), []
    return np.unique(np.concatenate([kept, *fresh]))


@dataclass(frozen=True)
class _Task:
    """Some of the buckets of a band, by their masks' numbers; or its crowd, where `masks` is None."""

    shift: int
    width: int
    reach: int
    masks: tuple[int, int] | None


def _parts(values: np.ndarray, distance: int) -> Iterator[_Task]:
    bands, reach = _plan(len(values), 64, distance)
    for shift, width in bands:
        band = _Band(values, shift, width, reach)
        if band.crowd.any():
            yield _Task(shift, width, reach, None)
        if band.crowd.all():
            return
        # Each pair of buckets is looked at from one side.
        step = max(1, TASK // (len(values) + len(values) ** 2 // (2 << width)))
        for first in range(0, len(band.masks), step):
            yield _Task(shift, width, reach, (first, first + step))


def _part(values: Room, distance: int, task: _Task) -> np.ndarray:
    """The keys of the pairs that one task finds: int64, sorted."""
    hashes = values.array
    index = np.arange(len(hashes))
    band = _Band(hashes, task.shift, task.width, task.reach)
    if task.masks is None:
        found = _join_crowd(band, 64, hashes, index, distance, SMALL)
    else:
        found = _meet(band, hashes, index, distance, band.masks[slice(*task.masks)])
    return _merged(_keyed(found, len(hashes)))


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


class _Band:
    """Which bucket every key is in, by the bits of one band.

    Attributes:
        keys, shift, width: what it was made of.
        key: int64 (N,).
        counts: int64 (2**width,): keys in each bucket.
        masks: what two buckets may differ by.
        heavy: buckets of very many keys.
        crowd: bool (N,): keys in those, or near them.
    """

    def __init__(self, keys: np.ndarray, shift: int, width: int, reach: int) -> None:
        self.keys, self.shift, self.width = keys, shift, width
        self.key = ((keys >> np.uint64(shift)) & np.uint64((1 << width) - 1)).astype(np.int64)
        self.counts = np.bincount(self.key, minlength=1 << width)
        self.masks = [
            sum(1 << bit for bit in chosen) for k in range(reach + 1) for chosen in combinations(range(width), k)
        ]
        self.heavy = np.flatnonzero(self.counts > max(SMALL, 16 * len(keys) >> width))
        near = np.zeros(1 << width if len(self.heavy) else 1, dtype=bool)
        for mask in self.masks if len(self.heavy) else ():
            near[self.heavy ^ mask] = True
        self.crowd = near[self.key] if len(self.heavy) else np.zeros(len(keys), dtype=bool)


def _join(
    keys: np.ndarray, bits: int, hashes: np.ndarray, index: np.ndarray, distance: int, small: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Pairs of `index`, bucketed by the low `bits` bits of `keys`, confirmed on `hashes`; a pair may come repeatedly."""
    if len(keys) <= small or bits <= 2 * distance:
        yield from _all_against_all(hashes, index, distance)
        return
    bands, reach = _plan(len(keys), bits, distance)
    for shift, width in bands:
        band = _Band(keys, shift, width, reach)
        if band.crowd.any():
            yield from _join_crowd(band, bits, hashes, index, distance, small)
        # That join was complete for the crowd; without this return every band would begin it anew.
        if band.crowd.all():
            return
        yield from _meet(band, hashes, index, distance, band.masks)


def _join_crowd(
    band: _Band, bits: int, hashes: np.ndarray, index: np.ndarray, distance: int, small: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Pairs of the crowd, by the bits outside the band."""
    keys, above = band.keys[band.crowd], band.shift + band.width
    low = keys & np.uint64((1 << band.shift) - 1)
    rest = (keys >> np.uint64(above) << np.uint64(band.shift)) if above < 64 else low * 0
    yield from _join(rest | low, bits - band.width, hashes[band.crowd], index[band.crowd], distance, small * DEEPER)


def _meet(
    band: _Band, hashes: np.ndarray, index: np.ndarray, distance: int, masks: list[int]
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Pairs in buckets that differ by one of the masks, but for those with a heavy one, which the crowd has."""
    order = np.argsort(band.key, kind="stable")
    counts = band.counts.copy()
    start = np.cumsum(counts) - counts
    counts[band.heavy] = 0
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
