"""Kernel distances between feature sets: KID and the Gaussian-kernel distance of CMMD. Unlike FID they assume no shape."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from benchmark.metrics.frechet import rows64
from suite.errors import SuiteError

Features = Tensor | np.ndarray
# CMMD's bandwidth and factor (Jayasumana et al. 2024, Sec. 4).
SIGMA, SCALE = 10.0, 1000.0


def _as64(features: Features) -> Tensor:
    _check(features)
    return rows64(features)


def _check(features: Features) -> None:
    if features.ndim != 2 or len(features) < 2:
        raise SuiteError(f"features: expected at least 2 rows of (N, D), got {tuple(features.shape)}")


def polynomial_mmd2(a: Features, b: Features) -> float:
    """Unbiased squared MMD under `k(x, y) = (x.y / D + 1)^3` (Bińkowski et al. 2018, arXiv 1801.01401). May be below 0.

    Args:
        a, b: (N, D) and (M, D) features, at least two each.
    """
    x, y = _as64(a), _as64(b)
    dim, n, m = x.shape[1], len(x), len(y)
    xx, yy, xy = ((p @ q.T / dim + 1) ** 3 for p, q in ((x, x), (y, y), (x, y)))
    within = (xx.sum() - xx.trace()) / (n * (n - 1)) + (yy.sum() - yy.trace()) / (m * (m - 1))
    return float(within - 2 * xy.sum() / (n * m))


def kernel_distances(real: Features, fake: Features, subsets: int = 100, size: int = 1000, seed: int = 0) -> np.ndarray:
    """KID of `subsets` random subsets of at most `size` pictures: (subsets,) float64. Their mean is the KID.

    The memory is that of two subsets; a memory-mapped array stays on disk.
    """
    size = min(size, len(real), len(fake))
    rng = np.random.default_rng(seed)
    out = []
    for _ in range(subsets):
        rows_real = np.sort(rng.choice(len(real), size, replace=False))
        rows_fake = np.sort(rng.choice(len(fake), size, replace=False))
        out.append(polynomial_mmd2(real[rows_real], fake[rows_fake]))
    return np.array(out)


def gaussian_mmd2(a: Features, b: Features, sigma: float = SIGMA, scale: float = SCALE, batch: int = 2048) -> float:
    """Squared MMD under a Gaussian kernel, times `scale`: CMMD's distance (Jayasumana et al. 2024, arXiv 2401.09603).

    The biased estimate with diagonals, as that paper reports it. Computed in blocks: memory is `batch`^2.
    """
    return gaussian_influence(a, b, sigma, scale, batch)[0]


def kernel_influence(real: Features, fake: Features, batch: int = 1024) -> tuple[float, np.ndarray]:
    """Unbiased polynomial MMD^2 of all pictures, and how much each generated picture pulls it: float, (M,) float64.

    The derivative to the weight of picture y is `2 (E k(y, y') - E k(x, y))`, less its mean. Computed in blocks of
    `batch` by `batch`: a memory-mapped array stays on disk.
    """
    _check(real)
    _check(fake)
    n, m = len(real), len(fake)
    xx, yy = (_row_sums(one, one, _polynomial, batch) - _diagonal(one, batch) for one in (real, fake))
    yx = _row_sums(fake, real, _polynomial, batch)
    value = xx.sum() / (n * (n - 1)) + yy.sum() / (m * (m - 1)) - 2 * yx.sum() / (n * m)
    pull = 2 * (yy / (m - 1) - yx / n)
    return float(value), (pull - pull.mean()).numpy()


def gaussian_influence(
    real: Features, fake: Features, sigma: float = SIGMA, scale: float = SCALE, batch: int = 1024
) -> tuple[float, np.ndarray]:
    """`gaussian_mmd2` of all pictures, and how much each generated picture pulls it: float, (M,) float64."""
    _check(real)
    _check(fake)

    def kernel(p: Tensor, q: Tensor) -> Tensor:
        return torch.exp(-torch.cdist(p, q).square() / (2 * sigma**2))

    xx, yy, yx = (_row_sums(*pair, kernel, batch) for pair in ((real, real), (fake, fake), (fake, real)))
    n, m = len(real), len(fake)
    value = xx.sum() / n**2 + yy.sum() / m**2 - 2 * yx.sum() / (n * m)
    pull = 2 * scale * (yy / m - yx / n)
    return scale * float(value), (pull - pull.mean()).numpy()


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
