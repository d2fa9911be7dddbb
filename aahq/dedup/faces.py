"""What dedup knows of faces, a list or array a column, and why it links two of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from aahq.dedup.search import Embeddings

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

    def only(self, faces: list[int]) -> Faces:
        """These alone, in this order."""
        places = np.array(faces, np.int64)
        return Faces(
            ids=[self.ids[face] for face in faces],
            pictures=[self.pictures[face] for face in faces],
            exact=[self.exact[face] for face in faces],
            phash=self.phash[places],
            phash_mirror=self.phash_mirror[places],
            hashed=self.hashed[places],
            resolution=[self.resolution[face] for face in faces],
            when=[self.when[face] for face in faces],
            embeddings=_Some(self.embeddings, places),
            learned=None if self.learned is None else _Some(self.learned, places),
            learned_least=self.learned_least,
        )


@dataclass(frozen=True)
class _Some:
    """`Embeddings` of some faces: their places among all."""

    embeddings: Embeddings
    places: np.ndarray

    def __len__(self) -> int:
        return len(self.places)

    def rows(self, numbers: np.ndarray) -> np.ndarray:
        return self.embeddings.rows(self.places[numbers])

    def mirrored(self, numbers: np.ndarray) -> np.ndarray:
        return self.embeddings.mirrored(self.places[numbers])


@dataclass(frozen=True)
class Links:
    """Why faces belong together: i < j, `how` an index into `HOW`, `value` a distance of hashes or a cosine."""

    i: np.ndarray
    j: np.ndarray
    how: np.ndarray
    value: np.ndarray
