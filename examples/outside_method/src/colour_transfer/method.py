"""Colour transfer: each face takes the mean and covariance of a style's colours. No weights, no training.

The linear map between two Gaussians that moves colours least (Pitié and Kokaram, "The linear Monge-Kantorovitch linear
colour mapping", 2007). A floor for the leaderboard: whatever beats it has learnt more than a palette.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from models.method import Face, Method, Mode, seeded_normal

EPSILON = 1e-4


class ColourTransfer:
    """Restyles face pictures; sample i depends on face i, style i and seed i alone."""

    name = "ColourTransfer"
    modes: frozenset[Mode] = frozenset({"latent", "reference"})
    face = "image"
    resolution = 64

    def __init__(self, device: str) -> None:
        self.device = torch.device(device)

    def from_latent(self, face: Face, seeds: Sequence[int]) -> Tensor:
        """(N, 3, R, R) float32 in [-1, 1]; mean and covariance of the colours are drawn from `seeds`."""
        drawn = seeded_normal(seeds, (4, 3), self.device).double()
        mean, root = 0.4 * torch.tanh(drawn[:, 0]), 0.35 * drawn[:, 1:]
        return self._transfer(face, mean, root @ root.mT)

    def from_reference(self, face: Face, style: Tensor, seeds: Sequence[int]) -> Tensor:
        """(N, 3, R, R) float32 in [-1, 1]; mean and covariance are those of the style picture."""
        return self._transfer(face, *_colours(style))

    def _transfer(self, face: Face, mean: Tensor, covariance: Tensor) -> Tensor:
        if face.images is None:
            raise ValueError("ColourTransfer restyles pictures; it invents no faces")
        own_mean, own = _colours(face.images)
        eye = EPSILON * torch.eye(3, dtype=torch.float64, device=own.device)
        root, inverse = _root(own + eye)
        # T = A^(-1/2) (A^(1/2) B A^(1/2))^(1/2) A^(-1/2): the map of N(., A) onto N(., B) that moves least.
        move = inverse @ _root(root @ (covariance + eye) @ root)[0] @ inverse
        moved = torch.einsum("nij,njhw->nihw", move, face.images.double() - own_mean[:, :, None, None])
        return (moved + mean[:, :, None, None]).clamp(-1, 1).float()


def _colours(pictures: Tensor) -> tuple[Tensor, Tensor]:
    """Mean (N, 3) and covariance (N, 3, 3) of colours, float64, one picture at a time so that batches change nothing."""
    pairs = [(x.mean(1), torch.cov(x)) for x in pictures.double().flatten(2)]
    return torch.stack([mean for mean, _ in pairs]), torch.stack([cov for _, cov in pairs])


def _root(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """Square root and inverse square root of symmetric positive matrices (N, 3, 3)."""
    values, vectors = torch.linalg.eigh(matrix)
    roots = values.clamp(min=EPSILON**2).sqrt()
    return (vectors * roots[:, None]) @ vectors.mT, (vectors / roots[:, None]) @ vectors.mT


def load(weights: Path | None, device: str) -> Method:
    """What the entry point names. Colour transfer has no weights."""
    if weights is not None:
        raise ValueError("ColourTransfer has no weights; leave out --weights")
    return ColourTransfer(device)
