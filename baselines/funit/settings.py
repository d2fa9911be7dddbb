"""Settings of FUNIT: architecture, loss weights, rates. Defaults are the authors'."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from baselines.settings import AveragedSettings


class FunitSettings(AveragedSettings):
    """github.com/NVlabs/FUNIT, configs/funit_animals.yaml: crops of 128 from 140 px.

    `classes` follows from the domains in training here.
    """

    size_unit: ClassVar[int] = 8

    crop_from: float = Field(default=140 / 128, ge=1, le=4)
    dim: int = Field(default=64, ge=4)
    mlp_dim: int = Field(default=256, ge=8)
    latent_dim: int = Field(default=64, ge=2)
    blocks: int = Field(default=2, ge=1)
    downs_content: int = Field(default=3, ge=1)
    downs_class: int = Field(default=4, ge=2)
    mlp_layers: int = Field(default=3, ge=2)
    dis_dim: int = Field(default=64, ge=4)
    dis_blocks: int = Field(default=10, ge=2, multiple_of=2)
    dis_widest: int = Field(default=1024, ge=8)
    classes: int = Field(default=2, ge=2)
    gan_w: float = 1.0
    recon_w: float = 0.1
    feature_w: float = 1.0
    penalty_w: float = 10.0
    lr: float = Field(default=1e-4, gt=0)
