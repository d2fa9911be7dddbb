"""`upfirdn2d` by gathering: each result reads only the samples under its taps; zeros are never stored or read."""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from ops.triton_common import BLOCK, dense, is_channels_last, on_device
from ops.upfirdn2d.geometry import Geometry


@triton.jit
def upfirdn2d_kernel(
    x_ptr,
    k_ptr,
    y_ptr,
    numel,
    channels,
    height,
    width,
    out_height,
    out_width,
    top,
    left,
    UP_Y: tl.constexpr,
    UP_X: tl.constexpr,
    DOWN_Y: tl.constexpr,
    DOWN_X: tl.constexpr,
    TAPS_Y: tl.constexpr,
    TAPS_X: tl.constexpr,
    CHANNELS_LAST: tl.constexpr,
    BLOCK: tl.constexpr,
):
    at = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = at < numel
    if CHANNELS_LAST:
        channel = at % channels
        pixel = at // channels
        out_x = pixel % out_width
        out_y = (pixel // out_width) % out_height
        row = pixel // (out_width * out_height)
        start = row * height * width * channels + channel
        step = channels
    else:
        out_x = at % out_width
        out_y = (at // out_width) % out_height
        start = (at // (out_width * out_height)) * height * width
        step = 1
    total = tl.zeros((BLOCK,), tl.float32)
    for ky in tl.static_range(TAPS_Y):
        raw_y = out_y * DOWN_Y + (ky - top)
        in_y = raw_y // UP_Y
        good_y = inside & (raw_y >= 0) & (raw_y % UP_Y == 0) & (in_y < height)
        for kx in tl.static_range(TAPS_X):
            raw_x = out_x * DOWN_X + (kx - left)
            in_x = raw_x // UP_X
            good = good_y & (raw_x >= 0) & (raw_x % UP_X == 0) & (in_x < width)
            tap = (TAPS_Y - 1 - ky) * TAPS_X + (TAPS_X - 1 - kx)
            value = tl.load(x_ptr + start + (in_y * width + in_x) * step, mask=good, other=0.0)
            total += value.to(tl.float32) * tl.load(k_ptr + tap)
    tl.store(y_ptr + at, total, mask=inside)


@torch.library.custom_op("aahq::upfirdn2d", mutates_args=())
def _upfirdn2d(x: Tensor, kernel: Tensor, shape: list[int], block: int) -> Tensor:
    y = _empty(x, kernel, shape)
    if y.numel() == 0:
        return y
    geometry = Geometry(*shape)
    x = dense(x)
    with on_device(x):
        upfirdn2d_kernel[(triton.cdiv(y.numel(), block),)](
            x,
            kernel.to(torch.float32).contiguous(),
            y,
            y.numel(),
            x.shape[1],
            x.shape[2],
            x.shape[3],
            y.shape[2],
            y.shape[3],
            geometry.top,
            geometry.left,
            UP_Y=geometry.up_y,
            UP_X=geometry.up_x,
            DOWN_Y=geometry.down_y,
            DOWN_X=geometry.down_x,
            TAPS_Y=kernel.shape[0],
            TAPS_X=kernel.shape[1],
            CHANNELS_LAST=is_channels_last(x),
            BLOCK=block,
        )
    return y


def _empty(x: Tensor, kernel: Tensor, shape: list[int]) -> Tensor:
    size = Geometry(*shape).out_size(x.shape[2], x.shape[3], kernel.shape[0], kernel.shape[1])
    memory_format = torch.channels_last if is_channels_last(dense(x)) else torch.contiguous_format
    return torch.empty((*x.shape[:2], *size), dtype=x.dtype, device=x.device, memory_format=memory_format)


@_upfirdn2d.register_fake
def _(x, kernel, shape, block):
    return _empty(x, kernel, shape)


def upfirdn2d_triton(x: Tensor, kernel: Tensor, shape: Geometry, block: int = BLOCK) -> Tensor:
    """`ops.upfirdn2d.upfirdn2d` by kernel; `block` results a program, a power of two."""
    return _upfirdn2d(x, kernel, list(shape), block)
