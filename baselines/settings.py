"""Settings that all trainable baselines share; each has its own in `baselines/<name>/settings.py`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import Field

from models.training.settings import LoopSettings, ramped


class BaselineSettings(LoopSettings):
    """What all five have beyond the shared loop; the channels-last layout is theirs by default, for speed.

    Attributes:
        crop_from: the pictures are read at `crop_from` times `size`, and a random square of `size` is cut from each.
        resized_crop: with this probability a random part of a picture (80 to 100 % of its area, nearly square) is
            stretched to the whole.
        art_domains: 1 trains photo -> art; more splits the art by style (the paper is silent on which it did).
        art_labels: where several art domains come from: the release's own `style` column, or k-means over colour and
            texture statistics of the pictures. The choice is part of the run's record.
    """

    # Setting -> short name of the published weights that it takes (`models/weights/registry.toml`).
    starts: ClassVar[Mapping[str, str]] = {}

    # The domains whose pictures a training reads.
    reads: ClassVar[tuple[str, ...]] = ("photo", "art")

    channels_last: bool = True
    crop_from: float = Field(default=1.0, ge=1, le=4)
    resized_crop: float = Field(default=0.0, ge=0, le=1)
    art_domains: int = Field(default=1, ge=1, le=256)
    art_labels: Literal["style", "kmeans"] = "kmeans"

    @property
    def load_size(self) -> int:
        """Side at which the pictures are read, before the random crop."""
        return round(self.size * self.crop_from)


class GameSettings(BaselineSettings):
    """Of the methods that train against discriminators.

    Attributes:
        warmup_steps: before the games, so many steps of the method's own self-reconstruction alone: each takes a fraction of a
            whole step's time, and the games begin with networks that draw faces. Where a method has one auto-encoder a domain
            (MUNIT, DRIT++), one learns both domains and is copied to the other, so that the games begin with contents that
            both understand. 0 as published.
        warmup_rate: what learning rates are multiplied by meanwhile.
        warmup_momentum: Adam's first beta meanwhile; 0 keeps the games' own, which are low for games' sake.
    """

    warmup_steps: int = Field(default=0, ge=0)
    warmup_rate: float = Field(default=1.0, gt=0)
    warmup_momentum: float = Field(default=0.0, ge=0, lt=1)

    def warms_up(self, step: int) -> bool:
        """Whether `step` (0, 1, ...) comes before the games."""
        return step < self.warmup_steps


class AveragedSettings(GameSettings):
    """Of the methods that answer with a moving average of their networks.

    Attributes:
        ema: what the average keeps of itself in a step.
        ema_ramp: in the first steps it keeps less, so that its half-life is at most this share of the steps done; 0 keeps `ema`
            from the start, as published. StyleGAN2-ADA has 0.05.
    """

    ema: float = Field(default=0.999, ge=0, lt=1)
    ema_ramp: float = Field(default=0.0, ge=0, le=1)

    def ema_at(self, step: int) -> float:
        """What the average keeps at `step` (0, 1, ...); nothing at the first where there is a ramp."""
        return ramped(self.ema, self.ema_ramp, step)
