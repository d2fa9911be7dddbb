"""Kernels against their references to the second derivative; on the CPU in Triton's interpreter, or on a GPU.

Run by test_kernels.py in a process of its own: the interpreter must be chosen before a kernel is defined.
"""

from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import Tensor

from ops.bias_act import triton as bias_act
from ops.bias_act.autograd import BiasAct, Curve, Form
from ops.bias_act.reference import bias_act_ref
from ops.dispatch import use
from ops.gram.reference import gram_ref
from ops.gram.triton import gram_triton
from ops.modulated_conv import modulated_conv2d
from ops.modulated_conv.reference import Resampling, modulated_conv2d_ref
from ops.modulated_conv.triton import scale_channels
from ops.upfirdn2d import fir_kernel
from ops.upfirdn2d.autograd import Filter
from ops.upfirdn2d.geometry import geometry
from ops.upfirdn2d.reference import upfirdn2d_ref
from ops.upfirdn2d.triton import upfirdn2d_triton

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
# Rounding of the stored type: the reference rounds after every step, the kernel once. bfloat16 stores truncate in the
# interpreter, one unit in the last place (2 ** -7 relative) instead of half of one.
TOLERANCE = {torch.float32: 2e-5, torch.float16: 4e-3, torch.bfloat16: 3e-2}
DTYPES = list(TOLERANCE)
CASES = pytest.mark.parametrize(
    ("dtype", "memory_format", "block"),
    [
        (torch.float32, torch.contiguous_format, 64),
        (torch.float32, torch.channels_last, 1024),
        (torch.float16, torch.channels_last, 128),
        (torch.float16, torch.contiguous_format, 1024),
        (torch.bfloat16, torch.contiguous_format, 128),
        (torch.bfloat16, torch.channels_last, 1024),
    ],
)


def made(*shape: int, dtype: torch.dtype = torch.float32, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).to(DEVICE, dtype)


def same(ours: object, reference: object, *inputs: Tensor) -> None:
    """Both callables agree on `inputs`: result, gradient, and gradient of the gradient with respect to everything."""
    results = []
    for call in (ours, reference):
        leaves = [x.detach().clone(memory_format=torch.preserve_format).requires_grad_() for x in inputs]
        y = call(*leaves)  # type: ignore[operator]
        g = made(*y.shape, dtype=y.dtype, seed=5).requires_grad_()
        first = torch.autograd.grad(y, leaves, g, create_graph=True)
        push = sum((d * made(*d.shape, dtype=d.dtype, seed=6 + k)).sum() for k, d in enumerate(first))
        second = torch.autograd.grad(push, [g, *leaves], allow_unused=True)
        results.append([y, *first, *(torch.zeros(()) if d is None else d for d in second)])
    tolerance = TOLERANCE[inputs[0].dtype]
    for k, (a, b) in enumerate(zip(*results)):
        if k < 1 + len(inputs):
            assert a.dtype == b.dtype
        scale = max(float(b.detach().float().abs().max()) if b.numel() else 0.0, 1e-6)
        gap = float((a.detach().float() - b.detach().float()).abs().max()) if b.numel() and a.shape == b.shape else 0.0
        assert a.shape == b.shape or not bool(b.any() or a.any()), f"result {k}"
        assert gap <= tolerance * scale, f"result {k}: {gap:.3g} of {scale:.3g}"


@CASES
@pytest.mark.parametrize(("slope", "clamp"), [(0.1, None), (0.1, 0.8), (0, None), (1, 1.125)])
def test_bias_act(
    dtype: torch.dtype, memory_format: torch.memory_format, block: int, slope: float, clamp: float
) -> None:
    x = made(2, 5, 7, 3, dtype=dtype).contiguous(memory_format=memory_format)
    b, noise = made(5, dtype=dtype, seed=1), made(2, 1, 7, 3, dtype=dtype, seed=2)
    if dtype == torch.bfloat16 and clamp is not None:
        clamp = 0.875  # exact in bfloat16: the interpreter rounds casts and truncates stores, a GPU does one of them
    settings = (slope, 1.7, clamp)
    form = Form(partial(bias_act.forward, block=block), partial(bias_act.backward, block=block))
    same(
        lambda x, b, n: BiasAct.apply(x, b, n, Curve(*settings), form),
        lambda x, b, n: bias_act_ref(x.float(), b.float(), *settings, n.float()).to(dtype),
        x,
        b,
        noise,
    )


