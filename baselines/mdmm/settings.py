"""Settings of multi-domain DRIT++: architecture, loss weights, rates. Defaults are the authors'."""

from __future__ import annotations

from pydantic import Field

from baselines.drit.settings import DritSettings


class MdmmSettings(DritSettings):
    """github.com/HsinYingLee/MDMM, options.py. `dis_layers` stride-2 layers (6 official) and `domains` with photo first."""

    dis_layers: int = Field(default=6, ge=2)
    domains: int = Field(default=3, ge=2)
    crop: int = Field(default=216, ge=16)
    cls_w: float = 1.0
    cls_g_w: float = 5.0
    recon_w: float = 10.0
