"""How sure a number is: bootstrap intervals over faces, spread over sampling seeds, ranks where intervals separate."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from suite.errors import SuiteError

LEVEL = 0.95


@dataclass(frozen=True)
class Interval:
    """A 95% interval.

    Attributes:
        low, high: its ends.
        how: how it was found, for the record.
    """

    low: float
    high: float
    how: str


def bootstrap(values: Sequence[float] | np.ndarray, draws: int = 2000, seed: int = 0) -> Interval:
    """Percentile bootstrap of a mean over independent units: one value a face, since a face's styles are not independent.

    Raises:
        SuiteError: fewer than two values.
    """
    units = np.asarray(values, dtype=np.float64)
    if len(units) < 2:
        raise SuiteError(f"interval: needs at least 2 faces, got {len(units)}")
    rng = np.random.default_rng(seed)
    counts = rng.multinomial(len(units), np.full(len(units), 1 / len(units)), size=draws)
    means = counts @ units / len(units)
    low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(low), float(high), f"bootstrap over {len(units)} faces")


def from_influence(
    value: float, influence: Sequence[float] | np.ndarray, groups: Sequence[int] | np.ndarray
) -> Interval:
    """Interval of a statistic from its influence values (N,), summed inside `groups` (N,) of dependent pictures.

    The groups' sums have mean about 0; the standard error is `sqrt(G / (G - 1) * sum(sum_g^2)) / N`.
    """
    values, labels = np.asarray(influence, dtype=np.float64), np.asarray(groups)
    _, index = np.unique(labels, return_inverse=True)
    sums = np.bincount(index, weights=values)
    count = len(sums)
    if count < 2:
        raise SuiteError(f"interval: needs at least 2 faces, got {count}")
    error = math.sqrt(count / (count - 1) * float(np.sum(sums**2))) / len(values)
    return Interval(value - 1.96 * error, value + 1.96 * error, f"infinitesimal jackknife over {count} faces")


def jackknife(value: float, without: Sequence[float] | np.ndarray) -> Interval:
    """Interval of a statistic from its values with one face left out each (Efron & Stein 1981, delete-one jackknife).

    For shares over nearest neighbours, where a bootstrap's repeated pictures would be neighbours of themselves.
    """
    left = np.asarray(without, dtype=np.float64)
    count = len(left)
    if count < 2:
        raise SuiteError(f"interval: needs at least 2 faces, got {count}")
    error = math.sqrt((count - 1) / count * float(np.sum((left - left.mean()) ** 2)))
    return Interval(value - 1.96 * error, value + 1.96 * error, f"jackknife over {count} faces")


def over_seeds(values: Sequence[float]) -> Interval:
    """Student-t interval of the mean of one whole measurement a sampling seed.

    Raises:
        SuiteError: fewer than three seeds, where the interval says nothing.
    """
    from scipy import stats

    if len(values) < 3:
        raise SuiteError(f"interval: {len(values)} sampling seeds; an interval over seeds needs at least 3")
    middle, spread = float(np.mean(values)), float(np.std(values, ddof=1)) / math.sqrt(len(values))
    half = float(stats.t.ppf((1 + LEVEL) / 2, len(values) - 1)) * spread
    return Interval(middle - half, middle + half, f"Student t over {len(values)} sampling seeds")


def ranks(intervals: Sequence[Interval | None], higher_is_better: bool) -> list[str]:
    """A rank for each, only as sharp as the intervals allow: `"1"`, `"2-3"`, and `""` where there is no interval.

    A method is ahead of another only if their intervals do not overlap.
    """
    out = []
    for mine in intervals:
        if mine is None:
            out.append("")
            continue
        rest = [other for other in intervals if other is not None and other is not mine]
        above = sum(_ahead(other, mine, higher_is_better) for other in rest)
        below = sum(_ahead(mine, other, higher_is_better) for other in rest)
        best, worst = above + 1, len(rest) + 1 - below
        out.append(str(best) if best == worst else f"{best}-{worst}")
    return out


def _ahead(a: Interval, b: Interval, higher_is_better: bool) -> bool:
    return a.low > b.high if higher_is_better else a.high < b.low