def test_bias_act_of_rows_without_noise_and_of_nothing() -> None:
    same(
        lambda x: BiasAct.apply(x, None, None, Curve(0.3, 1.3, None), bias_act.FORM),
        lambda x: bias_act_ref(x, None, 0.3, 1.3),
        made(3, 6),
    )
    assert bias_act.forward(made(0, 5, 4, 4), made(5), None, Curve(0.2, 1.0, None)).shape == (0, 5, 4, 4)
    shared = made(1, 1, 7, 3, seed=2)
    same(
        lambda x, n: BiasAct.apply(x, None, n, Curve(0.1, 1.0, None), bias_act.FORM),
        lambda x, n: bias_act_ref(x, None, 0.1, 1.0, None, n),
        made(2, 4, 7, 3),
        shared,
    )


@CASES
@pytest.mark.parametrize(
    ("up", "down", "pad", "size"),
    [
        (1, 1, (2, 1), (4, 4)),
        (2, 1, (2, 1), (4, 4)),
        (1, 2, (1, 1), (4, 4)),
        (3, 2, (4, 1), (3, 4)),
        ((2, 1), (1, 3), (1, 2, -1, 3), (2, 5)),
    ],
)
def test_upfirdn2d(dtype, memory_format, block, up, down, pad, size) -> None:  # type: ignore[no-untyped-def]
    x = made(2, 3, 7, 9, dtype=dtype).contiguous(memory_format=memory_format)
    shape, kernel = geometry(up, down, pad), made(*size, seed=1)
    same(
        lambda x: Filter.apply(x, kernel, shape, partial(upfirdn2d_triton, block=block)),
        lambda x: upfirdn2d_ref(x.float(), kernel, shape).to(dtype),
        x,
    )


def test_upfirdn2d_of_nothing() -> None:
    assert upfirdn2d_triton(made(0, 3, 7, 9), fir_kernel().to(DEVICE), geometry(2, 1, (2, 1))).shape == (0, 3, 14, 18)


@CASES
def test_scale_channels(dtype: torch.dtype, memory_format: torch.memory_format, block: int) -> None:
    x = made(2, 5, 9, 7, dtype=dtype).contiguous(memory_format=memory_format)
    same(
        lambda x, s: scale_channels(x, s, block),
        lambda x, s: (x.float() * s.float()[:, :, None, None]).to(dtype),
        x,
        made(2, 5, dtype=dtype, seed=1),
    )


def test_channel_dot_adds_more_pixels_than_one_program_holds() -> None:
    x = made(1, 3, 81, 83).contiguous(memory_format=torch.channels_last)
    same(scale_channels, lambda x, s: x * s[:, :, None, None], x, made(1, 3, seed=1))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("tile", [16, 32])
def test_gram(dtype: torch.dtype, tile: int) -> None:
    if dtype == torch.bfloat16 and DEVICE == "cpu":
        pytest.skip("the interpreter multiplies the bits of bfloat16 operands of a dot as integers; a GPU is needed")
    x = made(2, 37, 5, 7, dtype=dtype)
    same(lambda x: gram_triton(x, tile, 16), lambda x: gram_ref(x.float()).to(dtype), x)
    full = gram_triton(x, tile, 16)
    assert torch.equal(full, full.transpose(1, 2))


def test_gram_of_nothing() -> None:
    assert gram_triton(made(0, 4, 3, 3)).shape == (0, 4, 4)


@pytest.mark.parametrize(("up", "down"), [(1, 1), (2, 1), (1, 2)])
@pytest.mark.parametrize("demodulate", [True, False])
def test_modulated_conv2d(up: int, down: int, demodulate: bool) -> None:
    kernel = fir_kernel().to(DEVICE)

    def ours(x: Tensor, weight: Tensor, style: Tensor) -> Tensor:
        with use("triton"):
            return modulated_conv2d(x, weight, style, demodulate, up, down, kernel)

    def reference(x: Tensor, weight: Tensor, style: Tensor) -> Tensor:
        with use("reference"):
            return modulated_conv2d_ref(x, weight, style, demodulate, Resampling(up, down, kernel))

    same(ours, reference, made(2, 4, 6, 8), made(3, 4, 3, 3, seed=1), made(2, 4, seed=2))
