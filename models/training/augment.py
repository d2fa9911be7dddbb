"""Adaptive discriminator augmentation for small data (Karras et al. 2020, "limited data"), geometry only: colour is style."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from models.training.rng import StepRNG

# Aim for the mean sign of D on real pictures, and pictures in which the strength may move by 1 (section 3.1).
TARGET = 0.6
RAMP = 500_000
COLUMNS = 8


def plan(draws: StepRNG, name: str, count: int, device: torch.device) -> Tensor:
    """(count, 8) random numbers that fix the augmentation of `count` pictures; `name` separates real from generated."""
    return draws.uniform(f"augment/{name}", count, (COLUMNS,), device)


def augment(images: Tensor, strength: float, plan: Tensor) -> Tensor:
    """Each with probability `strength`: mirror, move by up to an eighth of the side, hide a square of a quarter of it.

    Differentiable to any order.

    Args:
        images: (N, 3, S, S).
        strength: p in [0, 1]; 0 returns `images`.
        plan: (N, 8) rows of `plan`.
    """
    if strength <= 0:
        return images
    on = plan[:, :3] < strength
    mirrored = on[:, 0] & (plan[:, 3] < 0.5)
    theta = torch.eye(2, 3, device=images.device, dtype=images.dtype).repeat(len(images), 1, 1)
    theta[:, 0, 0] = torch.where(mirrored, -1.0, 1.0).to(images.dtype)
    theta[:, :, 2] = ((plan[:, 4:6] * 2 - 1) / 4 * on[:, 1:2]).to(images.dtype)
    grid = F.affine_grid(theta, list(images.shape), align_corners=False)
    images = F.grid_sample(images, grid, mode="bilinear", padding_mode="reflection", align_corners=False)
    ramp = torch.linspace(0, 1, images.shape[-1], device=images.device)
    rows, columns = ((ramp - plan[:, k, None]).abs() < 0.125 for k in (6, 7))
    hidden = rows[:, :, None] & columns[:, None, :] & on[:, 2, None, None]
    return images * ~hidden[:, None]


def adapted(strength: float, signs: Tensor, pictures: int) -> float:
    """The next strength: up while the discriminator is too sure of real pictures (mean sign above 0.6), down otherwise."""
    direction = 1.0 if float(signs) > TARGET else -1.0
    return min(1.0, max(0.0, strength + direction * pictures / RAMP))
