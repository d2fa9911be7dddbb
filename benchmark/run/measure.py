"""The numbers of one cell from the vectors that `benchmark.run.cell_features` leaves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from benchmark.metrics import confidence, prdc
from benchmark.metrics.confidence import Interval
from benchmark.metrics.extractors.features import Extractor
from benchmark.metrics.frechet import frechet_distance, frechet_infinity, frechet_influence, too_few
from benchmark.metrics.mmd import SCALE, SIGMA, gaussian_influence, kernel_influence
from benchmark.run.cell_features import Lens, RealSet, Seen
from benchmark.run.record import Value, limits
from benchmark.tasks.protocol import Protocol


@dataclass(frozen=True)
class Measured:
    """One number before it becomes a record's value."""

    metric: str
    value: float
    interval: Interval | None
    n_real: int
    n_fake: int
    why: str = ""
    rankable: bool = True
    depends: dict[str, Any] = field(default_factory=dict)


def measure(seen: Seen, lens: Lens, real: RealSet) -> list[Measured]:
    """Every number of one cell and one sampling seed."""
    out: list[Measured] = []
    count = len(seen.faces)
    for place, extractor in enumerate(lens.fd):
        out += _distances(seen, extractor, real)
        if place == 0:
            out += _neighbours(seen, extractor, real, lens.neighbours)
    for name, values in seen.per_face.items():
        depends = _depends(name, lens)
        out.append(Measured(name, float(values.mean()), confidence.bootstrap(values), 0, count, depends=depends))
    return out


def _depends(name: str, lens: Lens) -> dict[str, Any]:
    if lens.diversity is not None and name == lens.diversity.name:
        return dict(lens.diversity.describe())
    for extractor in (*lens.identity, *lens.style):
        if name.endswith(f"({extractor.name})"):
            return dict(extractor.describe())
    return dict(lens.truth.describe()) if lens.truth is not None else {}


def _distances(seen: Seen, extractor: Extractor, real: RealSet) -> list[Measured]:
    if extractor.kernel == "gaussian":
        return [_kernel_distance(seen, extractor, real)]
    features, moments = seen.features[extractor.name], seen.moments[extractor.name]
    truth, made = real.gaussian(extractor), moments.gaussian()
    depends = dict(extractor.describe())
    short = too_few(truth.count, made.count, extractor.dim)
    distance = frechet_distance(truth, made)
    interval = None
    if short is None:
        influence = frechet_influence(truth, made, features)
        interval = confidence.from_influence(distance, influence.numpy(), seen.faces)
    sizes = (truth.count, made.count)
    out = [Measured(extractor.fd_name, distance, interval, *sizes, short or "", short is None, depends)]
    if made.count >= 4 * extractor.dim:
        endless = frechet_infinity(truth, features)
        why = "an extrapolation: one sampling seed gives it no interval"
        out.append(Measured(f"{extractor.fd_name}-infinity", endless, None, *sizes, why, False, depends))
    return [*out, _kernel_distance(seen, extractor, real)]


def _kernel_distance(seen: Seen, extractor: Extractor, real: RealSet) -> Measured:
    known, features = real.features(extractor), seen.features[extractor.name]
    gaussian = extractor.kernel == "gaussian"
    distance, pull = (gaussian_influence if gaussian else kernel_influence)(known, features)
    interval = confidence.from_influence(distance, pull, seen.faces)
    depends = dict(extractor.describe()) | ({"sigma": SIGMA, "scale": SCALE} if gaussian else {})
    return Measured(extractor.kernel_name, distance, interval, len(known), len(features), depends=depends)


def _neighbours(seen: Seen, extractor: Extractor, real: RealSet, k: int) -> list[Measured]:
    features, known = seen.features[extractor.name], real.features(extractor)
    counted = prdc.count(known, features, min(k, len(known) - 1, len(features) - 1), seen.faces)
    depends = {**extractor.describe(), "k": k}
    why = "one sampling seed gives it no interval"
    found = vars(counted.fidelity())
    out = []
    for name, without in counted.without_each_face().items():
        interval = confidence.jackknife(found[name], without)
        named = f"{name} ({extractor.name})"
        out.append(Measured(named, found[name], interval, len(known), len(features), depends=depends))
    if real.train_rows and real.held_rows:
        train, held = real.features(extractor, real.train_rows), real.features(extractor, real.held_rows)
        copied = prdc.memorisation(features, train, held)
        for name, value in (("nearest-neighbour ratio", copied.ratio), ("copies", copied.copies)):
            named = f"{name} ({extractor.name})"
            out.append(Measured(named, value, None, len(train), len(features), why, False, dict(extractor.describe())))
    return out


def combine(by_seed: Sequence[Sequence[Measured]], base: dict[str, Any]) -> tuple[list[Value], dict[str, Protocol]]:
    """One value a metric from one measurement a sampling seed, and the protocols that name them.

    Args:
        by_seed: the measurements, one list a seed, with the same metrics.
        base: what every number depends on: real set, draws, seeds.
    """
    values, protocols = [], {}
    for first in by_seed[0]:
        same = [m for seed in by_seed for m in seed if m.metric == first.metric]
        numbers = [m.value for m in same]
        mean = float(np.mean(numbers))
        interval, why, rankable = _interval(same, numbers)
        least, most, _ = limits(first.metric)
        parameters = {**base, **first.depends, "n_real": first.n_real, "n_fake": first.n_fake}
        protocol = Protocol(first.metric, parameters)
        protocols[protocol.id] = protocol
        values.append(
            Value(
                metric=first.metric,
                protocol=protocol.id,
                value=mean,
                low=None if interval is None else min(max(interval.low, least), mean),
                high=None if interval is None else max(min(interval.high, most), mean),
                interval=None if interval is None else interval.how,
                per_seed=numbers,
                n_real=first.n_real,
                n_fake=first.n_fake,
                rankable=rankable,
                why=why,
            )
        )
    return values, protocols


def _interval(same: Sequence[Measured], numbers: list[float]) -> tuple[Interval | None, str, bool]:
    first = same[0]
    if len(numbers) >= 3:
        found = confidence.over_seeds(numbers)
        short = first.why.startswith("N too small")
        return found, first.why if short else "", not short
    known = [m.interval for m in same if m.interval is not None]
    if len(known) < len(same):
        return None, first.why, first.rankable
    low, high = min(i.low for i in known), max(i.high for i in known)
    return Interval(low, high, known[0].how), first.why, first.rankable
