"""All pairs of near embeddings, straight or mirrored: in reduced dimensions first, then by their exact cosines.

A basis of 256 directions holds most of every embedding; what it leaves out of two of them adds at most the product of the two
lengths left out (Cauchy-Schwarz) to their cosine. Kept as one more number, that length makes the reduced product an upper
bound, so that no pair is lost however badly the basis fits: up to `EXHAUSTIVE` faces the answer is that of brute force, and
which faces came first does not matter. Beyond, FAISS' k-means cuts the set into lists, and each face is compared within the
lists nearest to it. Reducing, finding the lists and looking through them are done in blocks of faces, anywhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import numpy as np

from aahq.dedup.embedding import flip
from aahq.dedup.lists import Lists, make_lists, nearest
from aahq.dedup.rooms import HERE, Room, Workshop, blocks, evenly

# Faces up to which all are compared with all: some minutes of two cores.
EXHAUSTIVE = 60_000
DIMENSIONS = 256
# Faces up to which reducing costs more than it saves.
DIRECT = 4000
# Embeddings from which the basis is made.
SAMPLE = 8192
# Lists that a face is compared within; both faces of a pair look for the other.
PROBES = 48
# float16 keeps 11 bits: the rounding of two vectors of length one moves their product by less than this.
ROUNDING = 2e-3
# Rows of one block of products, and pairs whose exact cosines are computed at a time.
ROWS, COLUMNS, EXACT = 1024, 8192, 8192
# Faces a part: each part reads the whole set once, so there are some tens of parts where memory allows it.
REDUCED, LEAST_BLOCK, MOST_BLOCK, PARTS = 2048, 16_384, 262_144, 64

Candidates = Iterator[tuple[np.ndarray, np.ndarray, bool]]


class Embeddings(Protocol):
    """Embeddings by number: float32 (k, D) of length one, zero where a face has none."""

    def __len__(self) -> int: ...

    def rows(self, numbers: np.ndarray) -> np.ndarray:
        """float32 (k, D) of those faces, in their order."""

    def mirrored(self, numbers: np.ndarray) -> np.ndarray:
        """The same of the faces flipped left to right."""


@dataclass(frozen=True)
class Stored:
    """`Embeddings` that lie in rooms, float16 (N, D).

    Attributes:
        straight: those of the faces.
        turned: those of the mirrored faces; None where `flip` makes them.
    """

    straight: Room
    turned: Room | None = None

    def __len__(self) -> int:
        return self.straight.shape[0]

    def rows(self, numbers: np.ndarray) -> np.ndarray:
        out: np.ndarray = self.straight.array[numbers].astype(np.float32)
        return out

    def mirrored(self, numbers: np.ndarray) -> np.ndarray:
        if self.turned is None:
            return flip(self.rows(numbers))
        out: np.ndarray = self.turned.array[numbers].astype(np.float32)
        return out


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


@dataclass(frozen=True)
class _Set:
    """What every part of the search reads.

    Attributes:
        embeddings: of all faces.
        straight, mirrored: float16 (N, d + 1): coordinates in the basis, and the length left out.
        fresh: bool (N,).
        least: smallest cosine.
        lists: None where all are compared with all.
    """

    embeddings: Embeddings
    straight: Room
    mirrored: Room
    fresh: Room
    least: float
    lists: Lists | None


def near_embeddings(embeddings: Embeddings, fresh: np.ndarray, least: float, shop: Workshop = HERE) -> Pairs:
    """Every pair of a fresh face and any other whose cosine, straight or with one mirrored, is at least `least`.

    Args:
        embeddings: of all faces; workers must be able to open them.
        fresh: bool (N,); pairs of two others are known already.
        least: smallest cosine, above 0.
        shop: who does the parts; the answer is the same.

    Raises:
        SuiteError: more than `EXHAUSTIVE` faces, and FAISS is not installed.
    """
    count = len(embeddings)
    if count < 2 or not fresh.any():
        return _joined([])
    straight, mirrored = _reduce(embeddings, shop)
    lists = None if count <= EXHAUSTIVE else make_lists(straight, shop)
    whole = _Set(embeddings, straight, mirrored, shop.share(np.asarray(fresh, bool)), least, lists)
    size = COLUMNS if lists is None else min(max(LEAST_BLOCK, -(-count // PARTS)), MOST_BLOCK)
    return _joined(list(shop.each(partial(_search, whole), blocks(count, size))))


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


def _reduce(embeddings: Embeddings, shop: Workshop) -> tuple[Room, Room]:
    """float16 (N, d + 1) straight and mirrored."""
    count = len(embeddings)
    sample = embeddings.rows(evenly(count, SAMPLE))
    basis = None if count <= DIRECT else shop.share(_basis(sample))
    width = (sample.shape[1] if basis is None else basis.shape[1]) + 1
    rooms = shop.room(np.float16, (count, width)), shop.room(np.float16, (count, width))
    parts = shop.each(partial(_reduced, embeddings, basis), blocks(count, REDUCED))
    for (start, _), rows in zip(blocks(count, REDUCED), parts, strict=True):
        for room, part in zip(rooms, rows, strict=True):
            room.put(start, part)
    return rooms


def _reduced(embeddings: Embeddings, basis: Room | None, block: tuple[int, int]) -> list[np.ndarray]:
    numbers = np.arange(*block)
    out = []
    for vectors in (embeddings.rows(numbers), embeddings.mirrored(numbers)):
        inside = vectors if basis is None else vectors @ basis.array
        outside = np.maximum((vectors**2).sum(axis=1) - (inside**2).sum(axis=1), 0)
        out.append(np.column_stack([inside, np.sqrt(outside)]).astype(np.float16))
    return out


def _basis(sample: np.ndarray) -> np.ndarray:
    """float32 (D, d), orthonormal: nearly the directions with the most of the sample in them (Halko, Martinsson and Tropp,
    2011, algorithm 4.4; any orthonormal basis gives the same answer, a better one sooner)."""
    width = min(DIMENSIONS, sample.shape[1])
    basis = np.random.default_rng(0).standard_normal((sample.shape[1], width)).astype(np.float32)
    for _ in range(3):
        basis = np.linalg.qr(sample.T @ (sample @ basis))[0]
    return np.ascontiguousarray(basis)


def _search(whole: _Set, block: tuple[int, int]) -> Pairs:
    """The near pairs of a block of faces."""
    candidates = _all_with_all(whole, *block) if whole.lists is None else _within_lists(whole, whole.lists, *block)
    return _joined([_exact(whole.embeddings, *batch, whole.least) for batch in _batched(candidates)])


def _all_with_all(whole: _Set, begin: int, end: int) -> Candidates:
    fresh = whole.fresh.array
    ours = np.flatnonzero(fresh)
    theirs = whole.straight.array[begin:end].astype(np.float32)
    for start in range(0, len(ours), ROWS):
        rows = ours[start : start + ROWS]
        # Among fresh faces each pair is met from both sides; one is enough.
        if len(ours) == len(fresh) and rows[0] >= end:
            continue
        for flipped, room in ((False, whole.straight), (True, whole.mirrored)):
            a, b = np.nonzero(room.array[rows].astype(np.float32) @ theirs.T >= whole.least - ROUNDING)
            yield rows[a], begin + b, flipped


def _within_lists(whole: _Set, lists: Lists, begin: int, end: int) -> Candidates:
    """Each face against the lists nearest to it; a fresh one against all, the others against the fresh."""
    fresh, members, ends = whole.fresh.array, lists.members.array, lists.ends.array
    for flipped, room in ((False, whole.straight), (True, whole.mirrored)):
        block = room.array[begin:end]
        probed = nearest(lists.centres, block, PROBES).ravel()
        # Once: every face is looked at in as many lists as it probes.
        block = block.astype(np.float32)
        visits = np.argsort(probed, kind="stable")
        visit_ends = np.cumsum(np.bincount(probed, minlength=len(ends)))
        for cell in range(len(ends)):
            theirs = members[(ends[cell - 1] if cell else 0) : ends[cell]]
            ours = begin + visits[(visit_ends[cell - 1] if cell else 0) : visit_ends[cell]] // PROBES
            for left, right in ((ours[fresh[ours]], theirs), (ours[~fresh[ours]], theirs[fresh[theirs]])):
                if not len(left) or not len(right):
                    continue
                columns = whole.straight.array[right].astype(np.float32).T
                for start in range(0, len(left), COLUMNS):
                    rows = left[start : start + COLUMNS]
                    a, b = np.nonzero(block[rows - begin] @ columns >= whole.least - ROUNDING)
                    yield rows[a], right[b], flipped


def _batched(candidates: Candidates) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
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
