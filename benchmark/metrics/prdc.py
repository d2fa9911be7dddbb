"""Metrics that look at nearest neighbours: precision, recall, density, coverage, and whether pictures are copies."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from benchmark.metrics.gaussian import rows64
from benchmark.metrics.influence import Pulls, of_left_out
from benchmark.metrics.measured import FeatureSets, Measured
from suite.errors import SuiteError

Features = Tensor | np.ndarray
ALONE = "one sampling seed gives it no interval"


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


def _blocks(features: Features, batch: int) -> Iterator[tuple[slice, Tensor]]:
    """Runs of `batch` rows as float32; a memory-mapped array stays on disk."""
    for start in range(0, len(features), batch):
        run = slice(start, min(start + batch, len(features)))
        yield run, rows64(features[run]).to(torch.float32)


def kth_radius(features: Features, k: int, batch: int = 1024) -> Tensor:
    """(N,) distance from each feature to its k-th nearest other one, float32."""
    if len(features) <= k:
        raise SuiteError(f"neighbours: k={k} needs more than {k} pictures, got {len(features)}")
    out = []
    for _, rows in _blocks(features, batch):
        least = torch.full((len(rows), k + 1), float("inf"))
        for _, others in _blocks(features, batch):
            least = torch.cat([least, torch.cdist(rows, others)], 1).topk(k + 1, largest=False).values
        out.append(least.max(1).values)
    return torch.cat(out)


def nearest(queries: Features, among: Features, batch: int = 1024) -> Tensor:
    """Distance to the nearest of `among` for each query: (N,) float32."""
    out = []
    for _, rows in _blocks(queries, batch):
        least = torch.full((len(rows),), float("inf"))
        for _, others in _blocks(among, batch):
            least = torch.minimum(least, torch.cdist(rows, others).min(1).values)
        out.append(least)
    return torch.cat(out)


@dataclass(frozen=True)
class Counted:
    """What each picture contributes to the four shares, so that their spread can be told.

    Attributes:
        inside: (M,) int64 of generated pictures: in how many real balls each lies.
        labels: kind (`faces`, `references`, `pictures`) -> (M,) int64, 0 .. F - 1: which one each generated picture is of.
        recalled, covered: kind -> (N, 2) int64 of real pictures: the lowest and the highest label whose pictures reach it
            (recall: it lies in their ball; coverage: they lie in its ball), or (F, -1) where none does.
        k: neighbours that a ball reaches to.
    """

    inside: Tensor
    labels: dict[str, Tensor]
    recalled: dict[str, Tensor]
    covered: dict[str, Tensor]
    k: int

    def fidelity(self) -> Fidelity:
        """The four shares."""
        return Fidelity(
            precision=float((self.inside > 0).double().mean()),
            recall=float((self.recalled["pictures"][:, 1] >= 0).double().mean()),
            density=float(self.inside.double().mean()) / self.k,
            coverage=float((self.covered["pictures"][:, 1] >= 0).double().mean()),
        )

    def pulls(self) -> dict[str, Pulls]:
        """Name -> what faces, references and pictures contribute to the share."""
        known = {kind: self.without_each(kind) for kind in self.labels}
        return {
            name: of_left_out(
                value,
                known["faces"][name],
                known["references"][name] if "references" in known else None,
                known["pictures"][name],
            )
            for name, value in vars(self.fidelity()).items()
        }

    def without_each(self, kind: str = "faces") -> dict[str, np.ndarray]:
        """Name -> (F,) float64: the share without the pictures of one face (reference, picture), all balls as they are."""
        labels = self.labels[kind]
        total = int(labels.max()) + 1
        rest = len(labels) - torch.bincount(labels, minlength=total).double()

        def generated(values: Tensor) -> Tensor:
            return (values.sum() - torch.bincount(labels, values, minlength=total)) / rest

        def real(reach: Tensor) -> Tensor:
            alone = reach[reach[:, 0] == reach[:, 1], 0]
            return ((reach[:, 1] >= 0).sum() - torch.bincount(alone, minlength=total)).double() / len(reach)

        return {
            "precision": generated((self.inside > 0).double()).numpy(),
            "recall": real(self.recalled[kind]).numpy(),
            "density": generated(self.inside.double() / self.k).numpy(),
            "coverage": real(self.covered[kind]).numpy(),
        }


def count(
    real: Features,
    fake: Features,
    k: int = 5,
    faces: np.ndarray | None = None,
    batch: int = 1024,
    real_radius: Tensor | None = None,
    references: np.ndarray | None = None,
) -> Counted:
    """Who lies in whose balls: (M, D) generated features against (N, D) real ones, `batch` by `batch`.

    Args:
        faces: (M,) label of the face of each generated picture; without it each picture counts as a face.
        references: (M,) label of the reference that each answers, where there is one.
        real_radius: `kth_radius(real, k)`, where it is at hand.
    """
    single = np.arange(len(fake))
    groups = {"faces": single if faces is None else faces, "references": references, "pictures": single}
    labels = {
        kind: torch.from_numpy(np.unique(one, return_inverse=True)[1])
        for kind, one in groups.items()
        if one is not None
    }
    real_radius = kth_radius(real, k, batch) if real_radius is None else real_radius
    fake_radius = kth_radius(fake, k, batch)
    inside = torch.zeros(len(fake), dtype=torch.int64)
    recalled, covered = (
        {kind: _unreached(len(real), int(one.max()) + 1) for kind, one in labels.items()} for _ in range(2)
    )
    for ours, x in _blocks(real, batch):
        for theirs, y in _blocks(fake, batch):
            gap = torch.cdist(x, y)
            within = gap <= real_radius[ours, None]
            inside[theirs] += within.sum(0)
            around = gap <= fake_radius[None, theirs]
            for kind, one in labels.items():
                _reach(covered[kind][ours], within, one[theirs])
                _reach(recalled[kind][ours], around, one[theirs])
    return Counted(inside, labels, recalled, covered, k)


def _unreached(count: int, faces: int) -> Tensor:
    return torch.tensor([faces, -1]).repeat(count, 1)


def _reach(reached: Tensor, hits: Tensor, faces: Tensor) -> None:
    """Widen the (lowest, highest) face of each row in place by the faces of its hits."""
    reached[:, 0] = torch.minimum(reached[:, 0], torch.where(hits, faces, torch.iinfo(torch.int64).max).amin(1))
    reached[:, 1] = torch.maximum(reached[:, 1], torch.where(hits, faces, -1).amax(1))


def fidelity(real: Features, fake: Features, k: int = 5, batch: int = 1024) -> Fidelity:
    """Precision, recall, density and coverage of (M, D) generated features against (N, D) real ones, in blocks."""
    return count(real, fake, k, batch=batch).fidelity()


@dataclass(frozen=True)
class Memorisation:
    """Are generated pictures copies of training pictures?

    Attributes:
        ratio: median distance to the nearest training picture, over the same for held-out real pictures: 1 as far as
            new real pictures are, near 0 copies.
        copies: share of generated pictures nearer to a training picture than `quantile` of the held-out ones are;
            where nothing is memorised about `expected_copies(len(held_out), quantile)`.
    """

    ratio: float
    copies: float


def expected_copies(held_out: int, quantile: float = 0.01) -> float:
    """What `copies` is for new real pictures: a quantile between the order statistics of few is far from the population's.

    Of `held_out` values the i-th smallest (from 1) has i / (held_out + 1) of the population below it, on average; the
    quantile lies linearly between two of them. 0.07 with 16 held-out pictures, 0.012 with 400.
    """
    return (1 + quantile * (held_out - 1)) / (held_out + 1)


def memorisation(
    fake: Features, train: Features, held_out: Features, quantile: float = 0.01, held_gap: Tensor | None = None
) -> Memorisation:
    """Nearest-neighbour memorisation of `fake` against `train`, calibrated by real pictures that were never trained on.

    Args:
        held_gap: `nearest(held_out, train)`, where it is at hand.

    Raises:
        SuiteError: no held-out picture to calibrate with.
    """
    if not len(held_out):
        raise SuiteError("memorisation: no held-out real pictures to compare with; the release needs a test split")
    fake_gap = nearest(fake, train)
    real_gap = nearest(held_out, train) if held_gap is None else held_gap
    limit = torch.quantile(real_gap, quantile)
    middle = float(real_gap.median())
    if middle == 0:
        raise SuiteError("memorisation: held-out pictures equal training pictures; the release's splits leak")
    return Memorisation(float(fake_gap.median()) / middle, float((fake_gap < limit).float().mean()))


def measure(sets: FeatureSets) -> list[Measured]:
    """Precision, recall, density and coverage, each with a jackknife over faces and references; none without real features."""
    if sets.real is None:
        return []
    features, real, fake = sets.real, len(sets.real), len(sets.fake)
    k = min(sets.k, real - 1, fake - 1)
    radius = sets.once(f"radius {k}", lambda: kth_radius(features, k))
    counted = count(features, sets.fake, k, sets.faces, real_radius=radius, references=sets.references)
    numbers, depends = vars(counted.fidelity()), sets.depends | {"k": sets.k}
    return [
        Measured(f"{name} ({sets.extractor})", numbers[name], None, real, fake, depends=depends, pulls=pulls)
        for name, pulls in counted.pulls().items()
    ]


def measure_copies(sets: FeatureSets) -> list[Measured]:
    """Whether generated pictures are copies of training pictures, where there are held-out ones to compare with."""
    if sets.train is None or sets.held is None:
        return []
    train, held = sets.train, sets.held
    gap = sets.once("held-out to training", lambda: nearest(held, train))
    copied = memorisation(sets.fake, train, held, held_gap=gap)
    sizes = len(sets.train), len(sets.fake)
    return [
        Measured(f"{name} ({sets.extractor})", value, None, *sizes, ALONE, False, sets.depends)
        for name, value in (("nearest-neighbour ratio", copied.ratio), ("copies", copied.copies))
    ]
