"""Affine views of a picture: the only augmentation of the style encoder, since colour is style (BlendGAN 3.1)."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from models.training.rng import StepRNG


def affine_views(
    images: Tensor,
    draws: StepRNG,
    name: str,
    rotate: float = 15.0,
    translate: float = 0.1,
    scale: tuple[float, float] = (0.7, 1.1),
    shear: float = 8.0,
) -> Tensor:
    """(N, 3, S, S) -> the same pictures, each under its own random affine map; edges are reflected.

    Args:
        rotate, shear: the most degrees to either side.
        translate: the most of the side that the centre moves.
        scale: range of the part of the side that is seen; below 1 looks closer.
    """
    count, device = len(images), images.device
    u = draws.uniform(f"affine/{name}", count, (7,), device) * 2 - 1
    angle, tilt = u[:, 0] * math.radians(rotate), torch.tan(u[:, 1] * math.radians(shear))
    zoom = scale[0] + (u[:, 2] + 1) / 2 * (scale[1] - scale[0])
    mirror = torch.where(u[:, 3] < 0, -1.0, 1.0)
    cos, sin = torch.cos(angle) * zoom, torch.sin(angle) * zoom
    top = torch.stack([cos * mirror, (cos * tilt - sin) * mirror, u[:, 4] * translate * 2], 1)
    bottom = torch.stack([sin, sin * tilt + cos, u[:, 5] * translate * 2], 1)
    grid = F.affine_grid(torch.stack([top, bottom], 1), list(images.shape), align_corners=False)
    return F.grid_sample(images, grid.to(images.dtype), mode="bilinear", padding_mode="reflection", align_corners=False)
