"""The derivative of `bias_act`, for every form that keeps the result alone.

For slope >= 0 and gain > 0 the result has the sign of the activation's input, so the derivative is read off it. All
activations are piecewise linear: the second derivative is the first one's form again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor


class Curve(NamedTuple):
    """The activation with its gain and clamp; slope 1 is linear and slope 0 a ReLU."""

    slope: float
    gain: float
    clamp: float | None


class Form(NamedTuple):
    """One implementation, both without derivatives of their own.

    Attributes:
        forward: (x, b, noise, curve) -> y.
        backward: (g, y, curve) -> g times the slope of the activation where it gave y.
    """

    forward: Callable[[Tensor, Tensor | None, Tensor | None, Curve], Tensor]
    backward: Callable[[Tensor, Tensor, Curve], Tensor]


class BiasAct(torch.autograd.Function):
    """Differentiable to any order."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, b: Tensor | None, noise: Tensor | None, curve: Curve, form: Form) -> Tensor:
        ctx.curve, ctx.form = curve, form
        ctx.b_dtype = None if b is None else b.dtype
        ctx.noise_like = None if noise is None else (noise.dtype, len(noise))
        y = form.forward(x, b, noise, curve)
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, Tensor | None, Tensor | None, None, None]:
        (y,) = ctx.saved_tensors
        dx = _Slope.apply(g, y, ctx.curve, ctx.form)
        exact = torch.promote_types(dx.dtype, torch.float32)
        db = dnoise = None
        if ctx.b_dtype is not None and ctx.needs_input_grad[1]:
            db = dx.sum([0, *range(2, dx.ndim)], dtype=exact).to(ctx.b_dtype)
        if ctx.noise_like is not None and ctx.needs_input_grad[2]:
            dtype, rows = ctx.noise_like
            dnoise = dx.sum([0, 1] if rows == 1 else [1], keepdim=True, dtype=exact).to(dtype)
        return dx, db, dnoise, None, None


class _Slope(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, g: Tensor, y: Tensor, curve: Curve, form: Form) -> Tensor:
        ctx.curve, ctx.form = curve, form
        ctx.save_for_backward(y)
        return form.backward(g, y, curve)

    @staticmethod
    def backward(ctx: Any, gg: Tensor) -> tuple[Tensor, None, None, None]:
        (y,) = ctx.saved_tensors
        return _Slope.apply(gg, y, ctx.curve, ctx.form), None, None, None
