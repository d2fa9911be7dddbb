"""`bias_act`: bias, activation, gain and clamp in one pass (StyleGAN2, Karras et al. 2020, Appendix B)."""

from __future__ import annotations

import torch
from torch import Tensor

from ops.bias_act.cpu import BiasAct, Curve, bias_act_cpu
from ops.bias_act.reference import ACTIVATIONS, ROOT_2, Activation, bias_act_ref
from ops.checks import check_float, check_same_device, check_shape
from ops.dispatch import choose


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
        from ops.bias_act.triton import bias_act_triton

        return bias_act_triton(x, b, act, slope, gain, clamp, noise)
    if chosen == "cpu" and not _wants_derivative(x, b, noise):
        return bias_act_cpu(x, b, act, slope, gain, clamp, noise, overwrite)
    if chosen == "cpu" and not torch.compiler.is_compiling():
        slope = {"linear": 1.0, "relu": 0.0, "lrelu": slope}[act]
        return BiasAct.apply(x, b, noise, Curve(slope, gain, clamp))
    return bias_act_ref(x, b, act, slope, gain, clamp, noise)


def _wants_derivative(*tensors: Tensor | None) -> bool:
    return torch.is_grad_enabled() and any(tensor is not None and tensor.requires_grad for tensor in tensors)
