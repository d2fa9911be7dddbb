"""`Method` of FUNIT."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from baselines.adapter import ImageMethod
from baselines.funit.settings import FunitSettings
from baselines.training_module import Networks
from models.rng import seeded_normal


class Funit(ImageMethod):
    """Reference-guided with K pictures a face, (N, 3, S, S) or (N, K, 3, S, S); latent-guided by random class codes.

    FUNIT has no prior over codes: the latent mode feeds N(0, I) codes to its decoder, as the BlendGAN paper did for
    Table 2.

    Args:
        networks: `gen_test`, the moving average.
        resolution: side of the pictures.
    """

    modes = frozenset({"latent", "reference"})
    divisor = 8
    least = 32

    def __init__(self, parts: Networks, resolution: int = 128, trained: bool = True) -> None:
        self.gen = parts["gen_test"]
        self.resolution = resolution
        self.name = "FUNIT" if trained else "FUNIT (untrained)"

    def _styles(self, style: Tensor, count: int) -> Tensor:
        if style.ndim == 5:
            super()._styles(style.flatten(0, 1), count * style.shape[1])
            return style
        return super()._styles(style, count)[:, None]

    def _latent(self, images: Tensor, seeds: list[int]) -> Tensor:
        code = seeded_normal(seeds, (self.gen.latent_dim, 1, 1), images.device, "style")
        return self.gen.decode(self.gen.enc_content(images), code)

    def _reference(self, images: Tensor, style: Tensor, seeds: list[int]) -> Tensor:
        shots = style if style.ndim == 5 else style[:, None]
        return self.gen.decode(self.gen.enc_content(images), self.gen.class_code(shots))


def method(parts: Networks, settings: FunitSettings, **options: Any) -> Funit:
    """The adapter over loaded networks."""
    return Funit(parts, settings.size, **options)
