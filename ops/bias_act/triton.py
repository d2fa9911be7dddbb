"""`bias_act` in one pass over memory each way."""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from ops.bias_act.autograd import Curve, Form
from ops.triton_common import BLOCK, dense, is_channels_last, on_device

NO_CLAMP = -1.0


@triton.jit
def bias_act_kernel(
    x_ptr,
    b_ptr,
    noise_ptr,
    y_ptr,
    numel,
    channels,
    pixels,
    noise_row,
    slope,
    gain,
    clamp,
    HAS_B: tl.constexpr,
    HAS_NOISE: tl.constexpr,
    HAS_CLAMP: tl.constexpr,
    CHANNELS_LAST: tl.constexpr,
    BLOCK: tl.constexpr,
):
    at = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = at < numel
    value = tl.load(x_ptr + at, mask=inside).to(tl.float32)
    if HAS_NOISE:
        pixel = (at // channels) % pixels if CHANNELS_LAST else at % pixels
        row = at // (channels * pixels)
        value += tl.load(noise_ptr + row * noise_row + pixel, mask=inside).to(tl.float32)
    if HAS_B:
        channel = at % channels if CHANNELS_LAST else (at // pixels) % channels
        value += tl.load(b_ptr + channel, mask=inside).to(tl.float32)
    value = tl.where(value > 0, value, value * slope) * gain
    if HAS_CLAMP:
        value = tl.minimum(tl.maximum(value, -clamp), clamp)
    tl.store(y_ptr + at, value, mask=inside)


@triton.jit
def bias_act_slope_kernel(
    g_ptr, y_ptr, out_ptr, numel, slope, gain, clamp, HAS_CLAMP: tl.constexpr, BLOCK: tl.constexpr
):
    at = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = at < numel
    y = tl.load(y_ptr + at, mask=inside).to(tl.float32)
    value = tl.load(g_ptr + at, mask=inside).to(tl.float32) * tl.where(y > 0, gain, gain * slope)
    if HAS_CLAMP:
        # Clamped results hold the limit as rounded when stored.
        limit = (y * 0 + clamp).to(y_ptr.dtype.element_ty).to(tl.float32)
        value = tl.where(tl.abs(y) < limit, value, 0.0)
    tl.store(out_ptr + at, value, mask=inside)


@torch.library.custom_op("aahq::bias_act", mutates_args=())
def _forward(
    x: Tensor, b: Tensor | None, noise: Tensor | None, slope: float, gain: float, clamp: float, block: int
) -> Tensor:
    x = dense(x)
    y = torch.empty_like(x)
    if x.numel() == 0:
        return y
    pixels = x[0, 0].numel()
    with on_device(x):
        bias_act_kernel[(triton.cdiv(x.numel(), block),)](
            x,
            x if b is None else b.contiguous(),
            x if noise is None else noise.contiguous(),
            y,
            x.numel(),
            x.shape[1],
            pixels,
            0 if noise is None or noise.shape[0] == 1 else pixels,
            slope,
            gain,
            clamp,
            HAS_B=b is not None,
            HAS_NOISE=noise is not None,
            HAS_CLAMP=clamp != NO_CLAMP,
            CHANNELS_LAST=is_channels_last(x),
            BLOCK=block,
        )
    return y


@_forward.register_fake
def _(x, b, noise, slope, gain, clamp, block):
    return torch.empty_like(dense(x))


@torch.library.custom_op("aahq::bias_act_slope", mutates_args=())
def _slope(g: Tensor, y: Tensor, slope: float, gain: float, clamp: float, block: int) -> Tensor:
    y = dense(y)
    g = dense(g, y)
    out = torch.empty_like(g)
    if g.numel():
        with on_device(g):
            bias_act_slope_kernel[(triton.cdiv(g.numel(), block),)](
                g, y, out, g.numel(), slope, gain, clamp, HAS_CLAMP=clamp != NO_CLAMP, BLOCK=block
            )
    return out


@_slope.register_fake
def _(g, y, slope, gain, clamp, block):
    return torch.empty_like(dense(g, dense(y)))


def forward(x: Tensor, b: Tensor | None, noise: Tensor | None, curve: Curve, block: int = BLOCK) -> Tensor:
    """The result by kernel; `block` values a program, a power of two."""
    return _forward(x, b, noise, curve.slope, curve.gain, NO_CLAMP if curve.clamp is None else curve.clamp, block)


def backward(g: Tensor, y: Tensor, curve: Curve, block: int = BLOCK) -> Tensor:
    """g times the derivative of the activation where it gave y, by kernel."""
    return _slope(g, y, curve.slope, curve.gain, NO_CLAMP if curve.clamp is None else curve.clamp, block)


FORM = Form(forward, backward)
