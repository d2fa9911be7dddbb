"""Watch a training run for non-finite numbers, a collapsed discriminator and a starved data loader."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

MOST_WAITING = 0.2
COLLAPSE_LOSS = 1e-3
SMOOTHING = 0.98
WARM_UP = 200


@dataclass
class TrainingMonitor:
    """Watches the scalars of every step.

    `notice` returns sentences to say, each at most once a run. A discriminator is called collapsed when the smoothed value
    of its loss (a scalar whose name starts with `d_` and holds `loss`) falls below 0.001: it no longer teaches.
    """

    steps: int = 0
    smooth: dict[str, float] = field(default_factory=dict)
    reported: set[str] = field(default_factory=set)

    def broken(self, scalars: Mapping[str, float]) -> list[str]:
        """Names of the scalars that are not finite."""
        return [name for name, value in scalars.items() if not math.isfinite(value)]

    def notice(self, scalars: Mapping[str, float], waited: float, took: float) -> list[str]:
        """Sentences about this step, given its seconds and how many of them were spent waiting for pictures."""
        self.steps += 1
        self._average("waiting", waited / max(took, 1e-9))
        for name, value in scalars.items():
            if name.startswith("d_") and "loss" in name:
                self._average(name, value)
        if self.steps < WARM_UP:
            return []
        sentences = [
            (
                name,
                f"{name} has fallen to {value:.2g}: this discriminator has collapsed (try more data or augmentation)",
            )
            for name, value in self.smooth.items()
            if name != "waiting" and value < COLLAPSE_LOSS
        ]
        share = self.smooth["waiting"]
        if share > MOST_WAITING:
            sentences.append(
                ("waiting", f"{share:.0%} of the time is spent waiting for pictures: a faster disk or more workers")
            )
        fresh = [(key, text) for key, text in sentences if key not in self.reported]
        self.reported |= {key for key, _ in fresh}
        return [text for _, text in fresh]

    def _average(self, name: str, value: float) -> None:
        self.smooth[name] = SMOOTHING * self.smooth.get(name, value) + (1 - SMOOTHING) * value
