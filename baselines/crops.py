"""The random crops of the authors' loaders, for a whole batch on its device. Every random number comes in as a `plan`."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from models.training.rng import StepRNG

# StarGAN v2, core/data_loader.py: share of the picture's area, and bounds of width over height.
SCALE, RATIO = (0.8, 1.0), (0.9, 1.1)


def random_crop(images: Tensor, size: int, plan: Tensor) -> Tensor:
    """A square of `size` from anywhere in each picture: (N, 3, L, L), plan (N, 2) in [0, 1) -> (N, 3, size, size)."""
    spare = images.shape[-1] - size
    if spare <= 0:
        return images
    corners = (plan * (spare + 1)).long().tolist()
    return torch.stack([image[:, top : top + size, left : left + size] for image, (top, left) in zip(images, corners)])


def resized_crop(images: Tensor, share: float, plan: Tensor) -> Tensor:
    """With probability `share`, a random part of the picture, stretched to the whole: (N, 3, S, S), plan (N, 5) in [0, 1).

    Area and shape are drawn as torchvision's RandomResizedCrop draws them; a part that would be wider or higher than the
    picture is cut to it instead of being drawn again.
    """
    if share <= 0:
        return images
    on, area, shape, top, left = plan.unbind(1)
    area = SCALE[0] + area * (SCALE[1] - SCALE[0])
    low, high = (math.log(bound) for bound in RATIO)
    root = (low + shape * (high - low)).mul(0.5).exp()
    whole = on >= share
    width, height = ((area.sqrt() * side).clamp_max(1).masked_fill(whole, 1.0) for side in (root, 1 / root))
    theta = torch.zeros(len(images), 2, 3)
    theta[:, 0, 0], theta[:, 1, 1] = width, height
    theta[:, 0, 2], theta[:, 1, 2] = (2 * left - 1) * (1 - width), (2 * top - 1) * (1 - height)
    grid = F.affine_grid(theta.to(images), list(images.shape), align_corners=False)
    crops = F.grid_sample(images, grid, mode="bilinear", padding_mode="border", align_corners=False)
    return torch.where(whole.to(images.device)[:, None, None, None], images, crops)


def augmented(images: Tensor, size: int, share: float, draws: StepRNG, name: str) -> Tensor:
    """What a method's loader does to the pictures of the domain `name`: a crop to `size`, then a resized crop."""
    plan = draws.uniform(f"crop/{name}", len(images), (7,))
    return resized_crop(random_crop(images, size, plan[:, :2]), share, plan[:, 2:])


def centre_crop(images: Tensor, size: int) -> Tensor:
    """The middle `size` x `size` of pictures, as the authors' test scripts take it."""
    edge = (images.shape[-1] - size) // 2
    return images[..., edge : edge + size, edge : edge + size]
