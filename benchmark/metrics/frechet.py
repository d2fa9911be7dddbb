"""Fréchet distance between Gaussians fitted to features, from moments that stream.

`d^2 = |m1 - m2|^2 + tr(S1) + tr(S2) - 2 tr((S1 S2)^1/2)` (Heusel et al. 2017, arXiv 1706.08500, Eq. 6). The product
`S1 S2` is not symmetric, so its general square root is slow and can turn complex. With any factor `S1 = L L^T` the
product has the eigenvalues of the symmetric `L^T S2 L`, and `tr((S1 S2)^1/2)` is the sum of their square roots.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from benchmark.metrics.gaussian import Gaussian, fit, rows64
from benchmark.metrics.measured import FeatureSets, Measured
from suite.errors import SuiteError

ONE_SEED = "an extrapolation: one sampling seed gives it no interval"


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
        SuiteError: fewer than 4 pictures per feature dimension, where the line is known not to be straight.
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


def frechet_bias(real: Gaussian, features: Tensor | np.ndarray, faces: np.ndarray, distance: float) -> float | None:
    """About how much of `distance` is due to the finite number of generated pictures; None where halves are too small to tell.

    The bias is close to linear in 1/N (Chong & Forsyth 2020, Sec. 3), so that half of the faces have twice the bias: what
    halves lie above the whole is the whole's own.
    """
    halves = [np.flatnonzero(np.unique(faces, return_inverse=True)[1] % 2 == side) for side in (0, 1)]
    if min(map(len, halves)) <= features.shape[1]:
        return None
    return float(np.mean([frechet_distance(real, fit(features[rows])) for rows in halves])) - distance


def too_few(n_real: int, n_fake: int, dim: int) -> str | None:
    """Why a Fréchet distance over so few pictures must not be ranked; None where it may.

    Below D + 1 pictures the covariance is singular and the distance says more about N than about the pictures.
    """
    short = min(n_real, n_fake)
    if short > dim:
        return None
    return f"N too small: {short} pictures for {dim}-d features (a covariance needs more than {dim})"


def measure(sets: FeatureSets) -> list[Measured]:
    """The distance of one extractor's features, and its extrapolation where there are pictures enough."""
    real, fake = sets.real_fit, sets.fake_fit
    assert real is not None
    assert fake is not None
    short = too_few(real.count, fake.count, len(real.mean))
    distance = frechet_distance(real, fake)
    pulls = bias = None
    if short is None:
        pulls = sets.pulls(frechet_influence(real, fake, sets.fake).numpy())
        bias = frechet_bias(real, sets.fake, sets.faces, distance)
    sizes = (real.count, fake.count)
    out = [Measured(sets.distance, distance, None, *sizes, short or "", short is None, sets.depends, pulls, bias)]
    if fake.count >= 4 * len(real.mean):
        endless = frechet_infinity(real, sets.fake)
        out.append(Measured(f"{sets.distance}-infinity", endless, None, *sizes, ONE_SEED, False, sets.depends))
    return out
