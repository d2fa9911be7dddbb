"""Settings of layer swapping: which face model is fine-tuned on art, its shape, rates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import Field

from baselines.settings import BaselineSettings
from models.training.grouped_settings import GroupedSettings


class ToonifySettings(GroupedSettings, BaselineSettings):
    """StyleGAN2's losses (Karras et al. 2020) on art, from a trained face model; layers are swapped when it is used.

    Attributes:
        start: the face model, a file with a StyleGAN2 or BlendGAN generator, or a name of the registry of weights; a
            discriminator in the same file is taken over, else D starts anew.
        style_dim, n_mlp, widths: the model's shape, feature maps from 4 px up; a run takes them from `start`. No widths:
            configuration F.
        r1_gamma, r1_every: R1 penalty and how many steps lie between two of them.
        ema: of the averaged generator, a step.
    """

    starts: ClassVar[Mapping[str, str]] = {"start": "stylegan2-ffhq"}
    power_of_two: ClassVar[bool] = True
    reads: ClassVar[tuple[str, ...]] = ("art",)

    # StyleGAN2's weights have five axes; its operators choose their own layout.
    channels_last: Literal[False] = False
    start: str = "stylegan2-ffhq"
    style_dim: int = Field(default=512, ge=1)
    n_mlp: int = Field(default=8, ge=1)
    widths: list[int] = Field(default_factory=list)
    r1_gamma: float = Field(default=10.0, ge=0)
    r1_every: int = Field(default=16, ge=1)
    lr: float = Field(default=2e-3, gt=0)
    ema: float = Field(default=0.998, ge=0, lt=1)
