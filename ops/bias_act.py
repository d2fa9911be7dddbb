"""`bias_act`: bias, activation, gain and clamp in one pass (StyleGAN2, Karras et al. 2020, Appendix B)."""

from __future__ import annotations

import math
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from ops.checks import check_float, check_same_device, check_shape
from ops.dispatch import choose

Activation = Literal["linear", "relu", "lrelu"]
ACTIVATIONS: tuple[str, ...] = ("linear", "relu", "lrelu")
ROOT_2 = math.sqrt(2)


def bias_act_ref(
    x: Tensor,
    b: Tensor | None = None,
    act: Activation = "lrelu",
    slope: float = 0.2,
    gain: float = ROOT_2,
    clamp: float | None = None,
    noise: Tensor | None = None,
) -> Tensor:
    """The plain form of `bias_act`; any order of derivative through PyTorch's own."""
    if noise is not None:
        x = x + noise.to(x.dtype)
    if b is not None:
        x = x + b.to(x.dtype).reshape(1, -1, *[1] * (x.ndim - 2))
    if act == "lrelu":
        x = F.leaky_relu(x, slope)
    elif act == "relu":
        x = F.relu(x)
    if gain != 1:
        x = x * gain
    return x if clamp is None else x.clamp(-clamp, clamp)


def check_bias_act(
    x: Tensor, b: Tensor | None, act: str, slope: float, gain: float, clamp: float | None, noise: Tensor | None
) -> None:
    """Raise ValueError for arguments outside what `bias_act` documents."""
    check_float("bias_act x", x)
    if x.ndim < 2:
        raise ValueError(f"bias_act x: given shape {tuple(x.shape)}; expected (N, C, ...)")
    if b is not None:
        check_shape("bias_act b", b, (x.shape[1],))
        check_same_device("bias_act b", b, "x", x)
    if noise is not None:
        check_shape("bias_act noise", noise, (1 if noise.shape[:1] == (1,) else x.shape[0], 1, *x.shape[2:]))
        check_same_device("bias_act noise", noise, "x", x)
    if act not in ACTIVATIONS:
        raise ValueError(f"bias_act act: given {act!r}; expected one of {', '.join(ACTIVATIONS)}")
    if not slope >= 0:
        raise ValueError(f"bias_act slope: given {slope}; expected 0 or more")
    if not gain > 0:
        raise ValueError(f"bias_act gain: given {gain}; expected more than 0")
    if clamp is not None and not clamp > 0:
        raise ValueError(f"bias_act clamp: given {clamp}; expected None or more than 0")


def bias_act(
    x: Tensor,
    b: Tensor | None = None,
    act: Activation = "lrelu",
    slope: float = 0.2,
    gain: float = ROOT_2,
    clamp: float | None = None,
    noise: Tensor | None = None,
    overwrite: bool = False,
) -> Tensor:
    """clamp(gain * act(x + noise + b)), differentiable to any order.

    Args:
        x: (N, C, ...) floating, any memory format, any size including 0.
        b: (C,) on the same device, or None.
        act: `"linear"`, `"relu"` or `"lrelu"`.
        slope: of the leaky ReLU below 0, >= 0.
        gain: multiplies after the activation, > 0.
        clamp: limits the absolute value after the gain, or None.
        noise: (N or 1, 1, ...), the same for all channels, or None.
        overwrite: x is not needed any more, so the result may take its place where no derivative is wanted.

    Returns:
        a tensor of x's shape, dtype and memory format.

    Raises:
        ValueError: for arguments outside the above.
    """
    check_bias_act(x, b, act, slope, gain, clamp, noise)
    chosen = choose("bias_act", x)
    if chosen == "triton":
        from ops.kernels.bias_act import bias_act_triton

        return bias_act_triton(x, b, act, slope, gain, clamp, noise)
    if chosen == "cpu" and not _wants_derivative(x, b, noise):
        return bias_act_cpu(x, b, act, slope, gain, clamp, noise, overwrite)
    if chosen == "cpu" and not torch.compiler.is_compiling():
        slope = {"linear": 1.0, "relu": 0.0, "lrelu": slope}[act]
        return _BiasAct.apply(x, b, noise, Curve(slope, gain, clamp))
    return bias_act_ref(x, b, act, slope, gain, clamp, noise)


def _wants_derivative(*tensors: Tensor | None) -> bool:
    return torch.is_grad_enabled() and any(tensor is not None and tensor.requires_grad for tensor in tensors)


class Curve(NamedTuple):
    """The activation with its gain and clamp; slope 1 is linear and slope 0 a ReLU."""

    slope: float
    gain: float
    clamp: float | None

    def times_slope(self, g: Tensor, y: Tensor) -> Tensor:
        """g times the derivative of the activation where it gave y."""
        dx = torch.ops.aten.leaky_relu_backward(g, y, self.slope, True).mul_(self.gain)
        return dx if self.clamp is None else dx.mul_(y.abs() < y.new_tensor(self.clamp))


class _BiasAct(torch.autograd.Function):
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
