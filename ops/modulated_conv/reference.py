"""`modulated_conv2d` as the paper writes it: one filter bank a sample, convolved in groups."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor
from torch.nn import functional as F

from ops.conv2d import conv2d, conv_transpose2d
from ops.upfirdn2d import upfirdn2d

EPSILON = 1e-8


def blur_pads(taps: int, size: int, up: int, down: int) -> tuple[int, int]:
    """Padding of the blur that goes with a resampling convolution of width `size` and an FIR kernel of `taps`."""
    if up == 2:
        extra = (taps - 2) - (size - 1)
        return (extra + 1) // 2 + 1, extra // 2 + 1
    extra = (taps - 2) + (size - 1)
    return (extra + 1) // 2, extra // 2


class Resampling(NamedTuple):
    """Factors of a convolution that resamples, one of them 2, and the FIR filter of the blur that goes with it."""

    up: int = 1
    down: int = 1
    kernel: Tensor | None = None


PLAIN = Resampling()


def convolve(x: Tensor, weight: Tensor, groups: int, resampling: Resampling = PLAIN) -> Tensor:
    """An ordinary convolution with its resampling; `weight` is (groups * O, I, k, k)."""
    (up, down, kernel), size = resampling, weight.shape[2]
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
    x: Tensor, weight: Tensor, style: Tensor, demodulate: bool = True, resampling: Resampling = PLAIN
) -> Tensor:
    """The plain (grouped) form of `modulated_conv2d`, as the paper writes it."""
    batch, into, height, width = x.shape
    out, size = weight.shape[0], weight.shape[2]
    bank = weight[None] * style[:, None, :, None, None]  # (N, O, I, k, k)
    if demodulate:
        bank = bank * (bank.square().sum((2, 3, 4), keepdim=True) + EPSILON).rsqrt()
    bank = bank.to(x.dtype).reshape(batch * out, into, size, size)
    if batch == 0:
        y = convolve(x, weight.to(x.dtype), 1, resampling)
        return y
    y = convolve(x.reshape(1, batch * into, height, width), bank, batch, resampling)
    return y.reshape(batch, out, *y.shape[2:])
