"""95 % confidence intervals from the influence of each face and each reference."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmark.metrics.influence import Pulls
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


def interval(value: float, pulls: Pulls) -> Interval:
    """Student's t with the standard error over faces, and over references where styles come from pictures.

    Other faces and other references of the same kind, and the same real set: it says nothing of the bias that a Fréchet
    distance has at this number of pictures.

    Raises:
        SuiteError: fewer than two faces.
    """
    from scipy import stats

    error = pulls.error()
    half = float(stats.t.ppf((1 + LEVEL) / 2, error.freedom)) * error.value
    faces, references, _ = pulls.shape
    both = f" and {references} references" if references else ""
    return Interval(value - half, value + half, f"Student t over {faces} faces{both}")


def over_seeds(values: Sequence[float]) -> Interval:
    """Student-t interval of the mean of one whole measurement a sampling seed, for numbers that nothing else is known of.

    Raises:
        SuiteError: fewer than three seeds, where the interval says nothing.
    """
    from scipy import stats

    if len(values) < 3:
        raise SuiteError(f"interval: {len(values)} sampling seeds; an interval over seeds needs at least 3")
    middle, spread = float(np.mean(values)), float(np.std(values, ddof=1)) / math.sqrt(len(values))
    half = float(stats.t.ppf((1 + LEVEL) / 2, len(values) - 1)) * spread
    return Interval(middle - half, middle + half, f"Student t over {len(values)} sampling seeds")
