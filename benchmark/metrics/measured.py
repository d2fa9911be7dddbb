"""Input and output of metrics over sets: features in, measured numbers out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np

from benchmark.metrics.confidence import Interval
from benchmark.metrics.gaussian import Gaussian
from benchmark.metrics.influence import Pulls, of_pictures

T = TypeVar("T")


@dataclass(frozen=True)
class FeatureSets:
    """The features of one extractor, all that a metric over sets is handed.

    Attributes:
        extractor: its name, as metrics print it in brackets.
        distance, kernel_distance: what the extractor calls a Fréchet and a kernel distance of its features.
        depends: what the features depend on, for the protocol.
        real, fake: (N, D) and (M, D) float32, memory-mapped; no real ones where a reference pack leaves them out.
        sample: (S, D) rows of `real` that kernel distances look at; None: all of them.
        faces: (M,) the face that each generated picture is of.
        references: (M,) the reference that each answers; None where styles come from seeds.
        real_fit, fake_fit: the Gaussians fitted to them; None where no metric needs them.
        train, held: features of training and of held-out artistic faces, or None.
        k: neighbours that precision, recall, density and coverage look at.
        kept: what metrics found out about the real side alone; all cells of a reproduction share it.
    """

    extractor: str
    distance: str
    kernel_distance: str
    depends: dict[str, Any]
    real: np.ndarray | None
    fake: np.ndarray
    faces: np.ndarray
    real_fit: Gaussian | None = None
    fake_fit: Gaussian | None = None
    train: np.ndarray | None = None
    held: np.ndarray | None = None
    k: int = 5
    references: np.ndarray | None = None
    sample: np.ndarray | None = None
    kept: dict[str, Any] = field(default_factory=dict)

    @property
    def kernel_real(self) -> np.ndarray:
        """The real features that kernel distances look at."""
        features = self.real if self.sample is None else self.sample
        assert features is not None
        return features

    def pulls(self, influence: np.ndarray) -> Pulls:
        """What faces, references and pictures contribute to a number with this influence (M,)."""
        return of_pictures(influence, self.faces, self.references)

    def once(self, name: str, compute: Callable[[], T]) -> T:
        """`compute()` of the real side, by a name that says all that it depends on; computed for the first cell alone."""
        if name not in self.kept:
            self.kept[name] = compute()
        value: T = self.kept[name]
        return value


@dataclass(frozen=True)
class Measured:
    """One number before it becomes a record's value.

    Attributes:
        interval: None where `pulls` say it, or where there is none.
        pulls: what each face, reference and picture contributes.
        bias: about how much of the value is due to the finite number of pictures, where that is known.
    """

    metric: str
    value: float
    interval: Interval | None
    n_real: int
    n_fake: int
    why: str = ""
    rankable: bool = True
    depends: dict[str, Any] = field(default_factory=dict)
    pulls: Pulls | None = None
    bias: float | None = None
