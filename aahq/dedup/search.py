"""All pairs of near embeddings, straight or mirrored: in reduced dimensions first, then by their exact cosines.

A basis of 256 directions holds most of every embedding; what it leaves out of two of them adds at most the product of the two
lengths left out (Cauchy-Schwarz) to their cosine. Kept as one more number, that length makes the reduced product an upper
bound, so that no pair is lost however badly the basis fits: up to `EXHAUSTIVE` faces the answer is that of brute force, and
which faces came first does not matter. Beyond, FAISS' k-means cuts the set into lists, and each face is compared within the
lists nearest to it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from suite.errors import SuiteError
from suite.portable import take_room

# Faces up to which all are compared with all: some minutes of two cores.
EXHAUSTIVE = 60_000
DIMENSIONS = 256
# Faces up to which reducing costs more than it saves.
DIRECT = 4000
# Embeddings from which the basis, and of which the lists, are made.
SAMPLE = 8192
LIST_SAMPLE = 262_144
# Lists that a face is compared within; both faces of a pair look for the other.
PROBES = 48
# float16 keeps 11 bits: the rounding of two vectors of length one moves their product by less than this.
ROUNDING = 2e-3
# Rows of one block of products, and pairs whose exact cosines are computed at a time.
ROWS, COLUMNS, EXACT = 1024, 8192, 8192
# Embeddings in memory rather than in a file.
IN_MEMORY = 100_000


class Embeddings(Protocol):
    """Embeddings by number: float32 (k, D) of length one, zero where a face has none."""

    def __len__(self) -> int: ...

    def rows(self, numbers: np.ndarray) -> np.ndarray:
        """float32 (k, D) of those faces, in their order."""

    def mirrored(self, numbers: np.ndarray) -> np.ndarray:
        """The same of the faces flipped left to right."""


@dataclass(frozen=True)
class Pairs:
    """Near pairs, i < j, each once and sorted.

    Attributes:
        i, j: int64 (P,) numbers of faces.
        cosine: float32 (P,).
        flipped: bool (P,): one of the two is mirrored.
    """

    i: np.ndarray
    j: np.ndarray
    cosine: np.ndarray
    flipped: np.ndarray


def near_embeddings(embeddings: Embeddings, fresh: np.ndarray, least: float) -> Pairs:
    """Every pair of a fresh face and any other whose cosine, straight or with one mirrored, is at least `least`.

    Args:
        embeddings: of all faces.
        fresh: bool (N,); pairs of two others are known already.
        least: smallest cosine, above 0.

    Raises:
        SuiteError: more than `EXHAUSTIVE` faces, and FAISS is not installed.
    """
    count = len(embeddings)
    if count < 2 or not fresh.any():
        return _joined([])
    with tempfile.TemporaryDirectory(prefix="aahq-dedup-") as folder:
        reduced = _Reduced(embeddings, Path(folder))
        candidates = _all_with_all if count <= EXHAUSTIVE else _within_lists
        found = [
            _exact(embeddings, i, j, flipped, least) for i, j, flipped in _batched(candidates(reduced, fresh, least))
        ]
        reduced.close()
    return _joined(found)


def cosines(embeddings: Embeddings, i: np.ndarray, j: np.ndarray, flipped: np.ndarray) -> np.ndarray:
    """float32 (P,) exact cosines of pairs, the second one mirrored where `flipped`."""
    out = np.zeros(len(i), np.float32)
    for start in range(0, len(i), EXACT):
        part = slice(start, start + EXACT)
        numbers, places = np.unique(np.concatenate([i[part], j[part]]), return_inverse=True)
        rows = embeddings.rows(numbers)
        ours, theirs = rows[places[: len(places) // 2]], rows[places[len(places) // 2 :]]
        turned = flipped[part]
        theirs[turned] = embeddings.mirrored(j[part][turned])
        out[part] = np.einsum("pd,pd->p", ours, theirs)
    return out


class _Reduced:
    """Coordinates in the basis and the length left out: float16 (N, d + 1), straight and mirrored."""

    def __init__(self, embeddings: Embeddings, folder: Path) -> None:
        self.count = len(embeddings)
        sample = embeddings.rows(np.unique(np.linspace(0, self.count - 1, min(self.count, SAMPLE)).astype(np.int64)))
        basis = None if self.count <= DIRECT else _basis(sample)
        self.width = (sample if basis is None else basis).shape[1] + 1
        self.straight, self.mirrored = (self._room(folder / name) for name in ("straight", "mirrored"))
        for start in range(0, self.count, 2048):
            numbers = np.arange(start, min(start + 2048, self.count))
            both = ((self.straight, embeddings.rows(numbers)), (self.mirrored, embeddings.mirrored(numbers)))
            for room, vectors in both:
                inside = vectors if basis is None else vectors @ basis
                outside = np.maximum((vectors**2).sum(axis=1) - (inside**2).sum(axis=1), 0)
                room[start : start + len(numbers)] = np.column_stack([inside, np.sqrt(outside)])

    def _room(self, path: Path) -> np.ndarray:
        shape = (self.count, self.width)
        if self.count <= IN_MEMORY:
            return np.zeros(shape, np.float16)
        # A disk that is full in the middle of the work would end the process by a signal: the room is taken first.
        take_room(path, 2 * self.count * self.width)
        return np.memmap(path, np.float16, "r+", shape=shape)

    def close(self) -> None:
        """Let the files go."""
        del self.straight, self.mirrored


def _basis(sample: np.ndarray) -> np.ndarray:
    """float32 (D, d), orthonormal: nearly the directions with the most of the sample in them (Halko, Martinsson and Tropp,
    2011, algorithm 4.4; any orthonormal basis gives the same answer, a better one sooner)."""
    width = min(DIMENSIONS, sample.shape[1])
    basis = np.random.default_rng(0).standard_normal((sample.shape[1], width)).astype(np.float32)
    for _ in range(3):
        basis = np.linalg.qr(sample.T @ (sample @ basis))[0]
    return np.ascontiguousarray(basis)


def _all_with_all(reduced: _Reduced, fresh: np.ndarray, least: float) -> Iterator[tuple[np.ndarray, np.ndarray, bool]]:
    ours, whole = np.flatnonzero(fresh), bool(fresh.all())
    for begin in range(0, reduced.count, COLUMNS):
        theirs = reduced.straight[begin : begin + COLUMNS].astype(np.float32)
        for start in range(0, len(ours), ROWS):
            rows = ours[start : start + ROWS]
            # Among fresh faces each pair is met from both sides; one is enough.
            if whole and rows[0] >= begin + COLUMNS:
                continue
            for flipped, room in ((False, reduced.straight), (True, reduced.mirrored)):
                a, b = np.nonzero(room[rows].astype(np.float32) @ theirs.T >= least - ROUNDING)
                yield rows[a], begin + b, flipped


def _within_lists(reduced: _Reduced, fresh: np.ndarray, least: float) -> Iterator[tuple[np.ndarray, np.ndarray, bool]]:
    """Each face against the lists nearest to it; a fresh one against all, the others against the fresh."""
    index = _index(reduced)
    home = _nearest(index, reduced.straight, 1)[:, 0]
    members = np.argsort(home, kind="stable")
    ends = np.cumsum(np.bincount(home, minlength=index.ntotal))
    for flipped, room in ((False, reduced.straight), (True, reduced.mirrored)):
        probed = _nearest(index, room, PROBES)
        visits = np.argsort(probed, axis=None, kind="stable")
        visit_ends = np.cumsum(np.bincount(probed.ravel(), minlength=index.ntotal))
        for cell in range(index.ntotal):
            theirs = members[(ends[cell - 1] if cell else 0) : ends[cell]]
            ours = visits[(visit_ends[cell - 1] if cell else 0) : visit_ends[cell]] // PROBES
            for left, right in ((ours[fresh[ours]], theirs), (ours[~fresh[ours]], theirs[fresh[theirs]])):
                if not len(left) or not len(right):
                    continue
                columns = reduced.straight[right].astype(np.float32).T
                for start in range(0, len(left), COLUMNS):
                    rows = left[start : start + COLUMNS]
                    a, b = np.nonzero(room[rows].astype(np.float32) @ columns >= least - ROUNDING)
                    yield rows[a], right[b], flipped


def _index(reduced: _Reduced) -> Any:
    """The lists' centres, as a FAISS index."""
    try:
        import faiss
    except ImportError:
        raise SuiteError(
            f"dedup: more than {EXHAUSTIVE} faces need FAISS; install it with pip install 'aahq-blendgan[dedup]'"
        ) from None
    # Four times the root of the count balances finding a list with looking through it.
    lists = max(1, 1 << round(np.log2(4 * reduced.count**0.5)))
    numbers = np.unique(np.linspace(0, reduced.count - 1, min(reduced.count, LIST_SAMPLE)).astype(np.int64))
    sample = _unit(reduced.straight[numbers])
    made = faiss.Kmeans(sample.shape[1], min(lists, max(1, len(sample) // 8)), niter=8, seed=1, spherical=True)
    made.cp.min_points_per_centroid, made.cp.max_points_per_centroid = 1, 64
    made.train(sample)
    return made.index


def _nearest(index: Any, room: np.ndarray, lists: int) -> np.ndarray:
    """int32 (N, lists): the nearest lists of every row."""
    out = np.empty((len(room), lists), np.int32)
    for start in range(0, len(room), 65536):
        part = _unit(room[start : start + 65536])
        out[start : start + len(part)] = np.maximum(index.search(part, min(lists, index.ntotal))[1], 0)[
            :, np.arange(lists) % min(lists, index.ntotal)
        ]
    return out


def _unit(rows: np.ndarray) -> np.ndarray:
    """float32 coordinates without the length left out, of length one."""
    inside = rows[:, :-1].astype(np.float32)
    return inside / np.maximum(np.linalg.norm(inside, axis=1, keepdims=True), 1e-6)


def _batched(
    candidates: Iterator[tuple[np.ndarray, np.ndarray, bool]],
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Candidates i < j in batches: a few at a time would each cost a look-up of their own."""
    waiting: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    size = 0
    for a, b, flipped in candidates:
        apart = a != b
        a, b = a[apart], b[apart]
        waiting.append((np.minimum(a, b), np.maximum(a, b), np.full(len(a), flipped)))
        size += len(a)
        if size >= 16 * EXACT:
            yield _once(waiting)
            waiting, size = [], 0
    if size:
        yield _once(waiting)


def _once(parts: list[tuple[np.ndarray, np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    found = np.unique(np.concatenate([np.column_stack(part).astype(np.int64) for part in parts]), axis=0)
    return found[:, 0], found[:, 1], found[:, 2].astype(bool)


def _exact(embeddings: Embeddings, i: np.ndarray, j: np.ndarray, flipped: np.ndarray, least: float) -> Pairs:
    values = cosines(embeddings, i, j, flipped)
    near = values >= least
    return Pairs(i[near], j[near], values[near], flipped[near])


def _joined(parts: list[Pairs]) -> Pairs:
    if not parts:
        none = np.empty(0, np.int64)
        return Pairs(none, none, np.empty(0, np.float32), np.empty(0, bool))
    i, j, cosine, flipped = (np.concatenate([getattr(part, name) for part in parts]) for name in Pairs.__annotations__)
    _, first = np.unique(np.stack([i, j, flipped]), axis=1, return_index=True)
    return Pairs(i[first], j[first], cosine[first], flipped[first])
