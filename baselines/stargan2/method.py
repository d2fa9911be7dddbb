"""`Method` of StarGAN v2."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from baselines.adapter import ImageMethod
from baselines.stargan2.networks import masks_of
from baselines.stargan2.settings import StarGan2Settings
from baselines.training_module import Networks
from models.rng import seeded_normal
from suite.errors import SuiteError
from suite.profiles import Settings


class Options(Settings):
    """What `--option` takes; see `StarGan2`."""

    target: int = 1


class StarGan2(ImageMethod):
    """Latent-guided (the mapping network) and reference-guided (the style encoder) towards one domain.

    Args:
        networks: `generator`, `mapping_network`, `style_encoder` (moving averages), and `fan` where `w_hpf > 0`.
        resolution: side of the pictures; fixed by the style encoder.
        target: domain number to translate to.
    """

    modes = frozenset({"latent", "reference"})

    def __init__(
        self, parts: Networks, resolution: int = 256, latent: int = 16, target: int = 1, trained: bool = True
    ) -> None:
        domains = len(parts["style_encoder"].unshared)
        if not 0 <= target < domains:
            raise SuiteError(f"--option target={target}: this model has domains 0 to {domains - 1}")
        if hasattr(parts["generator"], "hpf") and "fan" not in parts:
            raise SuiteError("--weights: w_hpf > 0 needs the landmark network `fan`; give --set fan_weights=wing.ckpt")
        self.parts = parts
        self.resolution = self.least = self.divisor = resolution
        self.latent, self.target = latent, target
        self.name = "StarGAN v2" if trained else "StarGAN v2 (untrained)"

    def _faces(self, face: Any) -> Tensor:
        images = super()._faces(face)
        if images.shape[-1] != self.resolution:
            raise SuiteError(f"{self.name}: faces are {images.shape[-1]} px; this model takes {self.resolution} only")
        return images

    def _styles(self, style: Tensor, count: int) -> Tensor:
        if style.shape[-2:] != (self.resolution, self.resolution):
            raise SuiteError(
                f"--style: {tuple(style.shape[-2:])} px; this model's style encoder takes {self.resolution}"
            )
        return super()._styles(style, count)

    def _domain(self, images: Tensor) -> Tensor:
        return torch.full((len(images),), self.target, dtype=torch.long, device=images.device)

    def _latent(self, images: Tensor, seeds: list[int]) -> Tensor:
        z = seeded_normal(seeds, (self.latent,), images.device, "style")
        return self._made(images, self.parts["mapping_network"](z, self._domain(images)))

    def _reference(self, images: Tensor, style: Tensor, seeds: list[int]) -> Tensor:
        return self._made(images, self.parts["style_encoder"](style, self._domain(images)))

    def _made(self, images: Tensor, code: Tensor) -> Tensor:
        # The generator ends without a bound; the published code clamps where it writes pictures.
        return self.parts["generator"](images, code, masks_of(self.parts, images)).clamp(-1, 1)


def method(parts: Networks, settings: StarGan2Settings, **options: Any) -> StarGan2:
    """The adapter over loaded networks."""
    return StarGan2(parts, settings.size, settings.latent, options.pop("target", settings.target), **options)
