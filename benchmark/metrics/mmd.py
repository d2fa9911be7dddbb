"""Kernel distances between feature sets: KID and the Gaussian-kernel distance of CMMD. Unlike FID they assume no shape."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmark.metrics.gaussian import rows64
from benchmark.metrics.measured import FeatureSets, Measured
from suite.errors import SuiteError

Features = Tensor | np.ndarray
# CMMD's bandwidth and factor (Jayasumana et al. 2024, Sec. 4).
SIGMA, SCALE = 10.0, 1000.0


def _check(features: Features) -> None:
    if features.ndim != 2 or len(features) < 2:
        raise SuiteError(f"features: expected at least 2 rows of (N, D), got {tuple(features.shape)}")


def polynomial_within(features: Features, batch: int = 1024) -> Tensor:
    """(N,) float64: each row's KID kernel with all other rows, summed."""
    _check(features)
    return _row_sums(features, features, _polynomial, batch) - _diagonal(features, batch)


def gaussian_within(features: Features, sigma: float = SIGMA, batch: int = 1024) -> Tensor:
    """(N,) float64: each row's Gaussian kernel with all rows, itself too, summed."""
    _check(features)
    return _row_sums(features, features, _gaussian(sigma), batch)


def kernel_influence(
    real: Features, fake: Features, batch: int = 1024, real_within: Tensor | None = None
) -> tuple[float, np.ndarray]:
    """KID's unbiased squared MMD, and how much each generated picture pulls it: float, (M,) float64.

    The kernel is `k(x, y) = (x.y / D + 1)^3` (Bińkowski et al. 2018, arXiv 1801.01401); the value may be below 0. The
    derivative to the weight of picture y is `2 (E k(y, y') - E k(x, y))`, less its mean. Computed in blocks of
    `batch` by `batch`: a memory-mapped array stays on disk.

    Args:
        real_within: `polynomial_within(real)`, where it is at hand.
    """
    n, m = len(real), len(fake)
    xx = polynomial_within(real, batch) if real_within is None else real_within
    yy = polynomial_within(fake, batch)
    yx = _row_sums(fake, real, _polynomial, batch)
    value = xx.sum() / (n * (n - 1)) + yy.sum() / (m * (m - 1)) - 2 * yx.sum() / (n * m)
    pull = 2 * (yy / (m - 1) - yx / n)
    return float(value), (pull - pull.mean()).numpy()


def gaussian_influence(
    real: Features,
    fake: Features,
    sigma: float = SIGMA,
    scale: float = SCALE,
    batch: int = 1024,
    real_within: Tensor | None = None,
) -> tuple[float, np.ndarray]:
    """CMMD's distance times `scale`, and how much each generated picture pulls it: float, (M,) float64.

    Squared MMD under a Gaussian kernel, the biased estimate with diagonals (Jayasumana et al. 2024, arXiv 2401.09603).

    Args:
        real_within: `gaussian_within(real, sigma)`, where it is at hand.
    """
    xx = gaussian_within(real, sigma, batch) if real_within is None else real_within
    yy, yx = gaussian_within(fake, sigma, batch), _row_sums(fake, real, _gaussian(sigma), batch)
    n, m = len(real), len(fake)
    value = xx.sum() / n**2 + yy.sum() / m**2 - 2 * yx.sum() / (n * m)
    pull = 2 * scale * (yy / m - yx / n)
    return scale * float(value), (pull - pull.mean()).numpy()


def _gaussian(sigma: float) -> Callable[[Tensor, Tensor], Tensor]:
    return lambda p, q: torch.exp(-torch.cdist(p, q).square() / (2 * sigma**2))


def _polynomial(p: Tensor, q: Tensor) -> Tensor:
    return (p @ q.T / p.shape[1] + 1) ** 3


def _row_sums(p: Features, q: Features, kernel: Callable[[Tensor, Tensor], Tensor], batch: int) -> Tensor:
    """(N,) float64: each row's kernel summed over all of `q`."""
    out = []
    for start in range(0, len(p), batch):
        rows = rows64(p[start : start + batch])
        total = torch.zeros(len(rows), dtype=torch.float64)
        for other in range(0, len(q), batch):
            total += kernel(rows, rows64(q[other : other + batch])).sum(1)
        out.append(total)
    return torch.cat(out)


def _diagonal(p: Features, batch: int) -> Tensor:
    parts = (rows64(p[start : start + batch]) for start in range(0, len(p), batch))
    return torch.cat([(rows.square().sum(1) / p.shape[1] + 1) ** 3 for rows in parts])


def measure(sets: FeatureSets) -> list[Measured]:
    """The kernel distance of one extractor's features."""
    within = sets.once("polynomial", lambda: polynomial_within(sets.kernel_real))
    return [_measured(sets, *kernel_influence(sets.kernel_real, sets.fake, real_within=within), sets.depends)]


def measure_gaussian(sets: FeatureSets) -> list[Measured]:
    """CMMD's distance of one extractor's features."""
    depends = sets.depends | {"sigma": SIGMA, "scale": SCALE}
    within = sets.once("gaussian", lambda: gaussian_within(sets.kernel_real))
    return [_measured(sets, *gaussian_influence(sets.kernel_real, sets.fake, real_within=within), depends)]


def _measured(sets: FeatureSets, distance: float, pull: np.ndarray, depends: dict[str, Any]) -> Measured:
    sizes = (len(sets.kernel_real), len(sets.fake))
    return Measured(sets.kernel_distance, distance, None, *sizes, depends=depends, pulls=sets.pulls(pull))
