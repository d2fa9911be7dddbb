"""Retrieval: is the right face, or the right reference, the nearest of ten? Guessing gives 0.1.

The embeddings are the reader's (`benchmark.metrics.extractors.reader`), of pictures at the size that the method answers in.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

CANDIDATES = 10
BATCH = 64


def nearest(queries: Tensor, keys: Tensor) -> Tensor:
    """(N,) int64: which of the keys (K, D) is most like each query (N, D); all are unit vectors."""
    return (queries @ keys.T).argmax(1)


def share_right(queries: Tensor, keys: Tensor, names: Sequence[object], wanted: Sequence[object]) -> Tensor:
    """(N,) float64: 1 where the nearest key bears the wanted name. Keys of one name count alike.

    Args:
        names: of the keys. wanted: of the queries.
    """
    places = nearest(queries, keys).tolist()
    return torch.tensor([float(names[n] == name) for n, name in zip(places, wanted, strict=True)]).double()


@dataclass
class RowVectors:
    """Embeddings of a release's rows, each made once.

    Attributes:
        read: rows -> uint8 pictures, at one size.
        embed: pictures -> (N, D).
    """

    read: Callable[[list[int]], Tensor]
    embed: Callable[[Tensor], Tensor]
    _known: dict[int, Tensor] = field(default_factory=dict)

    def __call__(self, rows: Sequence[int]) -> Tensor:
        """(len(rows), D)."""
        new = [row for row in dict.fromkeys(rows) if row not in self._known]
        for start in range(0, len(new), BATCH):
            part = new[start : start + BATCH]
            self._known |= dict(zip(part, self.embed(self.read(part)), strict=True))
        return torch.stack([self._known[row] for row in rows])
