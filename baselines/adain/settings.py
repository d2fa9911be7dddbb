"""Settings of AdaIN: architecture, loss weights, rates. Defaults are the authors'."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import Field

from baselines.settings import BaselineSettings


class AdaInSettings(BaselineSettings):
    """github.com/naoto0804/pytorch-AdaIN, train.py: crops of 256 from 512 px, no mirroring.

    `encoder` "normalised" is the published VGG, from `vgg_weights` or the weights folder; "random" trains a decoder for
    features that nobody trained, "lite0" takes the first maps of EfficientNet-Lite0, whose ImageNet weights come by pip: both
    without any download. `width` is the VGG's widest layer (512 in the normalised VGG), for "lite0" the decoder's.
    `init` "torch" starts the decoder as published; "he" starts it at the scale of its features, for runs of minutes.
    """

    starts: ClassVar[Mapping[str, str]] = {"vgg_weights": "adain-vgg"}

    size_unit: ClassVar[int] = 8

    crop_from: float = Field(default=2.0, ge=1, le=4)
    flip: bool = False
    width: int = Field(default=512, ge=32, multiple_of=8)
    encoder: Literal["normalised", "random", "lite0"] = "normalised"
    vgg_weights: str = ""
    init: Literal["torch", "he"] = "torch"
    content_weight: float = Field(default=1.0, ge=0)
    style_weight: float = Field(default=10.0, ge=0)
    lr: float = Field(default=1e-4, gt=0)
    lr_decay: float = Field(default=5e-5, ge=0)
    alpha: float = Field(default=1.0, ge=0, le=1)
