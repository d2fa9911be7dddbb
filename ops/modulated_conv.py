"""`modulated_conv2d`: convolution with weights scaled by a style, per sample (StyleGAN2, Karras et al. 2020, section 2.2).

Two forms give the same result. *grouped* builds one filter bank a sample and convolves in groups; *scaled* multiplies the
input channels by the style and the output channels by the demodulation factors around one ordinary convolution.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from ops.checks import check_same_device, check_shape
from ops.convolution import conv2d, conv_transpose2d
from ops.dispatch import choose
from ops.upfirdn2d import upfirdn2d

Form = Literal["folded", "scaled"]
EPSILON = 1e-8
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


def blur_pads(taps: int, size: int, up: int, down: int) -> tuple[int, int]:
    """Padding of the blur that goes with a resampling convolution of width `size` and an FIR kernel of `taps`."""
    if up == 2:
        extra = (taps - 2) - (size - 1)
        return (extra + 1) // 2 + 1, extra // 2 + 1
    extra = (taps - 2) + (size - 1)
    return (extra + 1) // 2, extra // 2


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


def convolve(x: Tensor, weight: Tensor, groups: int, up: int, down: int, kernel: Tensor | None) -> Tensor:
    """An ordinary convolution with the blur that goes with `up` or `down`; `weight` is (groups * O, I, k, k)."""
    size = weight.shape[2]
    if kernel is None or (up, down) == (1, 1):
        return _conv(x, weight, 1, size // 2, groups)
    before, after = blur_pads(kernel.shape[0], size, up, down)
    if up == 2:
        out, into = weight.shape[0] // groups, weight.shape[1]
        turned = weight.reshape(groups, out, into, size, size).transpose(1, 2).reshape(groups * into, out, size, size)
        if groups == 1:
            return upfirdn2d(conv_transpose2d(x, turned, stride=2), kernel, pad=(before, after))
        return upfirdn2d(F.conv_transpose2d(x, turned, stride=2, groups=groups), kernel, pad=(before, after))
    return _conv(upfirdn2d(x, kernel, pad=(before, after)), weight, 2, 0, groups)


def _conv(x: Tensor, weight: Tensor, stride: int, padding: int, groups: int) -> Tensor:
    if groups == 1:
        return conv2d(x, weight, stride, padding)
    return F.conv2d(x, weight, None, stride, padding, groups=groups)


def modulated_conv2d_ref(
    x: Tensor,
    weight: Tensor,
    style: Tensor,
    demodulate: bool = True,
    up: int = 1,
    down: int = 1,
    kernel: Tensor | None = None,
) -> Tensor:
    """The plain (grouped) form of `modulated_conv2d`, as the paper writes it."""
    batch, into, height, width = x.shape
    out, size = weight.shape[0], weight.shape[2]
    bank = weight[None] * style[:, None, :, None, None]  # (N, O, I, k, k)
    if demodulate:
        bank = bank * (bank.square().sum((2, 3, 4), keepdim=True) + EPSILON).rsqrt()
    bank = bank.to(x.dtype).reshape(batch * out, into, size, size)
    if batch == 0:
        y = convolve(x, weight.to(x.dtype), 1, up, down, kernel)
        return y
    y = convolve(x.reshape(1, batch * into, height, width), bank, batch, up, down, kernel)
    return y.reshape(batch, out, *y.shape[2:])


def modulated_conv2d_scaled(
    x: Tensor,
    weight: Tensor,
    style: Tensor,
    demodulate: bool = True,
    up: int = 1,
    down: int = 1,
    kernel: Tensor | None = None,
) -> Tensor:
    """The scale-the-activations form of `modulated_conv2d`: one ordinary convolution for the whole batch."""
    y = convolve(_scale(x, style), weight.to(x.dtype), 1, up, down, kernel)
    return _scale(y, demodulation(weight, style)) if demodulate else y


def _scale(x: Tensor, factors: Tensor) -> Tensor:
    """(N, C, H, W) times (N, C)."""
    if choose("modulated_conv2d", x) == "triton":
        from ops.kernels.channels import scale_channels

        return scale_channels(x, factors)
    return x * factors.to(x.dtype)[:, :, None, None]


def modulated_conv2d_folded(
    x: Tensor,
    weight: Tensor,
    style: Tensor,
    demodulate: bool = True,
    up: int = 1,
    down: int = 1,
    kernel: Tensor | None = None,
) -> Tensor:
    """The grouped form one sample after another: an ordinary convolution each, with nothing to do to the activations."""
    # Slices keep the memory format, which an index and a new axis would lose.
    rows = [
        convolve(x[n : n + 1], filters(weight, style[n : n + 1], demodulate).to(x.dtype), 1, up, down, kernel)
        for n in range(len(x))
    ]
    return rows[0] if len(rows) == 1 else torch.cat(rows)


def filters(weight: Tensor, style: Tensor, demodulate: bool = True) -> Tensor:
    """The filters of one sample: (O, I, k, k) and its style (1, I) -> (O, I, k, k)."""
    bank = weight * style[:, :, None, None]
    if not demodulate:
        return bank
    norm = torch.linalg.vector_norm(
        bank, dim=(1, 2, 3), keepdim=True, dtype=torch.promote_types(bank.dtype, torch.float32)
    )
    factors = (norm.square() + EPSILON).rsqrt().to(bank.dtype)
    return bank * factors if torch.is_grad_enabled() else bank.mul_(factors)


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
    if choose("modulated_conv2d", x) == "reference":
        return modulated_conv2d_ref(x, weight, style, demodulate, up, down, kernel)
    if form(x, weight, style) == "folded":
        return modulated_conv2d_folded(x, weight, style, demodulate, up, down, kernel)
    return modulated_conv2d_scaled(x, weight, style, demodulate, up, down, kernel)


def form(x: Tensor, weight: Tensor, style: Tensor) -> Form:
    """Which form is faster here.

    On a processor without derivatives, building a sample's filters beats passing over its activations as soon as the
    maps are larger than the filters are wide. Everywhere else one convolution for the whole batch wins: its filters
    are read once, and their gradient is one tensor.
    """
    differentiable = torch.is_grad_enabled() and (x.requires_grad or weight.requires_grad or style.requires_grad)
    if x.device.type == "cpu" and len(x) and not differentiable and x.shape[2] * x.shape[3] >= FOLD_FROM:
        return "folded"
    return "scaled"
