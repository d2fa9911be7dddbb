"""The numbers of one cell, from its features alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmark.metrics.confidence import Interval, bootstrap, over_seeds
from benchmark.metrics.measured import Measured
from benchmark.metrics.table import METRICS, metric_of
from benchmark.run.cell_features import CellFeatures
from benchmark.run.record import Value
from benchmark.tasks.protocol import Protocol


def measure(cell: CellFeatures) -> list[Measured]:
    """Every number of one cell and one sampling seed, from features alone."""
    out: list[Measured] = []
    for place, (extractor, sets) in enumerate(cell.sets):
        needs = {"kernel features"} if extractor.kernel == "gaussian" else {"features"}
        needs |= {"first features"} if place == 0 else set()
        for function in dict.fromkeys(metric.function for metric in METRICS if metric.needs in needs):
            out += function(sets)
    for name, (depends, values) in cell.per_face.items():
        out.append(Measured(name, float(values.mean()), bootstrap(values), 0, cell.pictures, depends=depends))
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
        kind = metric_of(first.metric)
        parameters = {**base, **first.depends, "n_real": first.n_real, "n_fake": first.n_fake}
        protocol = Protocol(first.metric, parameters)
        protocols[protocol.id] = protocol
        values.append(
            Value(
                metric=first.metric,
                protocol=protocol.id,
                value=mean,
                low=None if interval is None else min(max(interval.low, kind.low), mean),
                high=None if interval is None else max(min(interval.high, kind.high), mean),
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
        found = over_seeds(numbers)
        short = first.why.startswith("N too small")
        return found, first.why if short else "", not short
    known = [m.interval for m in same if m.interval is not None]
    if len(known) < len(same):
        return None, first.why, first.rankable
    low, high = min(i.low for i in known), max(i.high for i in known)
    return Interval(low, high, known[0].how), first.why, first.rankable
