"""`Method` of AdaIN: reference-guided only, with a strength, kept colours and mixes of styles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from pydantic import Field
from torch import Tensor

from baselines.adain.networks import adain, coral, encoder_of, features, interpolate
from baselines.adain.settings import AdaInSettings
from baselines.adapter import ImageMethod
from baselines.training_module import Networks
from suite.errors import SuiteError
from suite.profiles import Settings


class Options(Settings):
    """What `--option` takes; see `AdaIn`."""

    alpha: float = 1.0
    preserve_colour: bool = False
    mix: list[float] | None = Field(default=None, min_length=1)


class AdaIn(ImageMethod):
    """Reference-guided only.

    Args:
        networks: `vgg` or `lite0`, and `decoder`.
        resolution: side of the pictures.
        alpha: strength of the style in [0, 1] (Eq. 14).
        preserve_colour: recolour each style by its face first (`coral`).
        mix: weights of several styles a face (normalised here), which then come as (N, K, 3, S, S).
    """

    name = "AdaIN"
    modes = frozenset({"reference"})
    divisor = 8

    def __init__(
        self,
        networks: Networks,
        resolution: int = 512,
        alpha: float = 1.0,
        preserve_colour: bool = False,
        mix: Sequence[float] | None = None,
        trained: bool = True,
    ) -> None:
        if not 0 <= alpha <= 1:
            raise SuiteError(f"--option alpha={alpha}: expected a strength from 0 (the face) to 1 (the style)")
        if mix is not None and (min(mix) < 0 or not sum(mix) > 0):
            raise SuiteError(f"--option mix={list(mix)}: expected weights of at least 0, one of them above it")
        self.encoder = encoder_of(networks)
        self.decoder = networks["decoder"]
        self.resolution, self.alpha, self.preserve_colour = resolution, alpha, preserve_colour
        self.mix = None if mix is None else [w / sum(mix) for w in mix]
        self.name = "AdaIN" if trained else "AdaIN (untrained)"

    def _styles(self, style: Tensor, count: int) -> Tensor:
        if style.ndim == 5:
            if self.mix is None or style.shape[1] != len(self.mix):
                raise SuiteError(f"--style: {style.shape[1]} styles a face need --option mix with as many weights")
            super()._styles(style.flatten(0, 1), count * len(self.mix))
            return style
        return super()._styles(style, count)

    def _reference(self, images: Tensor, style: Tensor, seeds: list[int]) -> Tensor:
        images, style = images / 2 + 0.5, style / 2 + 0.5
        if self.preserve_colour:
            style = torch.stack([self._recoloured(one, face) for one, face in zip(style, images)])
        content = self.encoded(images)
        if style.ndim == 5 and self.mix is not None:
            rows = [
                interpolate(c[None], self.encoded(several), self.mix, self.alpha) for c, several in zip(content, style)
            ]
            return self.decoder(torch.cat(rows)) * 2 - 1
        return self.decoder(adain(content, self.encoded(style), self.alpha)) * 2 - 1

    def encoded(self, pictures: Tensor) -> Tensor:
        """The features that AdaIN mixes, of pictures in [0, 1]."""
        return features(self.encoder, pictures)[-1]

    @staticmethod
    def _recoloured(style: Tensor, face: Tensor) -> Tensor:
        return coral(style, face) if style.ndim == 3 else torch.stack([coral(one, face) for one in style])


def method(parts: Networks, settings: AdaInSettings, **options: Any) -> AdaIn:
    """The adapter over loaded networks."""
    return AdaIn(parts, settings.size, options.pop("alpha", settings.alpha), **options)
