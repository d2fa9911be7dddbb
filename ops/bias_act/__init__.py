"""`bias_act`: bias, activation, gain and clamp in one pass (StyleGAN2, Karras et al. 2020, Appendix B)."""

from __future__ import annotations

import torch
from torch import Tensor

from ops.bias_act import cpu
from ops.bias_act.autograd import BiasAct, Curve, Form
from ops.bias_act.reference import ROOT_2, bias_act_ref
from ops.checks import check_float, check_same_device, check_shape
from ops.dispatch import choose


def check_bias_act(
    x: Tensor, b: Tensor | None, slope: float, gain: float, clamp: float | None, noise: Tensor | None
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
    if not slope >= 0:
        raise ValueError(f"bias_act slope: given {slope}; expected 0 or more")
    if not gain > 0:
        raise ValueError(f"bias_act gain: given {gain}; expected more than 0")
    if clamp is not None and not clamp > 0:
        raise ValueError(f"bias_act clamp: given {clamp}; expected None or more than 0")


def bias_act(
    x: Tensor,
    b: Tensor | None = None,
    slope: float = 0.2,
    gain: float = ROOT_2,
    clamp: float | None = None,
    noise: Tensor | None = None,
) -> Tensor:
    """clamp(gain * leaky_relu(x + noise + b)), differentiable to any order.

    Args:
        x: (N, C, ...) floating, any memory format, any size including 0.
        b: (C,) on the same device, or None.
        slope: of the leaky ReLU below 0, >= 0: 1 is no activation, 0 a ReLU.
        gain: multiplies after the activation, > 0.
        clamp: limits the absolute value after the gain, or None.
        noise: (N or 1, 1, ...), the same for all channels, or None.

    Returns:
        a tensor of x's shape, dtype and memory format.

    Raises:
        ValueError: for arguments outside the above.
    """
    check_bias_act(x, b, slope, gain, clamp, noise)
    form = _form(x)
    if form is None:
        return bias_act_ref(x, b, slope, gain, clamp, noise)
    curve = Curve(float(slope), float(gain), clamp)
    if _wants_derivative(x, b, noise):
        return BiasAct.apply(x, b, noise, curve, form)
    return form.forward(x, b, noise, curve)


def bias_act_(
    x: Tensor,
    b: Tensor | None = None,
    slope: float = 0.2,
    gain: float = ROOT_2,
    clamp: float | None = None,
    noise: Tensor | None = None,
) -> Tensor:
    """`bias_act` of an x that nobody reads again: where no derivative is wanted the result may take its place."""
    if _wants_derivative(x, b, noise) or _form(x) is not cpu.FORM:
        return bias_act(x, b, slope, gain, clamp, noise)
    check_bias_act(x, b, slope, gain, clamp, noise)
    return cpu.forward(x, b, noise, Curve(float(slope), float(gain), clamp), out=x)


def _form(x: Tensor) -> Form | None:
    """The implementation for `x`; None for the plain one."""
    chosen = choose("bias_act", x)
    if chosen == "triton":
        from ops.bias_act import triton

        return triton.FORM
    return cpu.FORM if chosen == "cpu" and not torch.compiler.is_compiling() else None


def _wants_derivative(*tensors: Tensor | None) -> bool:
    return torch.is_grad_enabled() and any(tensor is not None and tensor.requires_grad for tensor in tensors)
