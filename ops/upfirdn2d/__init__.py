"""`upfirdn2d`: zero-insertion, padding, FIR filter, decimation, for each channel alone (StyleGAN2, Karras et al. 2020)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ops.checks import check_float, check_same_device, check_shape
from ops.dispatch import choose
from ops.upfirdn2d.autograd import Filter, Form
from ops.upfirdn2d.cpu import upfirdn2d_cpu
from ops.upfirdn2d.geometry import Geometry, Pair, geometry
from ops.upfirdn2d.reference import upfirdn2d_ref


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
    form = _form(x)
    if form is None:
        return upfirdn2d_ref(x, kernel, shape)
    if x.requires_grad and torch.is_grad_enabled():
        return Filter.apply(x, kernel.detach(), shape, form)
    return form(x, kernel.detach(), shape)


def _form(x: Tensor) -> Form | None:
    """The implementation for `x`; None for the plain one."""
    chosen = choose("upfirdn2d", x)
    if chosen == "triton":
        from ops.upfirdn2d.triton import upfirdn2d_triton

        return upfirdn2d_triton
    return upfirdn2d_cpu if chosen == "cpu" and not torch.compiler.is_compiling() else None
