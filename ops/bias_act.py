"""`bias_act`: bias, activation, gain and clamp in one pass (StyleGAN2, Karras et al. 2020, Appendix B)."""

from __future__ import annotations

import math
from typing import Literal

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
) -> Tensor:
    """The plain form of `bias_act`; any order of derivative through PyTorch's own."""
    if b is not None:
        x = x + b.to(x.dtype).reshape(1, -1, *[1] * (x.ndim - 2))
    if act == "lrelu":
        x = F.leaky_relu(x, slope)
    elif act == "relu":
        x = F.relu(x)
    if gain != 1:
        x = x * gain
    return x if clamp is None else x.clamp(-clamp, clamp)


def check_bias_act(x: Tensor, b: Tensor | None, act: str, slope: float, gain: float, clamp: float | None) -> None:
    """Raise ValueError for arguments outside what `bias_act` documents."""
    check_float("bias_act x", x)
    if x.ndim < 2:
        raise ValueError(f"bias_act x: given shape {tuple(x.shape)}; expected (N, C, ...)")
    if b is not None:
        check_shape("bias_act b", b, (x.shape[1],))
        check_same_device("bias_act b", b, "x", x)
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
) -> Tensor:
    """clamp(gain * act(x + b)), differentiable to any order.

    Args:
        x: (N, C, ...) floating, any memory format, any size including 0.
        b: (C,) on the same device, or None.
        act: `"linear"`, `"relu"` or `"lrelu"`.
        slope: of the leaky ReLU below 0, >= 0.
        gain: multiplies after the activation, > 0.
        clamp: limits the absolute value after the gain, or None.

    Returns:
        a tensor of x's shape, dtype and memory format.

    Raises:
        ValueError: for arguments outside the above.
    """
    check_bias_act(x, b, act, slope, gain, clamp)
    chosen = choose("bias_act", x)
    if chosen == "triton":
        from ops.kernels.bias_act import bias_act_triton

        return bias_act_triton(x, b, act, slope, gain, clamp)
    if chosen == "cpu":
        return bias_act_cpu(x, b, act, slope, gain, clamp)
    return bias_act_ref(x, b, act, slope, gain, clamp)


def bias_act_cpu(
    x: Tensor, b: Tensor | None, act: Activation, slope: float, gain: float, clamp: float | None
) -> Tensor:
    """The reference, writing over its own first result where no derivative is wanted."""
    if torch.is_grad_enabled() and (x.requires_grad or (b is not None and b.requires_grad)):
        return bias_act_ref(x, b, act, slope, gain, clamp)
    y = x.clone() if b is None else x + b.to(x.dtype).reshape(1, -1, *[1] * (x.ndim - 2))
    if act == "lrelu":
        F.leaky_relu_(y, slope)
    elif act == "relu":
        F.relu_(y)
    if gain != 1:
        y.mul_(gain)
    return y if clamp is None else y.clamp_(-clamp, clamp)
