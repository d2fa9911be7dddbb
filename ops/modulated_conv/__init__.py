"""`modulated_conv2d`: convolution with weights scaled by a style, per sample (StyleGAN2, Karras et al. 2020, section 2.2).

Two forms give the same result. *grouped* builds one filter bank a sample and convolves in groups; *scaled* multiplies the
input channels by the style and the output channels by the demodulation factors around one ordinary convolution.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ops.checks import check_same_device, check_shape
from ops.dispatch import choose
from ops.modulated_conv.cpu import modulated_conv2d_folded
from ops.modulated_conv.reference import Resampling, modulated_conv2d_ref
from ops.modulated_conv.scaled import modulated_conv2d_scaled

FOLD_FROM = 16 * 16  # pixels of the input


def check_modulated_conv2d(x: Tensor, weight: Tensor, style: Tensor, up: int, down: int, kernel: Tensor | None) -> None:
    """Raise ValueError for inputs that `modulated_conv2d` cannot take."""
    check_shape("modulated_conv2d weight", weight, ("O", "I", "k", "k"))
    check_shape("modulated_conv2d x", x, ("N", weight.shape[1], "H", "W"))
    check_shape("modulated_conv2d style", style, (x.shape[0], weight.shape[1]))
    check_same_device("modulated_conv2d weight", weight, "x", x)
    check_same_device("modulated_conv2d style", style, "x", x)
    if weight.shape[2] != weight.shape[3] or weight.shape[2] % 2 == 0:
        raise ValueError(
            f"modulated_conv2d weight: given shape {tuple(weight.shape)}; expected (O, I, k, k) with k odd"
        )
    if (up, down) not in ((1, 1), (2, 1), (1, 2)):
        raise ValueError(f"modulated_conv2d up, down: given {up}, {down}; expected 1, 1 or 2, 1 or 1, 2")
    if (up, down) != (1, 1) and kernel is None:
        raise ValueError("modulated_conv2d kernel: given None; expected a (k, k) FIR kernel when up or down is 2")


def modulated_conv2d(
    x: Tensor,
    weight: Tensor,
    style: Tensor,
    demodulate: bool = True,
    up: int = 1,
    down: int = 1,
    kernel: Tensor | None = None,
) -> Tensor:
    """Convolve each sample with its own filters, `weight * style`, normalised if `demodulate`. Any order of derivative.

    Args:
        x: (N, I, H, W) floating.
        weight: (O, I, k, k), k odd, already scaled to run-time size; kept in float32 when x is half precision.
        style: (N, I), one factor an input channel.
        demodulate: divide each filter by its norm (sqrt(sum + 1e-8)).
        up: 2 samples up: transposed convolution of stride 2, then the blur.
        down: 2 samples down: the blur, then a convolution of stride 2.
        kernel: FIR filter of the blur (its gain included), needed when up or down is 2.

    Returns:
        (N, O, H * up / down, W * up / down) of x's dtype.

    Raises:
        ValueError: for wrong shapes, dtypes, devices or factors.
    """
    check_modulated_conv2d(x, weight, style, up, down, kernel)
    return form(x, weight, style)(x, weight, style, demodulate, Resampling(up, down, kernel))


def form(x: Tensor, weight: Tensor, style: Tensor) -> Callable[..., Tensor]:
    """Which form is faster here.

    On a processor without derivatives, building a sample's filters beats passing over its activations as soon as the
    maps are larger than the filters are wide. Everywhere else one convolution for the whole batch wins: its filters
    are read once, and their gradient is one tensor.
    """
    if choose("modulated_conv2d", x) == "reference":
        return modulated_conv2d_ref
    differentiable = torch.is_grad_enabled() and (x.requires_grad or weight.requires_grad or style.requires_grad)
    if x.device.type == "cpu" and len(x) and not differentiable and x.shape[2] * x.shape[3] >= FOLD_FROM:
        return modulated_conv2d_folded
    return modulated_conv2d_scaled
