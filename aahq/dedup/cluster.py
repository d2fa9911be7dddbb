"""Which faces are one work: exact copies, perceptual hashes, mirrored hashes and embeddings, joined into clusters."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations, pairwise

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from aahq.dedup.embedding import embed, flip, near_cosines
from aahq.dedup.hamming import near_distinct
from suite.files import sha256_bytes

__all__ = ["DedupIndex", "Entry", "Link", "assign_splits", "embed", "keeper_order"]

# Measured on real paintings with planted copies (speed/dedup.py shows the table) and on painted portraits: copies,
# mirrored and recoloured ones and most steps of one work lie inside; one person painted in two styles, with the same pose
# nearly, reaches 0.85 and lies outside.
DISTANCE = 8
SIMILARITY = 0.86
CONFIRM = 0.7
# A mirrored copy is exact but for the pixel grid, so less is let through: faces are symmetric, and their hashes too.
CONFIRM_MIRROR = 0.8
CROWD = 64


@dataclass(frozen=True)
class Entry:
    """What dedup knows of one aligned face.

    Attributes:
        id: the row's id.
        picture: id of the picture that it was found in; two faces of one picture are never duplicates of each other.
        exact: digests of which one shared digest means one work (aligned pixels; a picture's digest *with the face's number*).
        phash: 64-bit perceptual hash of the aligned face, or None.
        phash_mirror: of the same face flipped left to right, or None.
        embedding: `embed(aligned)`, or None.
        resolution: side of the crop in source pixels, before warping; the keeper has the largest.
        when: any sortable text (ISO time of publication); among equals the earliest is kept.
    """

    id: str
    picture: str
    exact: tuple[str, ...] = ()
    phash: int | None = None
    phash_mirror: int | None = None
    embedding: np.ndarray | None = None
    resolution: float = 0.0
    when: str = ""


@dataclass(frozen=True, order=True)
class Link:
    """Why two faces are in one cluster: `how` is "exact", "perceptual", "mirror" or "embedding"."""

    a: str
    b: str
    how: str
    value: float


class DedupIndex:
    """Clusters that grow: adding entries in parts gives the same clusters as adding them at once.

    Args:
        distance: largest Hamming distance of perceptual hashes.
        similarity: smallest cosine of embeddings.
        confirm: smallest cosine that lets a pair of near hashes stand; a mirrored pair needs `CONFIRM_MIRROR` too.
    """

    def __init__(self, distance: int = DISTANCE, similarity: float = SIMILARITY, confirm: float = CONFIRM) -> None:
        self.distance = distance
        self.similarity = similarity
        self.confirm = confirm
        self.entries: dict[str, Entry] = {}
        self.links: set[Link] = set()

    def add(self, entries: Iterable[Entry]) -> list[Link]:
        """Add entries (an id that is known already is left as it is) and return the new links, sorted."""
        fresh = {entry.id: entry for entry in entries if entry.id not in self.entries}
        self.entries |= fresh
        links = self._find_links(set(fresh))
        self.links |= links
        return sorted(links)

    def _find_links(self, fresh: set[str]) -> set[Link]:
        entries = list(self.entries.values())
        hashed = [entry for entry in entries if entry.phash is not None]
        out: set[Link] = set()

        def link(a: Entry, b: Entry, how: str, value: float) -> None:
            new = a.id in fresh or b.id in fresh
            if new and a.id != b.id and a.picture != b.picture:
                out.add(Link(min(a.id, b.id), max(a.id, b.id), how, value))

        for a, b in _same_digest(entries):
            link(a, b, "exact", 0.0)
        for a, b, distance, flipped in _near_hashes(hashed, self.distance):
            if self._alike(a, b, flipped):
                link(a, b, "mirror" if flipped else "perceptual", float(distance))
        embedded = [entry for entry in entries if entry.embedding is not None]
        for a, b, cosine, flipped in _near_embeddings(embedded, fresh, self.similarity):
            link(a, b, "mirror" if flipped else "embedding", round(cosine, 4))
        return out

    def _alike(self, a: Entry, b: Entry, flipped: bool) -> bool:
        """Whether the embeddings do not speak against a pair of near hashes: flat pictures share hashes by chance."""
        if a.embedding is None or b.embedding is None:
            return True
        other = flip(b.embedding) if flipped else b.embedding
        return float(a.embedding @ other) >= (max(self.confirm, CONFIRM_MIRROR) if flipped else self.confirm)

    def clusters(self) -> dict[str, str]:
        """id -> its cluster's name: the id of the cluster's earliest member."""
        number = {name: place for place, name in enumerate(self.entries)}
        ends = np.array([(number[link.a], number[link.b]) for link in self.links], np.int64).reshape(-1, 2)
        graph = coo_array((np.ones(len(ends), bool), ends.T), shape=(len(number), len(number)))
        first: dict[int, Entry] = {}
        component = connected_components(graph, directed=False)[1].tolist() if number else []
        for label, entry in zip(component, self.entries.values(), strict=True):
            first[label] = min(first.get(label, entry), entry, key=lambda e: (e.when, e.id))
        return {name: first[label].id for name, label in zip(self.entries, component, strict=True)}

    def keepers(self) -> dict[str, str]:
        """cluster -> the id that stays: the largest resolution before warping, then the earliest, then the smallest id."""
        best: dict[str, Entry] = {}
        for name, cluster in self.clusters().items():
            entry = self.entries[name]
            if cluster not in best or keeper_order(entry) < keeper_order(best[cluster]):
                best[cluster] = entry
        return {cluster: entry.id for cluster, entry in best.items()}


def _same_digest(entries: list[Entry]) -> Iterator[tuple[Entry, Entry]]:
    """Each entry with those of other pictures that share a digest; a chain per digest, which is enough to join it."""
    last: dict[str, list[Entry]] = {}
    for entry in entries:
        for digest in entry.exact:
            seen = last.setdefault(digest, [])
            # Two links suffice: the newest two may stand in one picture, where no link is made.
            yield from ((other, entry) for other in (seen[0], seen[-1]) if other is not entry) if seen else ()
            seen.append(entry)


def _near_hashes(entries: list[Entry], distance: int) -> Iterator[tuple[Entry, Entry, int, bool]]:
    """Pairs with near hashes, straight or one of them mirrored; equal hashes are chained, not paired."""
    holders: dict[int, list[tuple[Entry, bool]]] = {}
    for entry in entries:
        for value, flipped in ((entry.phash, False), (entry.phash_mirror, True)):
            if value is not None:
                holders.setdefault(value, []).append((entry, flipped))
    for held in holders.values():
        # All pairs, as a confirmation may break one; a crowd of equal hashes (flat pictures) is only chained.
        for (a, a_flipped), (b, b_flipped) in combinations(held, 2) if len(held) <= CROWD else pairwise(held):
            yield a, b, 0, a_flipped != b_flipped
    values = np.array(sorted(holders), dtype=np.uint64)
    for i, j in near_distinct(values, distance).tolist():
        one, two = int(values[i]), int(values[j])
        for a, a_flipped in holders[one][:CROWD]:
            for b, b_flipped in holders[two][:CROWD]:
                if not (a_flipped and b_flipped):
                    yield a, b, (one ^ two).bit_count(), a_flipped != b_flipped


def _near_embeddings(
    entries: list[Entry], fresh: set[str], similarity: float
) -> Iterator[tuple[Entry, Entry, float, bool]]:
    """Pairs of a fresh entry and any whose embeddings are near, straight or mirrored."""
    new = [entry for entry in entries if entry.id in fresh]
    if not new:
        return
    everything = np.stack([entry.embedding for entry in entries if entry.embedding is not None])
    ours = np.stack([entry.embedding for entry in new if entry.embedding is not None])
    for flipped in (False, True):
        for i, j, cosine in near_cosines(flip(ours) if flipped else ours, everything, similarity):
            if new[i].id != entries[j].id:
                yield new[i], entries[j], cosine, flipped


def keeper_order(entry: Entry) -> tuple[float, str, str]:
    """Sort key: the entry that a cluster keeps comes first."""
    return -entry.resolution, entry.when, entry.id


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
