"""Why two faces are one work: equal digests, near hashes that the embeddings confirm, near embeddings, a learned model."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import combinations, pairwise

import numpy as np

from aahq.dedup.faces import Faces, Links
from aahq.dedup.hamming import near_distinct
from aahq.dedup.rooms import HERE, Workshop, blocks
from aahq.dedup.search import Embeddings, Pairs, cosines

# Measured on real paintings with planted copies (speed/dedup.py shows the table) and on painted portraits: copies,
# mirrored and recoloured ones and most steps of one work lie inside; one person painted in two styles, with the same pose
# nearly, reaches 0.85 and lies outside.
DISTANCE = 8
SIMILARITY = 0.86
CONFIRM = 0.7
# A mirrored copy is exact but for the pixel grid, so less is let through: faces are symmetric, and their hashes too.
CONFIRM_MIRROR = 0.8
CROWD = 64
# Pairs to confirm a task.
CONFIRMED = 65_536


def find_links(faces: Faces, near: Pairs, learned: Pairs | None = None, shop: Workshop = HERE) -> Links:
    """Every link between the faces of different pictures, sorted.

    Args:
        faces: all of them.
        near: pairs of near embeddings, as `near_embeddings` finds them.
        learned: the same of the learned descriptors.
        shop: who joins the hashes and confirms what they say.
    """
    exact = np.array(list(_same_digest(faces)), np.int64).reshape(-1, 2)
    hashes = np.array(list(_near_hashes(faces, DISTANCE, shop)), np.int64).reshape(-1, 4)
    flipped = hashes[:, 3].astype(bool)
    pairs = ((hashes[a:b, 0], hashes[a:b, 1], flipped[a:b]) for a, b in blocks(len(hashes), CONFIRMED))
    stand = np.concatenate([np.zeros(0, bool), *shop.each(partial(confirmed, faces.embeddings), pairs)])
    parts = (
        (exact[:, 0], exact[:, 1], np.zeros(len(exact)), np.zeros(len(exact))),
        (hashes[stand, 0], hashes[stand, 1], np.where(flipped[stand], 2, 1), hashes[stand, 2]),
        (near.i, near.j, np.where(near.flipped, 2, 3), np.round(near.cosine, 4)),
        *([] if learned is None else [(learned.i, learned.j, np.full(len(learned.i), 4), np.round(learned.cosine, 4))]),
    )
    i, j, how, value = (np.concatenate([part[n] for part in parts]) for n in range(4))
    apart = np.array([faces.pictures[a] != faces.pictures[b] for a, b in zip(i.tolist(), j.tolist())], bool)
    table = np.unique(np.stack([np.minimum(i, j), np.maximum(i, j), how, value])[:, apart], axis=1)
    return Links(table[0].astype(np.int64), table[1].astype(np.int64), table[2].astype(np.int8), table[3])


def confirmed(embeddings: Embeddings, pairs: tuple[np.ndarray, np.ndarray, np.ndarray]) -> np.ndarray:
    """bool: whether the embeddings do not speak against pairs i, j, flipped: flat pictures share hashes by chance."""
    i, j, flipped = pairs
    if not len(i):
        return np.zeros(0, bool)
    numbers, places = np.unique(np.concatenate([i, j]), return_inverse=True)
    none = np.concatenate([~embeddings.rows(part).any(axis=1) for part in _parts(numbers)])[places]
    values = cosines(embeddings, i, j, flipped)
    near = values >= np.where(flipped, max(CONFIRM, CONFIRM_MIRROR), CONFIRM)
    unknown: np.ndarray = none[: len(i)] | none[len(i) :]
    return near | unknown


def _parts(numbers: np.ndarray) -> Iterator[np.ndarray]:
    for start in range(0, len(numbers), 8192):
        yield numbers[start : start + 8192]


def _same_digest(faces: Faces) -> Iterator[tuple[int, int]]:
    """Each face with those of other pictures that share a digest; a chain per digest, which is enough to join it."""
    last: dict[str, tuple[int, int]] = {}
    for face, digests in enumerate(faces.exact):
        for digest in digests:
            # Two links suffice: the newest two may stand in one picture, where no link is made.
            first, newest = last.get(digest, (face, face))
            for other in {first, newest} - {face}:
                yield other, face
            last[digest] = (first, face)


def _near_hashes(faces: Faces, distance: int, shop: Workshop) -> Iterator[tuple[int, int, int, bool]]:
    """Pairs with near hashes, straight or one of them mirrored; equal hashes of a crowd are chained, not paired."""
    hashed, count = np.flatnonzero(faces.hashed), int(faces.hashed.sum())
    both = np.concatenate([faces.phash[hashed], faces.phash_mirror[hashed]])
    values, inverse, counts = np.unique(both, return_inverse=True, return_counts=True)
    order = np.argsort(inverse, kind="stable")
    starts = np.cumsum(counts) - counts

    def held(value: int) -> list[tuple[int, bool]]:
        places = order[starts[value] : starts[value] + counts[value]].tolist()
        return [(int(hashed[place % count]), place >= count) for place in places]

    for value in np.flatnonzero(counts > 1).tolist():
        own = held(value)
        # All pairs, as a confirmation may break one; a crowd of equal hashes (flat pictures) is only chained.
        for (a, a_flipped), (b, b_flipped) in combinations(own, 2) if len(own) <= CROWD else pairwise(own):
            if a != b:
                yield a, b, 0, a_flipped != b_flipped
    for one, two in near_distinct(values, distance, shop).tolist():
        apart = int(values[one] ^ values[two]).bit_count()
        for a, a_flipped in held(one)[:CROWD]:
            for b, b_flipped in held(two)[:CROWD]:
                if a != b and not (a_flipped and b_flipped):
                    yield a, b, apart, a_flipped != b_flipped
