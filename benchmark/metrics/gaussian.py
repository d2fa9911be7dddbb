"""The Gaussian of a set of features, from moments that stream."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from suite.errors import SuiteError


def rows64(features: Tensor | np.ndarray) -> Tensor:
    """float64 copy of features; an array that is memory-mapped read-only must not become a writable tensor."""
    if isinstance(features, Tensor):
        return features.to(torch.float64)
    return torch.from_numpy(np.array(features, dtype=np.float64))


@dataclass(frozen=True)
class Gaussian:
    """The Gaussian that a set of features is summarised by.

    Attributes:
        mean: (D,) float64.
        cov: (D, D) float64, symmetric positive semi-definite, with the N - 1 divisor of `numpy.cov`.
        count: how many features it was fitted to (0: exact, not fitted).
    """

    mean: Tensor
    cov: Tensor
    count: int = 0

    @cached_property
    def factor(self) -> Tensor:
        """(D, D) float64 `L` with `L L^T = cov`: Cholesky, or from the eigenvectors where cov is singular."""
        lower, info = torch.linalg.cholesky_ex(self.cov)
        if int(info) == 0:
            return lower
        values, vectors = torch.linalg.eigh(self.cov)
        return vectors * values.clamp(min=0).sqrt()


@dataclass
class Moments:
    """Streamed mean and covariance in float64; memory is D^2 whatever the number of features.

    Batches are joined by Chan, Golub & LeVeque (1983, "Algorithms for computing
    the sample variance"), which never subtracts two large sums.
    """

    dim: int
    device: torch.device | str = "cpu"
    count: int = 0
    mean: Tensor = field(init=False)
    scatter: Tensor = field(init=False)

    def __post_init__(self) -> None:
        self.mean = torch.zeros(self.dim, dtype=torch.float64, device=self.device)
        self.scatter = torch.zeros(self.dim, self.dim, dtype=torch.float64, device=self.device)

    def update(self, features: Tensor | np.ndarray) -> Moments:
        """Add a batch (N, D) of finite features; returns itself.

        Raises:
            SuiteError: a feature that is not finite, or of another dimension.
        """
        batch = rows64(features).to(self.device)
        if batch.ndim != 2 or batch.shape[1] != self.dim:
            raise SuiteError(f"features: expected (N, {self.dim}), got {tuple(batch.shape)}")
        if not len(batch):
            return self
        mean = batch.mean(0)
        if not bool(torch.isfinite(mean).all()):
            raise SuiteError("features: NaN or infinite values; the pictures or the extractor's weights are broken")
        centred, delta = batch - mean, mean - self.mean
        total = self.count + len(batch)
        self.scatter += centred.T @ centred
        self.scatter += torch.outer(delta, delta) * (self.count * len(batch) / total)
        self.mean = self.mean + delta * (len(batch) / total)
        self.count = total
        return self

    def gaussian(self) -> Gaussian:
        """The fitted Gaussian.

        Raises:
            SuiteError: fewer than two features.
        """
        if self.count < 2:
            raise SuiteError(f"features: a covariance needs at least 2 pictures, got {self.count}")
        return Gaussian(self.mean.clone(), self.scatter / (self.count - 1), self.count)


def fit(features: Tensor | np.ndarray, batch: int = 4096) -> Gaussian:
    """The Gaussian of features (N, D), read `batch` rows at a time (a memory-mapped array stays on disk)."""
    moments = Moments(int(features.shape[1]))
    for start in range(0, len(features), batch):
        moments.update(features[start : start + batch])
    return moments.gaussian()
