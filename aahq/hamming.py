"""All pairs of 64-bit hashes within a Hamming distance: exact, by the pigeonhole principle."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np


def bands(distance: int) -> list[tuple[int, int]]:
    """`distance + 1` bit ranges (shift, width) that cover 64 bits: two hashes within `distance` agree in at least one."""
    edges = np.linspace(0, 64, distance + 2).round().astype(int)
    return [(int(a), int(b - a)) for a, b in pairwise(edges)]


def near_pairs(hashes: np.ndarray, distance: int) -> tuple[np.ndarray, np.ndarray]:
    """Every pair i < j with at most `distance` differing bits.

    Args:
        hashes: uint64 (N,).
        distance: 0 to 63.

    Returns:
        int64 (P,2) pairs, sorted; uint8 (P,) their distances.
    """
    hashes = np.ascontiguousarray(hashes, dtype=np.uint64)
    found = [chunk for shift, width in bands(distance) for chunk in _band_pairs(hashes, shift, width, distance)]
    if not found:
        return np.empty((0, 2), dtype=np.int64), np.empty(0, dtype=np.uint8)
    keys = np.unique(np.concatenate(found))
    pairs = np.stack([keys // len(hashes), keys % len(hashes)], axis=1)
    return pairs, np.bitwise_count(hashes[pairs[:, 0]] ^ hashes[pairs[:, 1]])


def _band_pairs(hashes: np.ndarray, shift: int, width: int, distance: int) -> Iterator[np.ndarray]:
    """Pairs that share the band's bits, as keys i * N + j; each step compares neighbours one further apart."""
    mask = np.uint64((1 << width) - 1)
    key = (hashes >> np.uint64(shift)) & mask
    order = np.argsort(key, kind="stable")
    key, sorted_hashes = key[order], hashes[order]
    start = np.flatnonzero(np.r_[True, key[1:] != key[:-1]])
    ends = np.repeat(np.r_[start[1:], len(key)], np.diff(np.r_[start, len(key)]))
    alive = np.arange(len(key))
    step = 1
    while len(alive):
        alive = alive[alive + step < ends[alive]]
        near = alive[np.bitwise_count(sorted_hashes[alive] ^ sorted_hashes[alive + step]) <= distance]
        if len(near):
            a, b = order[near], order[near + step]
            yield np.minimum(a, b) * len(hashes) + np.maximum(a, b)
        step += 1
