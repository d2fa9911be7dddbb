"""Metrics that look at nearest neighbours: precision, recall, density, coverage, and whether pictures are copies."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from benchmark.frechet import rows64
from suite.errors import SuiteError

Features = Tensor | np.ndarray


@dataclass(frozen=True)
class Fidelity:
    """How a generated set lies on a real one.

    Attributes:
        precision, recall: shares in [0, 1] (Kynkäänniemi et al. 2019, arXiv 1904.06991).
        density: about 1 for a perfect generator, may exceed 1; coverage: share in [0, 1] (Naeem et al. 2020,
            arXiv 2002.09797). For N = M and equal distributions the expected coverage is a known figure near
            `1 - 2^-k`.
    """

    precision: float
    recall: float
    density: float
    coverage: float


def _rows(features: Features) -> Tensor:
    return rows64(features).to(torch.float32)


def kth_radius(features: Features, k: int, batch: int = 1024) -> Tensor:
    """(N,) distance from each feature to its k-th nearest other one, float32."""
    x = _rows(features)
    if len(x) <= k:
        raise SuiteError(f"neighbours: k={k} needs more than {k} pictures, got {len(x)}")
    parts = [torch.cdist(x[i : i + batch], x) for i in range(0, len(x), batch)]
    return torch.cat([part.kthvalue(k + 1, dim=1).values for part in parts])


def nearest(queries: Features, among: Features, batch: int = 1024) -> tuple[Tensor, Tensor]:
    """Distance to and index of the nearest of `among` for each query: (N,) float32 and (N,) int64."""
    x, y = _rows(queries), _rows(among)
    found = [torch.cdist(x[i : i + batch], y).min(dim=1) for i in range(0, len(x), batch)]
    return torch.cat([f.values for f in found]), torch.cat([f.indices for f in found])


def fidelity(real: Features, fake: Features, k: int = 5, batch: int = 1024) -> Fidelity:
    """Precision, recall, density and coverage of (M, D) generated features against (N, D) real ones, in blocks."""
    x, y = _rows(real), _rows(fake)
    real_radius, fake_radius = kth_radius(x, k, batch), kth_radius(y, k, batch)
    inside, precise = 0, 0
    recalled = torch.zeros(len(x), dtype=torch.bool)
    closest = torch.full((len(x),), float("inf"))
    for i in range(0, len(y), batch):
        gap = torch.cdist(x, y[i : i + batch])
        within = gap <= real_radius[:, None]
        inside += int(within.sum())
        precise += int(within.any(0).sum())
        recalled |= (gap <= fake_radius[None, i : i + batch]).any(1)
        closest = torch.minimum(closest, gap.min(1).values)
    return Fidelity(
        precision=precise / len(y),
        recall=float(recalled.float().mean()),
        density=inside / (k * len(y)),
        coverage=float((closest <= real_radius).float().mean()),
    )


@dataclass(frozen=True)
class Memorisation:
    """Are generated pictures copies of training pictures?

    Attributes:
        ratio: median distance to the nearest training picture, over the same for held-out real pictures: 1 as far as
            new real pictures are, near 0 copies.
        copies: share of generated pictures nearer to a training picture than `quantile` of the held-out ones are;
            about `quantile` where nothing is memorised.
    """

    ratio: float
    copies: float


def memorisation(fake: Features, train: Features, held_out: Features, quantile: float = 0.01) -> Memorisation:
    """Nearest-neighbour memorisation of `fake` against `train`, calibrated by real pictures that were never trained on.

    Raises:
        SuiteError: no held-out picture to calibrate with.
    """
    if not len(held_out):
        raise SuiteError("memorisation: no held-out real pictures to compare with; the release needs a test split")
    fake_gap, _ = nearest(fake, train)
    real_gap, _ = nearest(held_out, train)
    limit = torch.quantile(real_gap, quantile)
    middle = float(real_gap.median())
    if middle == 0:
        raise SuiteError("memorisation: held-out pictures equal training pictures; the release's splits leak")
    return Memorisation(float(fake_gap.median()) / middle, float((fake_gap < limit).float().mean()))
