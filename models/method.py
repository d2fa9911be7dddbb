"""`Method`: the one interface that BlendGAN and every baseline answer to. Methods answer; the benchmark measures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

from torch import Tensor

from models.rng import seeded_normal

# `seeded_normal` belongs to what a method in a package of its own imports.
__all__ = ["Face", "Method", "Mode", "seeded_normal"]

Mode = Literal["latent", "reference"]


@dataclass(frozen=True)
class Face:
    """The faces to stylise: a batch of pictures, or of seeds for a generator that invents the face itself.

    Exactly one of the two is given.

    Attributes:
        images: (N, 3, S, S) float32 in [-1, 1], for methods whose `face` is `"image"`.
        seeds: N integers, for methods whose `face` is `"seed"`.
    """

    images: Tensor | None = None
    seeds: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        if (self.images is None) == (self.seeds is None):
            raise ValueError("Face: give images or seeds, and only one of them")

    def __len__(self) -> int:
        return len(self.images) if self.images is not None else len(self.seeds or ())


@runtime_checkable
class Method(Protocol):
    """A stylisation method. Sample i depends on face i, style i and seed i alone: batch size never changes it.

    Attributes:
        name: as Tables 1-3 print it, e.g. `"DRIT++"`.
        modes: which of latent-guided and reference-guided it has.
        face: whether it takes face pictures or seeds.
        resolution: side of the square pictures that it returns.
    """

    name: str
    modes: frozenset[Mode]
    face: Literal["image", "seed"]
    resolution: int

    def from_latent(self, face: Face, seeds: Sequence[int]) -> Tensor:
        """Style codes drawn from `seeds` (one a face). Returns (N, 3, R, R) float32, nominally in [-1, 1]."""
        ...

    def from_reference(self, face: Face, style: Tensor, seeds: Sequence[int]) -> Tensor:
        """Styles from pictures `style`, (N, 3, S, S) float32 in [-1, 1], one a face; `seeds` feed any other draw."""
        ...
