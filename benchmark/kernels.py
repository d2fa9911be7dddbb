"""Kernel distances between feature sets: KID and the Gaussian-kernel distance of CMMD. Unlike FID they assume no shape."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from benchmark.frechet import rows64
from suite.errors import SuiteError

Features = Tensor | np.ndarray


def _as64(features: Features) -> Tensor:
    out = rows64(features)
    if out.ndim != 2 or len(out) < 2:
        raise SuiteError(f"features: expected at least 2 rows of (N, D), got {tuple(out.shape)}")
    return out


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


def gaussian_mmd2(a: Features, b: Features, sigma: float = 10.0, scale: float = 1000.0, batch: int = 2048) -> float:
    """Squared MMD under a Gaussian kernel, times `scale`: CMMD's distance (Jayasumana et al. 2024, arXiv 2401.09603).

    The biased estimate with diagonals, as that paper reports it. Computed in blocks: memory is `batch`^2.
    """
    x, y = _as64(a), _as64(b)
    gamma = 1 / (2 * sigma**2)

    def mean_kernel(p: Tensor, q: Tensor) -> float:
        total = 0.0
        for start in range(0, len(p), batch):
            for other in range(0, len(q), batch):
                gap = torch.cdist(p[start : start + batch], q[other : other + batch]).square()
                total += float(torch.exp(-gamma * gap).sum())
        return total / (len(p) * len(q))

    return scale * (mean_kernel(x, x) + mean_kernel(y, y) - 2 * mean_kernel(x, y))


def kernel_influence(real: Features, fake: Features, batch: int = 1024) -> tuple[float, np.ndarray]:
    """Unbiased polynomial MMD^2 of all pictures, and how much each generated picture pulls it: float, (M,) float64.

    The derivative to the weight of picture y is `2 (E k(y, y') - E k(x, y))`, less its mean. Computed in blocks.
    """
    x, y = _as64(real), _as64(fake)
    dim, n, m = x.shape[1], len(x), len(y)

    def row_sums(p: Tensor, q: Tensor) -> Tensor:
        return torch.cat([((p[i : i + batch] @ q.T / dim + 1) ** 3).sum(1) for i in range(0, len(p), batch)])

    def diagonal(p: Tensor) -> Tensor:
        return (p.square().sum(1) / dim + 1) ** 3

    xx, yy, yx = row_sums(x, x) - diagonal(x), row_sums(y, y) - diagonal(y), row_sums(y, x)
    value = xx.sum() / (n * (n - 1)) + yy.sum() / (m * (m - 1)) - 2 * yx.sum() / (n * m)
    pull = 2 * (yy / (m - 1) - yx / n)
    return float(value), (pull - pull.mean()).numpy()
