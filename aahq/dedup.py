"""Which faces are one work: exact copies, perceptual hashes, mirrored hashes and embeddings, joined into clusters."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from aahq.hamming import near_pairs
from aahq.unionfind import UnionFind
from suite.files import sha256_bytes


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
    """

    def __init__(self, distance: int = 4, similarity: float = 0.9) -> None:
        self.distance = distance
        self.similarity = similarity
        self.entries: dict[str, Entry] = {}
        self.links: set[Link] = set()

    def add(self, entries: Iterable[Entry]) -> list[Link]:
        """Add entries (an id that is known already is left as it is) and return the new links, sorted."""
        fresh = {entry.id: entry for entry in entries if entry.id not in self.entries}
        self.entries |= fresh
        links = {link for link in self._find_links() if link.a in fresh or link.b in fresh}
        self.links |= links
        return sorted(links)

    def _find_links(self) -> set[Link]:
        out: set[Link] = set()
        entries = list(self.entries.values())

        def link(a: Entry, b: Entry, how: str, value: float) -> None:
            if a.id != b.id and a.picture != b.picture:
                out.add(Link(min(a.id, b.id), max(a.id, b.id), how, value))

        first: dict[str, Entry] = {}
        for entry in entries:
            for digest in entry.exact:
                link(first.setdefault(digest, entry), entry, "exact", 0.0)
        hashed = [entry for entry in entries if entry.phash is not None]
        straight = np.array([entry.phash for entry in hashed], dtype=np.uint64)
        mirrored = [(entry, entry.phash_mirror) for entry in hashed if entry.phash_mirror is not None]
        both = np.concatenate([straight, np.array([value for _, value in mirrored], dtype=np.uint64)])
        pairs, distances = near_pairs(both, self.distance)
        for (i, j), d in zip(pairs.tolist(), distances.tolist()):
            if j < len(hashed):
                link(hashed[i], hashed[j], "perceptual", float(d))
            elif i < len(hashed):
                link(hashed[i], mirrored[j - len(hashed)][0], "mirror", float(d))
        return out

    def clusters(self) -> dict[str, str]:
        """id -> its cluster's name: the id of the cluster's earliest member."""
        sets: UnionFind[str] = UnionFind()
        for name in self.entries:
            sets.add(name)
        for link in self.links:
            sets.join(link.a, link.b)
        out = {}
        for members in sets.sets():
            name = min(members, key=lambda m: (self.entries[m].when, m))
            out.update(dict.fromkeys(members, name))
        return out

    def keepers(self) -> dict[str, str]:
        """cluster -> the id that stays: the largest resolution before warping, then the earliest, then the smallest id."""
        best: dict[str, Entry] = {}
        for name, cluster in self.clusters().items():
            entry = self.entries[name]
            if cluster not in best or keeper_order(entry) < keeper_order(best[cluster]):
                best[cluster] = entry
        return {cluster: entry.id for cluster, entry in best.items()}


def keeper_order(entry: Entry) -> tuple[float, str, str]:
    """Sort key: the entry that a cluster keeps comes first."""
    return -entry.resolution, entry.when, entry.id


def embed(aligned: np.ndarray) -> np.ndarray:
    """Descriptor of an aligned face, unit length; the cosine of two tells how near the works are.

    Args:
        aligned: uint8 (S,S,3).

    Returns:
        float32 (D,).
    """
    from PIL import Image

    grey = np.asarray(Image.fromarray(aligned).convert("L").resize((64, 64), Image.Resampling.BOX), dtype=np.float32)
    gy, gx = np.gradient(grey)
    flat = np.hypot(gx, gy).ravel()
    flat -= flat.mean()
    return flat / max(float(np.linalg.norm(flat)), 1e-6)


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
