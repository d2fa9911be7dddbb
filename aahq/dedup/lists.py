"""A large set cut into lists by FAISS' k-means: a vector's nearest ones are in the lists whose centres are nearest to it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from aahq.dedup.rooms import Room, Workshop, blocks, evenly
from suite.errors import SuiteError

# Vectors from which the centres are made.
SAMPLE = 262_144
BLOCK = 16_384


@dataclass(frozen=True)
class Lists:
    """A set cut into lists.

    Attributes:
        centres: float32 (L, d).
        members: int64 (N,) faces, list after list.
        ends: int64 (L,) where each list ends in `members`.
    """

    centres: Room
    members: Room
    ends: Room


def make_lists(straight: Room, shop: Workshop) -> Lists:
    """Lists of float16 (N, d + 1), whose last number does not count.

    Raises:
        SuiteError: FAISS is not installed.
    """
    count = straight.shape[0]
    # Four times the root of the count balances finding a list with looking through it.
    lists = max(1, 1 << round(np.log2(4 * count**0.5)))
    sample = _unit(straight.array[evenly(count, SAMPLE)])
    made = _faiss().Kmeans(sample.shape[1], min(lists, max(1, len(sample) // 8)), niter=8, seed=1, spherical=True)
    made.cp.min_points_per_centroid, made.cp.max_points_per_centroid = 1, 64
    made.train(sample)
    centres = shop.share(np.asarray(made.centroids, np.float32))
    homes = shop.each(partial(_homes, straight, centres), blocks(count, BLOCK))
    home = np.concatenate(list(homes))[:, 0]
    ends = np.cumsum(np.bincount(home, minlength=centres.shape[0]))
    return Lists(centres, shop.share(np.argsort(home, kind="stable")), shop.share(ends))


def _homes(straight: Room, centres: Room, block: tuple[int, int]) -> np.ndarray:
    return nearest(centres, straight.array[slice(*block)], 1)


def _faiss() -> Any:
    try:
        import faiss
    except ImportError:
        raise SuiteError(
            "dedup: a set this large needs FAISS; install it with pip install 'aahq-blendgan[dedup]'"
        ) from None
    return faiss


def nearest(centres: Room, rows: np.ndarray, lists: int) -> np.ndarray:
    """int32 (N, lists): the nearest lists of every row; where there are fewer lists, some twice."""
    index = _faiss().IndexFlatIP(centres.shape[1])
    index.add(np.ascontiguousarray(centres.array))
    found = index.search(_unit(rows), min(lists, index.ntotal))[1]
    out: np.ndarray = np.maximum(found, 0)[:, np.arange(lists) % found.shape[1]].astype(np.int32)
    return out


def _unit(rows: np.ndarray) -> np.ndarray:
    """float32 coordinates without the length left out, of length one."""
    inside = rows[:, :-1].astype(np.float32)
    return inside / np.maximum(np.linalg.norm(inside, axis=1, keepdims=True), 1e-6)
