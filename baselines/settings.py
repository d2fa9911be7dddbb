"""Settings that all trainable baselines share; each has its own in `baselines/<name>/settings.py`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import Field

from models.training.settings import LoopSettings


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

    channels_last: bool = True
    crop_from: float = Field(default=1.0, ge=1, le=4)
    resized_crop: float = Field(default=0.0, ge=0, le=1)
    art_domains: int = Field(default=1, ge=1, le=256)
    art_labels: Literal["style", "kmeans"] = "kmeans"

    @property
    def load_size(self) -> int:
        """Side at which the pictures are read, before the random crop."""
        return round(self.size * self.crop_from)
