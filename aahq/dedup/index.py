"""Dedup of a set that fits in memory, an entry a face: for tests, tables and other programs. A build reads its ledger."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from aahq.dedup.cluster import Clusters, find_clusters
from aahq.dedup.embedding import WIDTH, flip
from aahq.dedup.faces import HOW, Faces, Links
from aahq.dedup.links import SIMILARITY, find_links
from aahq.dedup.search import Pairs, near_embeddings


@dataclass(frozen=True)
class Entry:
    """What dedup knows of one aligned face; see `Faces`."""

    id: str
    picture: str
    exact: tuple[str, ...] = ()
    phash: int | None = None
    phash_mirror: int | None = None
    embedding: np.ndarray | None = None
    resolution: float = 0.0
    when: str = ""


@dataclass(frozen=True, order=True)
class DuplicatePair:
    """Why two faces belong together: `how` is one of `HOW`."""

    a: str
    b: str
    how: str
    value: float


class InMemory:
    """`Embeddings` of an array float32 (N, D)."""

    def __init__(self, values: np.ndarray) -> None:
        self.values = values

    def __len__(self) -> int:
        return len(self.values)

    def rows(self, numbers: np.ndarray) -> np.ndarray:
        out: np.ndarray = self.values[numbers].astype(np.float32)
        return out

    def mirrored(self, numbers: np.ndarray) -> np.ndarray:
        return flip(self.rows(numbers))


class DedupIndex:
    """Clusters that grow: adding entries in parts gives the same clusters as adding them at once."""

    def __init__(self) -> None:
        self.entries: dict[str, Entry] = {}
        # (id, id, mirrored) -> cosine of near embeddings, which are the dear part and found once.
        self._near: dict[tuple[str, str, bool], float] = {}

    def add(self, entries: Iterable[Entry]) -> list[DuplicatePair]:
        """Add entries (an id that is known already is left as it is) and return all links, sorted."""
        fresh = {entry.id: entry for entry in entries if entry.id not in self.entries}
        self.entries |= fresh
        faces = self.faces()
        found = near_embeddings(faces.embeddings, np.array([id in fresh for id in faces.ids], bool), SIMILARITY)
        for i, j, cosine, flipped in zip(*(getattr(found, name).tolist() for name in Pairs.__annotations__)):
            self._near[faces.ids[i], faces.ids[j], flipped] = cosine
        return self.links()

    def faces(self) -> Faces:
        """The entries as columns, by rising id."""
        rows = [self.entries[id] for id in sorted(self.entries)]
        none = np.zeros(WIDTH, np.float32)
        return Faces(
            ids=[row.id for row in rows],
            pictures=[row.picture for row in rows],
            exact=[row.exact for row in rows],
            phash=np.array([row.phash or 0 for row in rows], np.uint64),
            phash_mirror=np.array([row.phash_mirror or 0 for row in rows], np.uint64),
            hashed=np.array([row.phash is not None and row.phash_mirror is not None for row in rows], bool),
            resolution=[row.resolution for row in rows],
            when=[row.when for row in rows],
            embeddings=InMemory(
                np.array([none if row.embedding is None else row.embedding for row in rows], np.float32).reshape(
                    -1, WIDTH
                )
            ),
        )

    def _links(self, faces: Faces) -> Links:
        place = {id: number for number, id in enumerate(faces.ids)}
        keys = sorted(self._near, key=lambda key: (place[key[0]], place[key[1]], key[2]))
        near = Pairs(
            np.array([place[a] for a, _, _ in keys], np.int64),
            np.array([place[b] for _, b, _ in keys], np.int64),
            np.array([self._near[key] for key in keys], np.float32),
            np.array([flipped for _, _, flipped in keys], bool),
        )
        return find_links(faces, near)

    def links(self) -> list[DuplicatePair]:
        """Every link, sorted."""
        faces = self.faces()
        found = self._links(faces)
        rows = zip(found.i.tolist(), found.j.tolist(), found.how.tolist(), found.value.tolist())
        return [DuplicatePair(faces.ids[i], faces.ids[j], HOW[how], value) for i, j, how, value in rows]

    def found(self) -> tuple[Faces, Clusters]:
        """The faces and their clusters, by place."""
        faces = self.faces()
        return faces, find_clusters(faces, self._links(faces))

    def clusters(self) -> dict[str, str]:
        """id -> its cluster's name: the id of the cluster's earliest member."""
        faces, found = self.found()
        return {id: faces.ids[first] for id, first in zip(faces.ids, found.cluster)}

    def keepers(self) -> dict[str, str]:
        """cluster -> the id that stays: the largest resolution before warping, then the earliest, then the smallest id."""
        faces, found = self.found()
        return {faces.ids[first]: faces.ids[keeper] for first, keeper in zip(found.cluster, found.keeper)}
