"""Which faces are one work: exact copies, perceptual hashes, mirrored hashes and embeddings, joined into clusters.

Links make components (SciPy's); within one, every member of a cluster lies within the confirming threshold of the face that
represents it, so that no chain of steps, each of them small, joins strangers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from aahq.dedup.hamming import near_distinct
from aahq.dedup.search import Embeddings, Pairs, cosines
from suite.files import sha256_bytes

# Measured on real paintings with planted copies (speed/dedup.py shows the table) and on painted portraits: copies,
# mirrored and recoloured ones and most steps of one work lie inside; one person painted in two styles, with the same pose
# nearly, reaches 0.85 and lies outside.
DISTANCE = 8
SIMILARITY = 0.86
CONFIRM = 0.7
# A mirrored copy is exact but for the pixel grid, so less is let through: faces are symmetric, and their hashes too.
CONFIRM_MIRROR = 0.8
CROWD = 64
HOW = ("exact", "perceptual", "mirror", "embedding", "copy model")


@dataclass
class Faces:
    """What dedup knows of the faces, a list or array a column; a face is its place in them.

    Attributes:
        ids: the rows' ids.
        pictures: id of the picture that each was found in; two faces of one picture are never duplicates of each other.
        exact: digests of which one shared digest means one work (aligned pixels; a picture's digest *with the face's number*).
        phash, phash_mirror: uint64 (N,) perceptual hashes of the aligned face, straight and flipped left to right.
        hashed: bool (N,): whether there are hashes.
        resolution: side of the crop in source pixels, before warping; the keeper has the largest.
        when: any sortable text (ISO time of publication); among equals the earliest is kept.
        embeddings: of all faces; zero where there is none, and the pair then stands unconfirmed.
        learned, learned_least: descriptors of a learned copy model, and the cosine that makes a copy; None without one.
    """

    ids: Sequence[str]
    pictures: Sequence[str]
    exact: Sequence[tuple[str, ...]]
    phash: np.ndarray
    phash_mirror: np.ndarray
    hashed: np.ndarray
    resolution: Sequence[float]
    when: Sequence[str]
    embeddings: Embeddings
    learned: Embeddings | None = None
    learned_least: float = 1.0

    def order(self, face: int) -> tuple[float, str, str]:
        """Sort key: the face that represents its cluster, and is kept, comes first."""
        return -self.resolution[face], self.when[face], self.ids[face]


@dataclass(frozen=True)
class Links:
    """Why faces belong together: i < j, `how` an index into `HOW`, `value` a distance of hashes or a cosine."""

    i: np.ndarray
    j: np.ndarray
    how: np.ndarray
    value: np.ndarray


@dataclass(frozen=True)
class Clusters:
    """What became of each face, by its place.

    Attributes:
        cluster: the place of the cluster's earliest member, which names it.
        keeper: the place of the cluster's representative.
        component: the place of the earliest of all that links join, however far: a split never parts them.
    """

    cluster: list[int]
    keeper: list[int]
    component: list[int]


def find_links(faces: Faces, near: Pairs, learned: Pairs | None = None) -> Links:
    """Every link between the faces of different pictures, sorted.

    Args:
        faces: all of them.
        near: pairs of near embeddings, as `near_embeddings` finds them.
        learned: the same of the learned descriptors.
    """
    exact = np.array(list(_same_digest(faces)), np.int64).reshape(-1, 2)
    hashes = np.array(list(_near_hashes(faces, DISTANCE)), np.int64).reshape(-1, 4)
    flipped = hashes[:, 3].astype(bool)
    stand = _confirmed(faces, hashes[:, 0], hashes[:, 1], flipped)
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


def find_clusters(faces: Faces, links: Links) -> Clusters:
    """Clusters without chains: in each component the best face takes what lies near itself, then the best of what is left."""
    count = len(faces.ids)
    out = Clusters(list(range(count)), list(range(count)), list(range(count)))
    labels = _labels(count, links.i, links.j)
    by_label = np.argsort(labels[links.i], kind="stable")
    link_labels = labels[links.i][by_label]
    for members in _sets(labels):
        if len(members) < 2:
            continue
        own = by_label[slice(*np.searchsorted(link_labels, [labels[members[0]], labels[members[0]] + 1]))]
        _name(faces, members, out.component)
        for group, keeper in _parted(faces, members, links.i[own], links.j[own], links.how[own] == 0):
            _name(faces, group, out.cluster)
            for face in group:
                out.keeper[face] = keeper
    return out


def _name(faces: Faces, group: list[int], names: list[int]) -> None:
    first = min(group, key=lambda face: (faces.when[face], faces.ids[face]))
    for face in group:
        names[face] = first


def _labels(count: int, i: np.ndarray, j: np.ndarray) -> np.ndarray:
    """int32 (count,): the component of each."""
    if not count:
        return np.empty(0, np.int32)
    graph = coo_array((np.ones(len(i), bool), (i, j)), shape=(count, count))
    found: np.ndarray = connected_components(graph, directed=False)[1]
    return found


def _sets(labels: np.ndarray) -> Iterator[list[int]]:
    """The members of each component."""
    order = np.argsort(labels, kind="stable")
    for part in np.split(order, np.flatnonzero(np.diff(labels[order])) + 1):
        yield part.tolist()


def _parted(
    faces: Faces, members: list[int], i: np.ndarray, j: np.ndarray, exact: np.ndarray
) -> Iterator[tuple[list[int], int]]:
    """The groups of a component, each with its representative, by the links i, j among its members."""
    twins = {face: set(group) for group in _groups(members, i[exact], j[exact]) for face in group}
    waiting = [sorted(members, key=faces.order)]
    while waiting:
        left = waiting.pop()
        keeper, others = left[0], np.array(left[1:], np.int64)
        fits = _fits(faces, keeper, others) | np.isin(others, list(twins[keeper]))
        yield [keeper, *others[fits].tolist()], keeper
        waiting += [sorted(group, key=faces.order) for group in _groups(others[~fits].tolist(), i, j)]


def _groups(members: list[int], i: np.ndarray, j: np.ndarray) -> list[list[int]]:
    """The components of these faces by the links among them alone."""
    place = {face: number for number, face in enumerate(members)}
    ends = [(place[a], place[b]) for a, b in zip(i.tolist(), j.tolist()) if a in place and b in place]
    pairs = np.array(ends, np.int64).reshape(-1, 2)
    if not members:
        return []
    return [[members[n] for n in group] for group in _sets(_labels(len(members), pairs[:, 0], pairs[:, 1]))]


def _fits(faces: Faces, keeper: int, others: np.ndarray) -> np.ndarray:
    """bool: which of the others lie within the confirming threshold of the representative, straight or mirrored."""
    same = np.full(len(others), keeper)
    straight = _confirmed(faces, same, others, np.zeros(len(others), bool))
    mirrored = _confirmed(faces, same, others, np.ones(len(others), bool))
    fits = straight | mirrored
    if faces.learned is not None and len(others):
        for turned in (False, True):
            fits |= cosines(faces.learned, same, others, np.full(len(others), turned)) >= faces.learned_least
    apart = np.array([faces.pictures[other] != faces.pictures[keeper] for other in others.tolist()], bool)
    return fits & apart


def _confirmed(faces: Faces, i: np.ndarray, j: np.ndarray, flipped: np.ndarray) -> np.ndarray:
    """bool: whether the embeddings do not speak against a pair: flat pictures share hashes by chance."""
    if not len(i):
        return np.zeros(0, bool)
    numbers, places = np.unique(np.concatenate([i, j]), return_inverse=True)
    none = np.concatenate([~faces.embeddings.rows(part).any(axis=1) for part in _parts(numbers)])[places]
    values = cosines(faces.embeddings, i, j, flipped)
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


def _near_hashes(faces: Faces, distance: int) -> Iterator[tuple[int, int, int, bool]]:
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
    for one, two in near_distinct(values, distance).tolist():
        apart = int(values[one] ^ values[two]).bit_count()
        for a, a_flipped in held(one)[:CROWD]:
            for b, b_flipped in held(two)[:CROWD]:
                if a != b and not (a_flipped and b_flipped):
                    yield a, b, apart, a_flipped != b_flipped


def assign_splits(clusters: Mapping[str, str], fractions: Mapping[str, float], seed: int = 0) -> dict[str, str]:
    """A split for every id; a cluster is never cut, and adding clusters never moves others.

    Args:
        clusters: id -> cluster name.
        fractions: split -> share, summing to 1, e.g. `{"train": 0.9, "val": 0.05, "test": 0.05}`.
        seed: another seed, another assignment.
    """
    names, edges = list(fractions), np.cumsum(list(fractions.values()))
    if abs(edges[-1] - 1) > 1e-9 or min(fractions.values()) < 0:
        raise ValueError(f"fractions must be shares that sum to 1, not {dict(fractions)}")

    def split(cluster: str) -> str:
        u = int(sha256_bytes(f"{seed}/{cluster}".encode())[:13], 16) / 16**13
        return names[min(int(np.searchsorted(edges, u, side="right")), len(names) - 1)]

    return {name: split(cluster) for name, cluster in clusters.items()}
