"""`Method` of multi-domain DRIT++."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from baselines.adapter import ImageMethod
from baselines.drit.blocks import (
    sampled,
)
from baselines.mdmm.networks import one_hot
from baselines.mdmm.settings import MdmmSettings
from baselines.training_module import Networks
from models.rng import seeded_normal
from suite.errors import SuiteError
from suite.profiles import Settings


class Options(Settings):
    """What `--option` takes; see `Mdmm`."""

    target: int = 1


class Mdmm(ImageMethod):
    """Latent-guided and reference-guided towards one art domain.

    Args:
        networks: `enc_c`, `enc_a` and `gen`.
        resolution: side of the pictures (216 published).
        target: the art domain to translate to, 1 .. domains - 1.
    """

    modes = frozenset({"latent", "reference"})
    least = 24

    def __init__(
        self,
        parts: Networks,
        resolution: int = 216,
        latent: int = 8,
        domains: int = 3,
        target: int = 1,
        trained: bool = True,
    ) -> None:
        if not 0 <= target < domains:
            raise SuiteError(f"--option target={target}: this model has domains 0 to {domains - 1}; 0 is photo")
        self.enc_c, self.enc_a, self.gen = parts["enc_c"], parts["enc_a"], parts["gen"]
        self.resolution, self.latent, self.domains, self.target = resolution, latent, domains, target
        self.name = "DRIT++ multi-domain" if trained else "DRIT++ multi-domain (untrained)"

    def _domain(self, images: Tensor) -> Tensor:
        index = torch.full((len(images),), self.target, dtype=torch.long, device=images.device)
        return one_hot(index, self.domains)

    def _latent(self, images: Tensor, seeds: list[int]) -> Tensor:
        code = seeded_normal(seeds, (self.latent,), images.device, "style")
        return self.gen(self.enc_c(images), code, self._domain(images))

    def _reference(self, images: Tensor, style: Tensor, seeds: list[int]) -> Tensor:
        domain = self._domain(images)
        moments = self.enc_a(style, domain)
        code = moments[0]
        if len(moments) == 2:
            code = sampled(moments, seeded_normal(seeds, (self.latent,), images.device, "style"))
        return self.gen(self.enc_c(images), code, domain)


def method(parts: Networks, settings: MdmmSettings, **options: Any) -> Mdmm:
    """The adapter over loaded networks."""
    return Mdmm(parts, settings.size, settings.latent, settings.domains, **options)
