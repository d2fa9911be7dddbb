"""`Method` of MUNIT."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from baselines.adapter import ImageMethod
from baselines.munit.settings import MunitSettings
from baselines.training_module import Networks
from models.rng import seeded_normal


class Munit(ImageMethod):
    """Latent-guided (s ~ N(0, I)) and reference-guided (the style encoder of domain b).

    Args:
        networks: `gen_a` and `gen_b`.
        resolution: side of the pictures.
    """

    modes = frozenset({"latent", "reference"})

    def __init__(self, parts: Networks, resolution: int = 256, trained: bool = True) -> None:
        self.gen_a, self.gen_b = parts["gen_a"], parts["gen_b"]
        self.resolution = resolution
        self.name = "MUNIT" if trained else "MUNIT (untrained)"

    def _latent(self, images: Tensor, seeds: list[int]) -> Tensor:
        last = self.gen_b.enc_style.model[-1]
        style = seeded_normal(seeds, (last.out_channels, 1, 1), images.device, "style")
        return self.gen_b.decode(self.gen_a.enc_content(images), style)

    def _reference(self, images: Tensor, style: Tensor, seeds: list[int]) -> Tensor:
        return self.gen_b.decode(self.gen_a.enc_content(images), self.gen_b.enc_style(style))


def method(parts: Networks, settings: MunitSettings, **options: Any) -> Munit:
    """The adapter over loaded networks."""
    return Munit(parts, settings.size, **options)
