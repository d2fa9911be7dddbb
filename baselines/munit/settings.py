"""Settings of MUNIT: architecture, loss weights, rates. Defaults are the authors'."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import Field

from baselines.settings import GameSettings


class MunitSettings(GameSettings):
    """github.com/NVlabs/MUNIT, configs/edges2handbags_folder.yaml (the repository has none for faces).

    Its crop of 256 from a short side of 256 cuts nothing from square pictures. `activation` is the generators' (`activ` there);
    of a published file only "prelu" shows in the keys, the others must be said.
    """

    starts: ClassVar[Mapping[str, str]] = {"vgg_weights": "vgg19"}

    size_unit: ClassVar[int] = 4

    dim: int = Field(default=64, ge=4)
    mlp_dim: int = Field(default=256, ge=8)
    style_dim: int = Field(default=8, ge=1)
    downs: int = Field(default=2, ge=1)
    blocks: int = Field(default=4, ge=1)
    activation: Literal["relu", "lrelu", "prelu", "selu", "tanh", "none"] = "relu"
    dis_dim: int = Field(default=64, ge=4)
    dis_layers: int = Field(default=4, ge=1)
    dis_scales: int = Field(default=3, ge=1)
    gan: Literal["lsgan", "nsgan"] = "lsgan"
    gan_w: float = 1.0
    recon_x_w: float = 10.0
    recon_s_w: float = 1.0
    recon_c_w: float = 1.0
    cycle_w: float = 0.0
    vgg_w: float = Field(default=0.0, ge=0)
    vgg_weights: str = ""
    lr: float = Field(default=1e-4, gt=0)
    lr_step: int = Field(default=100_000, ge=1)
    lr_gamma: float = 0.5
