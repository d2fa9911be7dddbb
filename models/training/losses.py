"""Objectives of StyleGAN2, with which BlendGAN trains its three discriminators and its generator (Eq. 6-10)."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from ops.conv2d.cpu import input_gradients_only


def d_logistic(real: Tensor, fake: Tensor) -> Tensor:
    """Discriminator's non-saturating logistic loss (Goodfellow et al. 2014; BlendGAN Eq. 6-8), a scalar.

    Args:
        real, fake: (N, 1) logits.
    """
    return F.softplus(-real).mean() + F.softplus(fake).mean()


def g_nonsaturating(fake: Tensor) -> Tensor:
    """Generator's half of the same game: mean softplus(-D(G)), a scalar. `fake`: (N, 1) logits."""
    return F.softplus(-fake).mean()


def r1(logits: Tensor, pictures: Tensor) -> Tensor:
    """R1 penalty without its weight (Mescheder et al. 2018, Eq. 9): mean over pictures of |dD/dx|^2, a scalar.

    Weight it gamma / 2 times the interval of lazy regularisation (10 / 2 * 16 in StyleGAN2).

    Args:
        logits: (N, 1), computed from `pictures` with their gradient on.
        pictures: (N, 3, S, S), a leaf that requires a gradient.
    """
    with input_gradients_only():
        (slope,) = torch.autograd.grad(logits.sum(), pictures, create_graph=True)
    return slope.square().flatten(1).sum(1).mean()


def path_lengths(pictures: Tensor, latents: Tensor, noise: Tensor) -> Tensor:
    """(N,) path lengths |J^T y| (Karras et al. 2020, section 3.2), root mean square over the rows of W+.

    Args:
        pictures: (N, 3, H, W), generated from `latents`.
        latents: (N, n_latent, style_dim) W+ that require a gradient.
        noise: N(0, 1) of the pictures' shape.
    """
    y = noise / math.sqrt(pictures.shape[2] * pictures.shape[3])
    with input_gradients_only():
        (slope,) = torch.autograd.grad((pictures * y).sum(), latents, create_graph=True)
    return slope.square().sum(2).mean(1).sqrt()


def path_penalty(lengths: Tensor, mean: Tensor, decay: float = 0.01) -> tuple[Tensor, Tensor]:
    """Path-length penalty (Karras et al. 2020, section 3.2) without its weight, and the new running mean, detached.

    The mean inside the penalty is the new one, with its gradient, as the implementation that BlendGAN builds on has it.

    Args:
        lengths: (N,) of `path_lengths`.
        mean: scalar, the running mean so far.
        decay: of the running mean.
    """
    moved = mean + decay * (lengths.mean() - mean)
    return (lengths - moved).square().mean(), moved.detach()
