"""`conv2d` and `conv_transpose2d` on a processor, with derivatives of any order that are convolutions themselves."""

from __future__ import annotations

import torch
from torch import Tensor

from ops.conv2d.cpu import Convolution, Settings
from ops.dispatch import choose


def _apply(x: Tensor, weight: Tensor, settings: Settings) -> Tensor:
    plain = torch.compiler.is_compiling() or not torch.is_grad_enabled() or not len(x)
    if plain or choose("conv2d", x) == "reference":
        return settings.forward(x, weight)
    # The meta device, on which shapes are traced, has no autocast and refuses the question.
    if not x.is_meta and torch.is_autocast_enabled(x.device.type) and x.dtype != torch.float64:
        # Cast here, where it is recorded: what is kept for the derivative must have the result's dtype.
        dtype = torch.get_autocast_dtype(x.device.type)
        x, weight = x.to(dtype), weight.to(dtype)
    return Convolution.apply(x, weight, settings)


def conv2d(x: Tensor, weight: Tensor, stride: int = 1, padding: int = 0) -> Tensor:
    """`torch.nn.functional.conv2d` of x (N, I, H, W) with weight (O, I, k, k), differentiable to any order."""
    return _apply(x, weight, Settings(stride, padding, False))


def conv_transpose2d(x: Tensor, weight: Tensor, stride: int = 1, padding: int = 0) -> Tensor:
    """`torch.nn.functional.conv_transpose2d` of x (N, I, H, W) with weight (I, O, k, k), differentiable to any order."""
    return _apply(x, weight, Settings(stride, padding, True))
