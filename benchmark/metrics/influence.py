"""Influence of each face, reference and picture on a number, from which intervals and paired tests are computed.

A number over F x K pictures is crossed: a face's pictures share the face, a reference's pictures share the reference, and
neither are independent. With `c` the pull of each picture on the number, summed over a face, over a reference, or taken
alone, the variance is `V_faces + V_references - V_pictures` (Cameron, Gelbach & Miller 2011, "Robust inference with multiway
clustering", Eq. 2.11; Owen 2007, "The pigeonhole bootstrap", Sec. 4), `V` the sum of squares. For a mean the pulls are exact,
for a distance they are its derivative to a picture's weight (the infinitesimal jackknife, Efron 1982).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from suite.errors import SuiteError

# Most groups that a record keeps of each kind. More faces or references than that share groups, at random with respect to
# what they show: the sums of squares stay unbiased. Of the pictures every so many-th is kept.
MOST_FACES, MOST_REFERENCES, MOST_PICTURES = 1024, 256, 256


@dataclass(frozen=True)
class StandardError:
    """A standard error, and the degrees of freedom that it is known with."""

    value: float
    freedom: float


@dataclass(frozen=True)
class Pulls:
    """Contributions to the deviation of a number, in its units; those of the faces sum to about 0.

    Attributes:
        faces: (F,) float64, one a face.
        references: (R,) float64, one a reference; None where styles come from seeds, one a picture.
        pictures: (m,) float64, of `total` pictures, evenly spaced.
    """

    faces: np.ndarray
    references: np.ndarray | None
    pictures: np.ndarray
    total: int

    def __sub__(self, other: Pulls) -> Pulls:
        """The pulls on the difference of two numbers over the same faces and references.

        Raises:
            SuiteError: other faces or references.
        """
        if self.shape != other.shape:
            raise SuiteError(f"paired: {self.shape} faces, references and pictures do not go with {other.shape}")
        both = None if self.references is None or other.references is None else self.references - other.references
        return Pulls(self.faces - other.faces, both, self.pictures - other.pictures, self.total)

    @property
    def shape(self) -> tuple[int, int, int]:
        """How many faces, references (0: seeds) and kept pictures."""
        return len(self.faces), 0 if self.references is None else len(self.references), len(self.pictures)

    def error(self) -> StandardError:
        """Of the number, as faces and references vary together.

        Raises:
            SuiteError: fewer than two faces.
        """
        of_faces = _squares(self.faces)
        if self.references is None or len(self.references) < 2:
            return StandardError(math.sqrt(of_faces), len(self.faces) - 1)
        of_references = _squares(self.references)
        of_pictures = float(np.sum(self.pictures**2)) * self.total / len(self.pictures)
        # By chance the three can even be negative together; the number is never surer than over faces or references alone.
        variance = max(of_faces + of_references - of_pictures, of_faces, of_references)
        # Satterthwaite 1946: the variance of a sum of variances, each known with its own degrees of freedom.
        spread = of_faces**2 / (len(self.faces) - 1) + of_references**2 / (len(self.references) - 1)
        freedom = variance**2 / spread if spread else len(self.faces) - 1
        return StandardError(math.sqrt(variance), max(1.0, freedom))


def _squares(pulls: np.ndarray) -> float:
    count = len(pulls)
    if count < 2:
        raise SuiteError(f"interval: needs at least 2 faces, got {count}")
    return count / (count - 1) * float(np.sum((pulls - pulls.mean()) ** 2))


def of_pictures(influence: np.ndarray, faces: np.ndarray, references: np.ndarray | None) -> Pulls:
    """Pulls on a mean over pictures, or on a statistic with this derivative.

    Args:
        influence: (M,) deviation of each picture's value from the mean, or the derivative to its weight.
        faces, references: (M,) what each picture is of; they are numbered in rising order.
    """
    shares = np.asarray(influence, dtype=np.float64) / len(influence)
    return Pulls(_sums(shares, faces), None if references is None else _sums(shares, references), shares, len(shares))


def of_faces(values: np.ndarray, references: np.ndarray | None = None) -> Pulls:
    """Pulls on the mean of one value per face (F,), or one per picture (F, K)."""
    each = np.asarray(values, dtype=np.float64)
    if each.ndim == 1:
        styles = 1 if references is None else len(references) // len(each)
        each = np.repeat(each[:, None], styles, 1)
    labels = np.repeat(np.arange(len(each)), each.shape[1])
    return of_pictures((each - each.mean()).ravel(), labels, references)


def of_left_out(value: float, faces: np.ndarray, references: np.ndarray | None, pictures: np.ndarray) -> Pulls:
    """Pulls from the number with one face, one reference or one picture left out each (the jackknife, Efron & Stein 1981).

    For shares over nearest neighbours, which have no derivative.
    """

    def pulls(without: np.ndarray) -> np.ndarray:
        return (len(without) - 1) / len(without) * (value - without)

    sides = None if references is None else pulls(references)
    return Pulls(pulls(faces), sides, pulls(pictures), len(pictures))


def _sums(shares: np.ndarray, labels: np.ndarray) -> np.ndarray:
    return np.bincount(np.unique(labels, return_inverse=True)[1], weights=shares)


def pooled(
    by_seed: Sequence[Pulls], faces: Sequence[np.ndarray], references: Sequence[np.ndarray] | None = None
) -> Pulls:
    """The pulls on the mean of one measurement a sampling seed.

    Args:
        faces: for each seed, (F,) which face each is: the same number in two seeds is the same face.
        references: for each seed, (R,) which reference each is, rising.
    """
    seeds = len(by_seed)
    sides = [one.references for one in by_seed]
    known = None
    if references is not None and all(side is not None for side in sides):
        known = _grouped([side for side in sides if side is not None], references, MOST_REFERENCES)
    pictures = np.concatenate([one.pictures for one in by_seed]) / seeds
    total = sum(one.total for one in by_seed)
    if len(pictures) > MOST_PICTURES:
        pictures = pictures[np.arange(MOST_PICTURES) * len(pictures) // MOST_PICTURES]
    return Pulls(_grouped([one.faces for one in by_seed], faces, MOST_FACES), known, pictures, total)


def _grouped(pulls: Sequence[np.ndarray], which: Sequence[np.ndarray], most: int) -> np.ndarray:
    _, place = np.unique(np.concatenate(which), return_inverse=True)
    return np.bincount(place % most, weights=np.concatenate(pulls) / len(pulls))
