"""`bias_act` on a processor: one buffer, and a derivative that keeps the result alone."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from ops.bias_act.reference import Activation


class Curve(NamedTuple):
    """The activation with its gain and clamp; slope 1 is linear and slope 0 a ReLU."""

    slope: float
    gain: float
    clamp: float | None

    def times_slope(self, g: Tensor, y: Tensor) -> Tensor:
        """g times the derivative of the activation where it gave y."""
        dx = torch.ops.aten.leaky_relu_backward(g, y, self.slope, True).mul_(self.gain)
        return dx if self.clamp is None else dx.mul_(y.abs() < y.new_tensor(self.clamp))


class BiasAct(torch.autograd.Function):
    """Keeps the result alone, whose sign tells on which side of 0 the activation was."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, b: Tensor | None, noise: Tensor | None, curve: Curve) -> Tensor:
        ctx.curve = curve
        ctx.b_dtype = None if b is None else b.dtype
        ctx.noise_like = None if noise is None else (noise.dtype, len(noise))
        y = bias_act_cpu(x, b, "lrelu", *curve, noise, overwrite=False)
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, Tensor | None, Tensor | None, None]:
        (y,) = ctx.saved_tensors
        dx = _Slope.apply(g, y, ctx.curve)
        db = dnoise = None
        if ctx.b_dtype is not None and ctx.needs_input_grad[1]:
            db = dx.sum([0, *range(2, dx.ndim)], dtype=_exact(dx)).to(ctx.b_dtype)
        if ctx.noise_like is not None and ctx.needs_input_grad[2]:
            dtype, rows = ctx.noise_like
            dnoise = dx.sum([0, 1] if rows == 1 else [1], keepdim=True, dtype=_exact(dx)).to(dtype)
        return dx, db, dnoise, None


class _Slope(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, g: Tensor, y: Tensor, curve: Curve) -> Tensor:
        ctx.curve = curve
        ctx.save_for_backward(y)
        return curve.times_slope(g, y)

    @staticmethod
    def backward(ctx: Any, gg: Tensor) -> tuple[Tensor, None, None]:
        (y,) = ctx.saved_tensors
        return _Slope.apply(gg, y, ctx.curve), None, None


def _exact(x: Tensor) -> torch.dtype:
    return torch.promote_types(x.dtype, torch.float32)


def bias_act_cpu(
    x: Tensor,
    b: Tensor | None,
    act: Activation,
    slope: float,
    gain: float,
    clamp: float | None,
    noise: Tensor | None,
    overwrite: bool,
) -> Tensor:
    """The reference step by step in one buffer; fresh memory costs a processor more than the arithmetic. No derivative."""
    y = x if overwrite else torch.empty_like(x)
    terms = [term.to(x.dtype) for term in (noise, _per_channel(b, x)) if term is not None]
    # The gain is positive, so it may come before the activation: with the first sum, which passes over x anyway.
    if terms:
        torch.add(terms[0] * gain, x, alpha=gain, out=y)
    elif gain != 1 or y is not x:
        torch.mul(x, gain, out=y)
    for term in terms[1:]:
        y.add_(term * gain)
    if act == "lrelu":
        F.leaky_relu_(y, slope)
    elif act == "relu":
        F.relu_(y)
    return y if clamp is None else y.clamp_(-clamp, clamp)


def _per_channel(b: Tensor | None, x: Tensor) -> Tensor | None:
    return None if b is None else b.reshape(1, -1, *[1] * (x.ndim - 2))
