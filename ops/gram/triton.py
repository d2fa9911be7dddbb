"""`gram` by tiles of the upper triangle; each tile is stored twice. Half the products of a full matrix product."""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from ops.triton_common import on_device

TILE = 64
STEP = 32


@triton.jit
def gram_kernel(
    f_ptr, out_ptr, channels, pixels, scale, TILE: tl.constexpr, STEP: tl.constexpr, PRECISION: tl.constexpr
):
    row, column = tl.program_id(1), tl.program_id(2)
    if row > column:
        return
    batch = tl.program_id(0).to(tl.int64)
    f_ptr += batch * channels * pixels
    left = row * TILE + tl.arange(0, TILE)
    right = column * TILE + tl.arange(0, TILE)
    total = tl.zeros((TILE, TILE), tl.float32)
    for first in range(0, pixels, STEP):
        pixel = first + tl.arange(0, STEP)
        a_inside = (left < channels)[:, None] & (pixel < pixels)[None, :]
        b_inside = (right < channels)[None, :] & (pixel < pixels)[:, None]
        a = tl.load(f_ptr + left[:, None] * pixels + pixel[None, :], mask=a_inside, other=0.0)
        b = tl.load(f_ptr + right[None, :] * pixels + pixel[:, None], mask=b_inside, other=0.0)
        total += tl.dot(a, b, input_precision=PRECISION)
    total *= scale
    out_ptr += batch * channels * channels
    both = (left < channels)[:, None] & (right < channels)[None, :]
    tl.store(out_ptr + left[:, None] * channels + right[None, :], total, mask=both)
    if row != column:
        tl.store(out_ptr + right[None, :] * channels + left[:, None], total, mask=both)


@torch.library.custom_op("aahq::gram", mutates_args=())
def _gram(features: Tensor, tile: int, step: int) -> Tensor:
    batch, channels, height, width = features.shape
    out = torch.zeros((batch, channels, channels), dtype=features.dtype, device=features.device)
    if features.numel() == 0:
        return out
    tiles = triton.cdiv(channels, tile)
    with on_device(features):
        gram_kernel[(batch, tiles, tiles)](
            features.contiguous(),
            out,
            channels,
            height * width,
            1 / (channels * height * width),
            TILE=tile,
            STEP=step,
            # TF32 only where the person has allowed it for matrix products.
            PRECISION="tf32" if torch.backends.cuda.matmul.allow_tf32 else "ieee",
        )
    return out


@_gram.register_fake
def _(features, tile, step):
    return features.new_empty((features.shape[0], features.shape[1], features.shape[1]))


def _keep(ctx, inputs, output) -> None:
    ctx.save_for_backward(inputs[0])


def _backward(ctx, g):
    (features,) = ctx.saved_tensors
    flat = features.flatten(2)
    slope = (g + g.transpose(1, 2)) @ flat / max(flat[0].numel() if len(flat) else 1, 1)
    return slope.reshape(features.shape), None, None


_gram.register_autograd(_backward, setup_context=_keep)


def gram_triton(features: Tensor, tile: int = TILE, step: int = STEP) -> Tensor:
    """`ops.gram.gram` by kernel, in tiles of `tile` channels and `step` pixels, powers of two of at least 16."""
    return _gram(features, tile, step)
