"""The numbers of one cell, from its features alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from pydantic import ValidationError

from benchmark.metrics import art_fid
from benchmark.metrics.confidence import Interval, interval, over_seeds
from benchmark.metrics.frechet import ONE_SEED
from benchmark.metrics.influence import Pulls, of_faces, pooled
from benchmark.metrics.measured import Measured
from benchmark.metrics.metric import Metric
from benchmark.metrics.prdc import ALONE
from benchmark.metrics.table import METRICS, copied, metric_of
from benchmark.run.cell_features import CellFeatures
from benchmark.run.record import Influence, Value
from benchmark.tasks.protocol import EvalPairs, Protocol
from suite.errors import SuiteError
from suite.profiles import first_fault

# Float32 features round a cosine of 1 to 1.0000001.
ROUNDING = 1e-4
# Why a number of one sampling seed has no interval; three have one.
UNSURE_ALONE = (ONE_SEED, ALONE)


def measure(cell: CellFeatures) -> list[Measured]:
    """Every number of one cell and one sampling seed, from features alone."""
    out: list[Measured] = []
    for place, (extractor, sets) in enumerate(cell.sets):
        needs = {"kernel features"} if extractor.kernel == "gaussian" else {"features"}
        needs |= {"first features"} if place == 0 else set()
        for function in dict.fromkeys(metric.function for metric in METRICS if metric.needs in needs):
            out += function(sets)
    if cell.stylised is not None:
        out.append(art_fid.measure(cell.stylised))
    for name, (depends, values) in cell.per_face.items():
        pulls = of_faces(values, cell.references)
        out.append(Measured(name, float(values.mean()), None, 0, cell.pictures, depends=depends, pulls=pulls))
    if why := _no_answers(cell, out):
        out = [replace(one, rankable=False, why=why) for one in out]
    return out


def _no_answers(cell: CellFeatures, numbers: Sequence[Measured]) -> str:
    """Why nothing of this cell may be ranked: its pictures are somebody else's. "" where it may; of a control nobody asks."""
    if cell.suspicion is None:
        return ""
    return cell.suspicion.why or next((why for one in numbers if (why := copied(one.metric, one.value))), "")


def combine(
    by_seed: Sequence[Sequence[Measured]], base: dict[str, Any], draws: Sequence[EvalPairs]
) -> tuple[list[Value], dict[str, Protocol]]:
    """One value per metric from one measurement per sampling seed, and the protocols that name them.

    Args:
        by_seed: the measurements, one list per seed, with the same metrics.
        base: what every number depends on: real set, draws, seeds.
        draws: one a seed: faces and references that two seeds share pull together.
    """
    values, protocols = [], {}
    for first in by_seed[0]:
        same = [m for seed in by_seed for m in seed if m.metric == first.metric]
        kind = metric_of(first.metric)
        numbers = [_possible(m.value, kind, m.metric) for m in same]
        mean = float(np.mean(numbers))
        pulls = _pooled(same, draws)
        span, why, rankable = _interval(same, numbers, pulls)
        parameters = {**base, **first.depends, "n_real": first.n_real, "n_fake": first.n_fake}
        protocol = Protocol(first.metric, parameters)
        protocols[protocol.id] = protocol
        made: dict[str, Any] = {
            "metric": first.metric,
            "protocol": protocol.id,
            "value": mean,
            "low": None if span is None else min(max(span.low, kind.low), mean),
            "high": None if span is None else max(min(span.high, kind.high), mean),
            "interval": None if span is None else span.how,
            "per_seed": numbers,
            "n_real": first.n_real,
            "n_fake": first.n_fake,
            "rankable": rankable,
            "why": why,
            "influence": None if pulls is None else Influence.of(pulls),
            "bias": _mean([m.bias for m in same]),
        }
        try:
            values.append(Value(**made))
        except ValidationError as error:
            raise SuiteError(f"{first.metric}: was measured and makes no record: {first_fault(error)[1]}") from None
    return values, protocols


def _possible(value: float, kind: Metric, name: str) -> float:
    """The value, brought back where rounding left it a hair outside of what the metric can be.

    Raises:
        SuiteError: it lies further off, which is a fault of the metric and no measurement.
    """
    inside = min(max(value, kind.low), kind.high)
    if not math.isclose(value, inside, rel_tol=ROUNDING, abs_tol=ROUNDING):
        raise SuiteError(f"{name}: {value:.6g} was measured, which it cannot be ({kind.low:g} to {kind.high:g})")
    return inside


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if len(known) == len(values) else None


def _pooled(same: Sequence[Measured], draws: Sequence[EvalPairs]) -> Pulls | None:
    """What faces and references of all seeds pull; a method that invents its faces has one for each drawn photograph."""
    pulls = [m.pulls for m in same if m.pulls is not None]
    if len(pulls) < len(same):
        return None
    faces = [np.array(one.face_rows) for one in draws]
    return pooled(pulls, faces, [np.unique(np.array(one.style_rows)) for one in draws])


def _interval(same: Sequence[Measured], numbers: list[float], pulls: Pulls | None) -> tuple[Interval | None, str, bool]:
    """The interval, and of the seed that is least fit to be ranked why it is not."""
    first = next((m for m in same if not m.rankable), same[0])
    if pulls is not None:
        return interval(float(np.mean(numbers)), pulls), first.why, first.rankable
    if len(numbers) >= 3:
        unsure = first.why in UNSURE_ALONE
        return over_seeds(numbers), "" if unsure else first.why, unsure or first.rankable
    known = [m.interval for m in same if m.interval is not None]
    if len(known) < len(same):
        return None, first.why, first.rankable
    low, high = min(i.low for i in known), max(i.high for i in known)
    return Interval(low, high, known[0].how), first.why, first.rankable
