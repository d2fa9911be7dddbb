"""Settings of two-domain DRIT++: architecture, loss weights, rates. Defaults are the authors'."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from baselines.settings import GameSettings


class DritSettings(GameSettings):
    """github.com/HsinYingLee/DRIT, src/options.py; the README recommends concat=0 for photograph <-> painting.

    Crops of 216 from 256 px. `content_layers` is the number of 7x7 stride-2 layers of the content discriminator (3 needs
    sides of 209 or more). `init` "normal" is the published N(0, 0.02); "he" starts with codes that differ, where there are
    no hundred thousand steps to grow them in. `decay_from` is the share of the steps after which the rates fall to zero: the
    authors' epoch 600 of 1,200; 1 keeps them as they are.
    """

    # Half of the batch is shown in each role.
    size_unit: ClassVar[int] = 4
    batch_unit: ClassVar[int] = 2

    crop_from: float = Field(default=256 / 216, ge=1, le=4)
    dim: int = Field(default=64, ge=4)
    latent: int = Field(default=8, ge=1)
    concat: bool = True
    mode_seeking: bool = True
    dis_scales: int = Field(default=3, ge=1)
    dis_layers: int = Field(default=4, ge=1)
    spectral_norm: bool = False
    content_layers: int = Field(default=3, ge=0)
    content_steps: int = Field(default=3, ge=1)
    init: Literal["normal", "he"] = "normal"
    lr: float = Field(default=1e-4, gt=0)
    lr_content: float = Field(default=4e-5, gt=0)
    decay_from: float = Field(default=0.5, ge=0, le=1)
