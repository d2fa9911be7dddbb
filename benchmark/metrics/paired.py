"""Two methods on the same faces and references: the difference of their numbers, and who can be told from whom.

Both answer the same pairs, so what a hard face or an odd reference does to both cancels; intervals side by side do not see
that, and leave apart only what lies far apart.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmark.metrics.confidence import LEVEL, Interval
from benchmark.metrics.influence import Pulls

ALPHA = 1 - LEVEL
# The chance with which a planned number of faces shows a difference that is there.
POWER = 0.8


@dataclass(frozen=True)
class Difference:
    """A paired difference, first less second.

    Attributes:
        low, high: its 95 % interval.
        p: the chance of so large a difference where there is none, two-sided, for this comparison alone.
    """

    value: float
    low: float
    high: float
    p: float


def difference(first: float, second: float, of_first: Pulls, of_second: Pulls) -> Difference:
    """Student's t on the paired pulls.

    Raises:
        SuiteError: other faces or references.
    """
    from scipy import stats

    gap, error = first - second, (of_first - of_second).error()
    half = float(stats.t.ppf((1 + LEVEL) / 2, error.freedom)) * error.value
    if error.value == 0:
        return Difference(gap, gap, gap, 1.0 if gap == 0 else 0.0)
    p = 2 * float(stats.t.sf(abs(gap) / error.value, error.freedom))
    return Difference(gap, gap - half, gap + half, p)


def holm(chances: Sequence[float]) -> list[float]:
    """The chances corrected for their number (Holm 1979): at most `ALPHA` of such tables hold any false difference."""
    order = np.argsort(np.asarray(chances), kind="stable")
    adjusted, largest = [1.0] * len(chances), 0.0
    for place, index in enumerate(order):
        largest = max(largest, min(1.0, (len(chances) - place) * chances[int(index)]))
        adjusted[int(index)] = largest
    return adjusted


def faces_needed(gap: float, of_first: Pulls, of_second: Pulls) -> int:
    """How many faces show a difference of `gap` with a chance of `POWER`, references growing alike."""
    return max(2, math.ceil(len(of_first.faces) * (shown_gap(of_first, of_second) / gap) ** 2))


def shown_gap(of_first: Pulls, of_second: Pulls) -> float:
    """The difference that these faces show with a chance of `POWER`."""
    from scipy import stats

    reach = float(stats.norm.ppf(1 - ALPHA / 2) + stats.norm.ppf(POWER))
    return reach * (of_first - of_second).error().value


@dataclass(frozen=True)
class Ranked:
    """One number of a column that is ranked.

    Attributes:
        interval: None keeps it out of the ranking.
        pulls: None in records that do not say; then intervals are compared.
    """

    value: float
    interval: Interval | None
    pulls: Pulls | None = None


def apart(numbers: Sequence[Ranked]) -> np.ndarray:
    """(N, N) bool: which two can be told apart, at `ALPHA` for the whole column.

    By the paired test where both say what their faces pull, corrected for all pairs; else where the intervals do not overlap.
    """
    count = len(numbers)
    differ = np.zeros((count, count), dtype=bool)
    places, chances = [], []
    for i in range(count):
        for j in range(i):
            one, two = numbers[i], numbers[j]
            if one.interval is None or two.interval is None:
                continue
            if one.pulls is not None and two.pulls is not None and one.pulls.shape == two.pulls.shape:
                places.append((i, j))
                chances.append(difference(one.value, two.value, one.pulls, two.pulls).p)
            else:
                separate = one.interval.low > two.interval.high or one.interval.high < two.interval.low
                differ[i, j] = differ[j, i] = separate
    for (i, j), chance in zip(places, holm(chances)):
        differ[i, j] = differ[j, i] = chance < ALPHA
    return differ


def ranks(numbers: Sequence[Ranked], higher_is_better: bool) -> list[str]:
    """A rank for each, only as sharp as the numbers allow: `"1"`, `"2-3 a"`, and `""` where there is no interval.

    Those that share a letter cannot be told apart.
    """
    separate = apart(numbers)
    inside = [k for k, one in enumerate(numbers) if one.interval is not None]
    sign = 1 if higher_is_better else -1
    letters = shared_letters(sorted(inside, key=lambda k: -sign * numbers[k].value), separate)
    out = [""] * len(numbers)
    for mine in inside:
        rest = [other for other in inside if separate[mine, other]]
        best = 1 + sum(sign * numbers[other].value > sign * numbers[mine].value for other in rest)
        worst = len(inside) - sum(sign * numbers[other].value < sign * numbers[mine].value for other in rest)
        span = str(best) if best == worst else f"{best}-{worst}"
        out[mine] = f"{span} {letters[mine]}".rstrip()
    return out


def shared_letters(order: Sequence[int], separate: np.ndarray) -> dict[int, str]:
    """Letters for the members of `order`: two share one just where they are not separate (Piepho 2004, insert and absorb).

    A member that is separate from all others has no letter.
    """
    groups: list[frozenset[int]] = [frozenset(order)]
    for i, one in enumerate(order):
        for two in order[:i]:
            if separate[one, two]:
                split = [part for group in groups for part in _without_both(group, one, two)]
                groups = [
                    g for k, g in enumerate(split) if not any(g < h or (g == h and k > n) for n, h in enumerate(split))
                ]
    shared = [group for group in groups if len(group) > 1]
    shared.sort(key=lambda group: sorted(order.index(member) for member in group))
    return {member: "".join(_letter(k) for k, group in enumerate(shared) if member in group) for member in order}


def _without_both(group: frozenset[int], one: int, two: int) -> list[frozenset[int]]:
    return [group - {one}, group - {two}] if {one, two} <= group else [group]


def _letter(place: int) -> str:
    return chr(ord("a") + place % 26) + (str(place // 26) if place >= 26 else "")
