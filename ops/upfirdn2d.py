"""`upfirdn2d`: zero-insertion, padding, FIR filter, decimation, for each channel alone (StyleGAN2, Karras et al. 2020)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from ops.checks import check_float, check_same_device, check_shape
from ops.dispatch import choose
from ops.geometry import Geometry, Pair, geometry


def fir_kernel(taps: Sequence[float] = (1, 3, 3, 1), gain: float = 1.0) -> Tensor:
    """(k, k) float32: the outer product of `taps` with itself, normalised to sum to `gain`."""
    line = torch.tensor(taps, dtype=torch.float32)
    square = line[:, None] * line[None, :]
    return square * (gain / square.sum())


def check_upfirdn2d(x: Tensor, kernel: Tensor, shape: Geometry) -> None:
    """Raise ValueError for inputs that `upfirdn2d` cannot take."""
    check_shape("upfirdn2d x", x, ("N", "C", "H", "W"))
    check_float("upfirdn2d kernel", kernel)
    if kernel.ndim != 2:
        raise ValueError(f"upfirdn2d kernel: given shape {tuple(kernel.shape)}; expected (kh, kw)")
    check_same_device("upfirdn2d kernel", kernel, "x", x)
    height, width = shape.out_size(x.shape[2], x.shape[3], kernel.shape[0], kernel.shape[1])
    if height < 1 or width < 1:
        raise ValueError(
            f"upfirdn2d x: given {tuple(x.shape)} with a {tuple(kernel.shape)} kernel and {shape}; "
            f"expected a result of at least 1x1, not {height}x{width}"
        )


def upfirdn2d_ref(x: Tensor, kernel: Tensor, shape: Geometry) -> Tensor:
    """The plain form of `upfirdn2d`, one step a line."""
    batch, channels, height, width = x.shape
    spread = F.pad(x[:, :, :, None, :, None], (0, shape.up_x - 1, 0, 0, 0, shape.up_y - 1))
    spread = spread.reshape(batch, channels, height * shape.up_y, width * shape.up_x)
    padded = F.pad(spread, (shape.left, shape.right, shape.top, shape.bottom))
    # conv2d correlates; the flip makes it a true convolution.
    taps = kernel.to(x.dtype).flip(0, 1).expand(channels, 1, -1, -1)
    return F.conv2d(padded, taps, stride=(shape.down_y, shape.down_x), groups=channels)


def upfirdn2d(x: Tensor, kernel: Tensor, up: Pair = 1, down: Pair = 1, pad: Pair = 0) -> Tensor:
    """Insert `up - 1` zeros after every sample, pad, convolve with `kernel` (flipped), keep every `down`-th sample.

    Args:
        x: (N, C, H, W) floating, any memory format.
        kernel: (kh, kw) FIR filter, taken as a constant: no gradient flows to it.
        up, down: factors, an int or (x, y).
        pad: an int, (before, after) for both axes, or (x0, x1, y0, y1); negative values crop.

    Returns:
        (N, C, H', W') of x's dtype, H' = (H * up + pad0 + pad1 - kh) // down + 1.

    Raises:
        ValueError: for wrong shapes, dtypes, devices or factors, or where the kernel does not fit.
    """
    shape = geometry(up, down, pad)
    check_upfirdn2d(x, kernel, shape)
    chosen = choose("upfirdn2d", x)
    if chosen == "triton":
        from ops.kernels.upfirdn2d import upfirdn2d_triton

        return upfirdn2d_triton(x, kernel, shape)
    if chosen == "cpu" and not (x.requires_grad and torch.is_grad_enabled()):
        return upfirdn2d_cpu(x, kernel, shape)
    if chosen == "cpu" and not torch.compiler.is_compiling():
        return _Filter.apply(x, kernel, shape)
    return upfirdn2d_ref(x, kernel, shape)


def upfirdn2d_cpu(x: Tensor, kernel: Tensor, shape: Geometry) -> Tensor:
    """One depthwise convolution, transposed where it samples up; the zeros in between are never stored."""
    channels = x.shape[1]
    height, width = kernel.shape
    even = shape.left == shape.right >= 0 and shape.top == shape.bottom >= 0
    if shape.up_x == shape.up_y == 1 and even:
        taps = kernel.to(x.dtype).flip(0, 1).expand(channels, 1, -1, -1)
        return F.conv2d(x, taps, None, (shape.down_y, shape.down_x), (shape.top, shape.left), groups=channels)
    crop = (height - 1 - shape.top, width - 1 - shape.left)  # of the full convolution
    out_height, out_width = shape.out_size(x.shape[2], x.shape[3], height, width)
    more = (
        out_height - ((x.shape[2] - 1) * shape.up_y - 2 * crop[0] + height),
        out_width - ((x.shape[3] - 1) * shape.up_x - 2 * crop[1] + width),
    )
    fits = min(crop) >= 0 and 0 <= more[0] < shape.up_y and 0 <= more[1] < shape.up_x
    if shape.down_x == shape.down_y == 1 and fits and x.numel():
        taps = kernel.to(x.dtype).expand(channels, 1, -1, -1)
        return F.conv_transpose2d(x, taps, None, (shape.up_y, shape.up_x), crop, more, channels)
    return upfirdn2d_ref(x, kernel, shape)


class _Filter(torch.autograd.Function):
    """Linear in x: its derivative is an upfirdn2d again, and so on. PyTorch's own would derive the kernel too."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, kernel: Tensor, shape: Geometry) -> Tensor:
        ctx.back = shape.transposed(x.shape[2], x.shape[3], kernel.shape[0], kernel.shape[1])
        ctx.save_for_backward(kernel)
        return upfirdn2d_cpu(x, kernel, shape)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, None, None]:
        (kernel,) = ctx.saved_tensors
        return _Filter.apply(g, kernel.flip(0, 1), ctx.back), None, None
