"""`modulated_conv2d` by scaling activations: one ordinary convolution for the whole batch."""

from __future__ import annotations

import torch
from torch import Tensor

from ops.dispatch import choose
from ops.modulated_conv.reference import EPSILON, PLAIN, Resampling, convolve


def demodulation(weight: Tensor, style: Tensor) -> Tensor:
    """(N, O) float32 (or 64): 1 / the norm that each modulated filter would have."""
    exact = torch.promote_types(weight.dtype, torch.float32)
    energy = _energy(weight.to(exact))
    return (style.to(exact).square() @ energy.t() + EPSILON).rsqrt()


def _energy(weight: Tensor) -> Tensor:
    """(O, I): the sum of squares of each k x k filter."""
    if torch.is_grad_enabled() and weight.requires_grad:
        return weight.square().sum((2, 3))
    return torch.linalg.vector_norm(weight, dim=(2, 3)).square()  # one pass, nothing stored


def modulated_conv2d_scaled(
    x: Tensor, weight: Tensor, style: Tensor, demodulate: bool = True, resampling: Resampling = PLAIN
) -> Tensor:
    """The scale-the-activations form of `modulated_conv2d`: one ordinary convolution for the whole batch."""
    y = convolve(_scale(x, style), weight.to(x.dtype), 1, resampling)
    return _scale(y, demodulation(weight, style)) if demodulate else y


def _scale(x: Tensor, factors: Tensor) -> Tensor:
    """(N, C, H, W) times (N, C)."""
    if choose("modulated_conv2d", x) == "triton":
        from ops.modulated_conv.triton import scale_channels

        return scale_channels(x, factors)
    return x * factors.to(x.dtype)[:, :, None, None]
