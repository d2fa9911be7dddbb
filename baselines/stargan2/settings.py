"""Settings of StarGAN v2: architecture, loss weights, rates. Defaults are the authors'."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from baselines.settings import AveragedSettings


class StarGan2Settings(AveragedSettings):
    """github.com/clovaai/stargan-v2, main.py; half of the pictures go through a resized crop (`randcrop_prob`).

    `base` 0 means the published width 2^14 / size.
    """

    power_of_two: ClassVar[bool] = True

    resized_crop: float = Field(default=0.5, ge=0, le=1)
    latent: int = Field(default=16, ge=1)
    style_dim: int = Field(default=64, ge=1)
    hidden: int = Field(default=512, ge=8)
    domains: int = Field(default=2, ge=2)
    widest: int = Field(default=512, ge=8)
    base: int = Field(default=0, ge=0)
    w_hpf: float = Field(default=0.0, ge=0)
    fan_weights: str = ""
    lambda_reg: float = 1.0
    lambda_sty: float = 1.0
    lambda_ds: float = 1.0
    lambda_cyc: float = 1.0
    ds_steps: int = Field(default=100_000, ge=1)
    lr: float = Field(default=1e-4, gt=0)
    lr_mapping: float = Field(default=1e-6, gt=0)
    target: int = Field(default=1, ge=0)
