"""Fréchet distance between Gaussians fitted to features, from moments that stream and merge.

`d^2 = |m1 - m2|^2 + tr(S1) + tr(S2) - 2 tr((S1 S2)^1/2)` (Heusel et al. 2017, arXiv 1706.08500, Eq. 6). The product
`S1 S2` is not symmetric, so its general square root is slow and can turn complex. With any factor `S1 = L L^T` the
product has the eigenvalues of the symmetric `L^T S2 L`, and `tr((S1 S2)^1/2)` is the sum of their square roots.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
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

    Batches and whole `Moments` (of other processes) merge by Chan, Golub & LeVeque (1983, "Algorithms for computing
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
        centred = batch - mean
        self._merge(len(batch), mean, centred.T @ centred)
        return self

    def merge(self, other: Moments) -> Moments:
        """Add what another `Moments` has seen; returns itself."""
        self._merge(other.count, other.mean.to(self.device), other.scatter.to(self.device))
        return self

    def _merge(self, count: int, mean: Tensor, scatter: Tensor) -> None:
        if not count:
            return
        total = self.count + count
        delta = mean - self.mean
        self.scatter += scatter
        self.scatter += torch.outer(delta, delta) * (self.count * count / total)
        self.mean = self.mean + delta * (count / total)
        self.count = total

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


def frechet_distance(a: Gaussian, b: Gaussian) -> float:
    """The squared Fréchet distance that is called FID, in the features' squared units. Symmetric in its arguments.

    The factor of `a` is kept with `a`: comparing one real set with many generated ones pays for it once.

    Raises:
        SuiteError: different dimensions.
    """
    if a.mean.shape != b.mean.shape:
        raise SuiteError(f"features: {len(a.mean)} and {len(b.mean)} dimensions do not compare; use one extractor")
    factor = a.factor
    middle = factor.T @ b.cov @ factor
    roots = torch.linalg.eigvalsh((middle + middle.T) / 2).clamp(min=0).sqrt()
    difference = a.mean - b.mean
    return float(difference @ difference + a.cov.trace() + b.cov.trace() - 2 * roots.sum())


def frechet_influence(real: Gaussian, fake: Gaussian, features: Tensor | np.ndarray, batch: int = 4096) -> Tensor:
    """How much each generated picture pulls the distance: (N,) float64, mean about 0.

    The derivative of the distance to the weight of picture x is
    `2 (m - m_r).(x - m) + (x - m)^T (I - T) (x - m) - tr((I - T) S)`, with `T` the optimal transport map from the fake
    to the real Gaussian. `sum(influence) / N` over independent groups gives the distance's standard error without
    recomputing it (the infinitesimal jackknife, Efron 1982); meaningful where N is well above D.
    """
    factor = real.factor
    values, vectors = torch.linalg.eigh(factor.T @ fake.cov @ factor)
    floor = values.max().clamp(min=0) * 1e-12
    inverse_root = torch.where(values > floor, values.clamp(min=0).rsqrt(), torch.zeros_like(values))
    half = factor @ (vectors * inverse_root.sqrt())
    lean = torch.eye(len(fake.mean), dtype=torch.float64, device=fake.cov.device) - half @ half.T
    constant = (lean * fake.cov).sum()
    out = []
    for start in range(0, len(features), batch):
        centred = rows64(features[start : start + batch]).to(fake.mean) - fake.mean
        out.append(2 * centred @ (fake.mean - real.mean) + ((centred @ lean) * centred).sum(1) - constant)
    return torch.cat(out)


def frechet_infinity(
    real: Gaussian, features: Tensor | np.ndarray, points: int = 8, draws: int = 1, seed: int = 0
) -> float:
    """The distance extrapolated to endless pictures (Chong & Forsyth 2020, arXiv 1911.07023, Sec. 4).

    The bias of a finite sample is close to linear in 1/N: the distance is taken at `points` subset sizes between
    N/2 and N, `draws` random subsets each, and the line's intercept at 1/N = 0 is returned.

    Raises:
        SuiteError: fewer than 4 pictures a feature dimension, where the line is known not to be straight.
    """
    total, dim = features.shape
    if total < 4 * dim:
        raise SuiteError(f"FID-infinity: {total} pictures for {dim}-d features; needs at least {4 * dim}")
    rng = np.random.default_rng(seed)
    sizes = np.linspace(total // 2, total, points).round().astype(int)
    inverse, distance = [], []
    for size in sizes:
        for _ in range(1 if size == total else draws):
            rows = np.sort(rng.choice(total, size, replace=False))
            inverse.append(1 / size)
            distance.append(frechet_distance(real, fit(features[rows])))
    return float(np.polyfit(inverse, distance, 1)[1])


def too_few(n_real: int, n_fake: int, dim: int) -> str | None:
    """Why a Fréchet distance over so few pictures must not be ranked; None where it may.

    Below D + 1 pictures the covariance is singular and the distance says more about N than about the pictures.
    """
    short = min(n_real, n_fake)
    if short > dim:
        return None
    return f"N too small: {short} pictures for {dim}-d features (a covariance needs more than {dim})"


def merge_all(parts: Iterable[Moments] | Sequence[Moments]) -> Moments:
    """The moments of all parts together, merged in the order given."""
    parts = list(parts)
    whole = Moments(parts[0].dim, parts[0].device)
    for part in parts:
        whole.merge(part)
    return whole
