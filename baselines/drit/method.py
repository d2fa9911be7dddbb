"""`Method` of two-domain DRIT++."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from baselines.adapter import ImageMethod
from baselines.drit.networks import attribute
from baselines.drit.settings import DritSettings
from baselines.training_module import Networks
from models.rng import seeded_normal


class Drit(ImageMethod):
    """Latent-guided (z ~ N(0, I)) and reference-guided; in the concat form the reference's code is *sampled* with the seeds.

    Args:
        networks: `enc_c`, `enc_a` and `gen`.
        resolution: side of the pictures (216 of 256 published).
    """

    modes = frozenset({"latent", "reference"})
    least = 24

    def __init__(self, parts: Networks, resolution: int = 216, latent: int = 8, trained: bool = True) -> None:
        self.enc_c, self.enc_a, self.gen = parts["enc_c"], parts["enc_a"], parts["gen"]
        self.resolution, self.latent = resolution, latent
        self.name = "DRIT++" if trained else "DRIT++ (untrained)"

    def _latent(self, images: Tensor, seeds: list[int]) -> Tensor:
        code = seeded_normal(seeds, (self.latent,), images.device, "style")
        return self.gen.into("b", self.enc_c.of("a", images), code)

    def _reference(self, images: Tensor, style: Tensor, seeds: list[int]) -> Tensor:
        noise = seeded_normal(seeds, (self.latent,), images.device, "style")
        return self.gen.into("b", self.enc_c.of("a", images), attribute(self.enc_a, "b", style, noise)[0])


def method(parts: Networks, settings: DritSettings, **options: Any) -> Drit:
    """The adapter over loaded networks."""
    return Drit(parts, settings.size, settings.latent, **options)
