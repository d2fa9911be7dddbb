"""What a wrapper of a published repository needs: its folder on the path, and the two answers of a method."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

REPOSITORY = Path(__file__).parent / "repository"


class Published:
    """The repository's network behind the leaderboard's interface; sample i depends on face i and style i alone."""

    name = "PublishedRepository"
    modes = frozenset({"reference"})
    face = "image"
    resolution = 64

    def __init__(self, device: str) -> None:
        sys.path.insert(0, str(REPOSITORY))
        # Its own package, whatever else is called so: the method's process has imported nothing of the suite.
        from models.restyler import Restyler  # type: ignore[import-not-found]

        torch.manual_seed(0)
        self.network = Restyler().to(device).eval()

    def from_reference(self, face: Any, style: Tensor, seeds: Sequence[int]) -> Tensor:
        """(N, 3, 64, 64) float32 in [-1, 1]."""
        return torch.cat([self.network(face.images[k : k + 1], style[k : k + 1]) for k in range(len(style))])

    def from_latent(self, face: Any, seeds: Sequence[int]) -> Tensor:
        """It has references only."""
        raise ValueError("PublishedRepository follows references only")


def load(weights: Path | None, device: str) -> Published:
    """What the entry point names."""
    return Published(device)
