"""Scaling of channels, the memory-bound half of a modulated convolution, and the product sum that is its derivative.

`scale_channels(x, s) = x * s[n, c]` and `channel_dot(a, b) = sum over pixels of a * b` are each other's derivatives: the
pair is closed under differentiation to any order. The convolution between the two scalings is cuDNN's.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from ops.triton_common import BLOCK, dense, is_channels_last, on_device

PIXELS = 4096  # what a program of channel_dot adds up


@triton.jit
def scale_channels_kernel(
    x_ptr, s_ptr, y_ptr, numel, channels, pixels, CHANNELS_LAST: tl.constexpr, BLOCK: tl.constexpr
):
    at = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = at < numel
    if CHANNELS_LAST:
        which = (at // (channels * pixels)) * channels + at % channels
    else:
        which = at // pixels
    value = tl.load(x_ptr + at, mask=inside).to(tl.float32) * tl.load(s_ptr + which, mask=inside).to(tl.float32)
    tl.store(y_ptr + at, value, mask=inside)


@triton.jit
def channel_dot_kernel(
    a_ptr,
    b_ptr,
    part_ptr,
    channels,
    pixels,
    chunks,
    chunk,
    pixel_step,
    channel_step,
    BLOCK_P: tl.constexpr,
    BLOCK_C: tl.constexpr,
):
    row = tl.program_id(0).to(tl.int64)
    part = tl.program_id(1)
    channel = tl.program_id(2) * BLOCK_C + tl.arange(0, BLOCK_C)
    total = tl.zeros((BLOCK_P, BLOCK_C), tl.float32)
    first = part * chunk
    start = row * channels * pixels
    for offset in range(0, chunk, BLOCK_P):
        pixel = first + offset + tl.arange(0, BLOCK_P)
        inside = (pixel < pixels)[:, None] & (channel < channels)[None, :]
        at = start + pixel[:, None] * pixel_step + channel[None, :] * channel_step
        a = tl.load(a_ptr + at, mask=inside, other=0.0).to(tl.float32)
        total += a * tl.load(b_ptr + at, mask=inside, other=0.0).to(tl.float32)
    tl.store(part_ptr + (row * chunks + part) * channels + channel, tl.sum(total, 0), mask=channel < channels)


@torch.library.custom_op("aahq::scale_channels", mutates_args=())
def _scale(x: Tensor, s: Tensor, block: int) -> Tensor:
    x = dense(x)
    y = torch.empty_like(x)
    if x.numel():
        with on_device(x):
            scale_channels_kernel[(triton.cdiv(x.numel(), block),)](
                x,
                s.contiguous(),
                y,
                x.numel(),
                x.shape[1],
                x[0, 0].numel(),
                CHANNELS_LAST=is_channels_last(x),
                BLOCK=block,
            )
    return y


@_scale.register_fake
def _(x, s, block):
    return torch.empty_like(dense(x))


@torch.library.custom_op("aahq::channel_dot", mutates_args=())
def _dot(a: Tensor, b: Tensor, block: int) -> Tensor:
    a = dense(a)
    b = dense(b, a)
    rows, channels = a.shape[:2]
    if a.numel() == 0:
        return a.new_zeros((rows, channels), dtype=torch.float32)
    last = is_channels_last(a)
    pixels = a[0, 0].numel()
    chunks = triton.cdiv(pixels, PIXELS)
    block_c = min(64, triton.next_power_of_2(channels)) if last else 1
    parts = torch.empty((rows, chunks, channels), dtype=torch.float32, device=a.device)
    with on_device(a):
        channel_dot_kernel[(rows, chunks, triton.cdiv(channels, block_c))](
            a,
            b,
            parts,
            channels,
            pixels,
            chunks,
            PIXELS,
            channels if last else 1,
            1 if last else pixels,
            BLOCK_P=max(1, block // block_c),
            BLOCK_C=block_c,
        )
    return parts.sum(1)


@_dot.register_fake
def _(a, b, block):
    return a.new_empty(a.shape[:2], dtype=torch.float32)


def _keep(ctx, inputs, output) -> None:
    first, second, ctx.block = inputs
    ctx.save_for_backward(first, second)


def _backward_scale(ctx, g):
    x, s = ctx.saved_tensors
    ds = _dot(g, x, ctx.block).to(s.dtype) if ctx.needs_input_grad[1] else None
    return _scale(g, s, ctx.block), ds, None


def _backward_dot(ctx, g):
    a, b = ctx.saved_tensors
    return _scale(b, g, ctx.block), _scale(a, g, ctx.block), None


_scale.register_autograd(_backward_scale, setup_context=_keep)
_dot.register_autograd(_backward_dot, setup_context=_keep)


def scale_channels(x: Tensor, s: Tensor, block: int = BLOCK) -> Tensor:
    """(N, C, H, W) times (N, C) -> (N, C, H, W) of x's dtype and format; s stays in float32."""
    return _scale(x, s, block)
