"""Operators against the published ones in float64, to the second derivative; choices, forms and bad input."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
import torch
from golden_recipe import Figures, load, matched, normal
from torch import Tensor
from torch.autograd import gradcheck, gradgradcheck

from models.networks.discriminators import ConvLayer, ResBlock
from models.networks.layers import (
    BLUR,
    EqualConv2d,
    EqualLinear,
    ModulatedConv2d,
    PixelNorm,
    Resample,
    ScaledLeakyReLU,
    StyledConv,
    ToRGB,
    downsample,
    upsample,
)
from ops.bias_act import bias_act, bias_act_
from ops.bias_act.reference import bias_act_ref
from ops.dispatch import explain, layout, record, use
from ops.gram import gram, gram_triangle, triangle_of
from ops.modulated_conv import modulated_conv2d
from ops.upfirdn2d import fir_kernel, upfirdn2d
from ops.upfirdn2d.geometry import geometry
from ops.upfirdn2d.reference import upfirdn2d_ref

PATHS = pytest.mark.parametrize("implementation", ["reference", "cpu"])
ROOT_2 = 2**0.5


def close(ours: Tensor, theirs: Tensor | Figures) -> None:
    """Parity asks for 1e-5 relative in float64; rounding is 1e-15, 6e-8 where float32 is kept of a large output."""
    assert ours.shape == theirs.shape
    ours, theirs = matched(ours, theirs)
    assert float((ours - theirs).abs().max()) <= 1e-5 * max(float(theirs.abs().max()), 1e-9)


MODULES = {
    "mod_plain": lambda: ModulatedConv2d(6, 5, 3, 7),
    "mod_plain_nodemod": lambda: ModulatedConv2d(6, 5, 3, 7, False),
    "mod_1x1": lambda: ModulatedConv2d(6, 5, 1, 7),
    "mod_1x1_nodemod": lambda: ModulatedConv2d(6, 5, 1, 7, False),
    "mod_up": lambda: ModulatedConv2d(6, 5, 3, 7, up=2),
    "mod_up_nodemod": lambda: ModulatedConv2d(6, 5, 3, 7, False, up=2),
    "mod_down": lambda: ModulatedConv2d(6, 5, 3, 7, down=2),
    "mod_down_nodemod": lambda: ModulatedConv2d(6, 5, 3, 7, False, down=2),
    "styled_conv": lambda: StyledConv(6, 5, 7),
    "styled_conv_up": lambda: StyledConv(6, 5, 7, up=2),
    "to_rgb": lambda: ToRGB(6, 7, False),
    "to_rgb_skip": lambda: ToRGB(6, 7),
    "upsample": upsample,
    "downsample": downsample,
    "blur": lambda: Resample(BLUR, (2, 1)),
    "blur_up": lambda: Resample(BLUR, (1, 1), gain=4),
    "equal_conv": lambda: EqualConv2d(6, 5, 3, 2, 1),
    "equal_linear": lambda: EqualLinear(6, 5, 1),
    "equal_linear_lrmul_act": lambda: EqualLinear(6, 5, lr_mul=0.01, activate=True),
    "pixel_norm": PixelNorm,
    "scaled_lrelu": ScaledLeakyReLU,
    "conv_layer": lambda: ConvLayer(6, 5, 3),
    "conv_layer_down": lambda: ConvLayer(6, 5, 3, down=2),
    "conv_layer_down_noact": lambda: ConvLayer(6, 5, 1, down=2, bias=False, activate=False),
    "conv_layer_nobias": lambda: ConvLayer(6, 5, 3, bias=False),
    "res_block": lambda: ResBlock(6, 5),
}


@PATHS
@pytest.mark.parametrize("case", MODULES)
def test_published_modules_to_the_second_derivative(golden: Path, case: str, implementation: str) -> None:
    given, due, weights, _ = load(golden / "op_modules.safetensors")
    given = {k.split("/", 1)[1]: v for k, v in given.items() if k.split("/")[0] == case}
    due = {k.split("/", 1)[1]: v for k, v in due.items() if k.split("/")[0] == case}
    weights = {k.split("/", 1)[1]: v for k, v in weights.items() if k.split("/")[0] == case}
    module = MODULES[case]().double()
    module.load_state_dict(weights)
    leaves = {name: given[name].requires_grad_() for name in ("x", "style", "skip") if name in given}
    leaves |= {f"param:{name}": parameter for name, parameter in module.named_parameters()}
    with use(implementation):
        y = module(
            *(given[k] for k in ("x", "style", "noise") if k in given), *([given["skip"]] if "skip" in given else [])
        )
        close(y, due["y"])
        first = torch.autograd.grad(y, list(leaves.values()), given["gy"], create_graph=True)
        for name, gradient in zip(leaves, first):
            close(gradient, due[f"grad/{name}"])
        wanted = [name for name in leaves if f"grad2/{name}" in due]
        if wanted:
            push = (first[0] * given["v"]).sum()
            second = torch.autograd.grad(push, [leaves[name] for name in wanted])
            for name, gradient in zip(wanted, second):
                close(gradient, due[f"grad2/{name}"])


@PATHS
def test_published_upfirdn2d(golden: Path, implementation: str) -> None:
    given, due, _, meta = load(golden / "op_upfirdn2d.safetensors")
    for case, call in meta["calls"].items():
        if case == "outputs":
            continue
        x, gy = given[f"{case}/x"].requires_grad_(), given[f"{case}/gy"].requires_grad_()
        with use(implementation):
            y = upfirdn2d(x, given[f"{case}/k"], call["up"], call["down"], call["pad"])
            close(y, due[f"{case}/y"])
            (gx,) = torch.autograd.grad(y, x, gy, create_graph=True)
            close(gx, due[f"{case}/gx"])
            (ggy,) = torch.autograd.grad(gx, gy, given[f"{case}/v"])
            close(ggy, due[f"{case}/ggy"])


@PATHS
@pytest.mark.parametrize("case", ["nc", "ncl", "nchw"])
def test_published_bias_act(golden: Path, case: str, implementation: str) -> None:
    given, due, _, _ = load(golden / "op_fused_lrelu.safetensors")
    x, b, gy = (given[f"{case}/{name}"].requires_grad_() for name in ("x", "b", "gy"))
    with use(implementation):
        y = bias_act(x, b)
        gx, gb = torch.autograd.grad(y, [x, b], gy, create_graph=True)
        push = (gx * given[f"{case}/v"]).sum() + (gb * given[f"{case}/vb"]).sum()
        (ggy,) = torch.autograd.grad(push, gy)
        with torch.no_grad():
            close(bias_act(x, b), due[f"{case}/y"])
    for ours, name in ((y, "y"), (gx, "gx"), (gb, "gb"), (ggy, "ggy")):
        close(ours, due[f"{case}/{name}"])


def test_upfirdn2d_by_hand() -> None:
    """Zeros after each sample, true convolution, every second result: small enough to do on paper."""
    x, kernel = torch.tensor([[[[1.0, 2.0]]]]), torch.tensor([[1.0, 10.0, 100.0]])
    # up 2: 1 0 2 0; pad (1, 1): 0 1 0 2 0 0; turned kernel 100 10 1: 10, 102, 20, 200
    assert upfirdn2d(x, kernel, (2, 1), 1, (1, 1, 0, 0)).flatten().tolist() == [10, 102, 20, 200]
    assert upfirdn2d(x, kernel, (2, 1), (2, 1), (1, 1, 0, 0)).flatten().tolist() == [10, 20]


@pytest.mark.parametrize(("slope", "clamp", "rows"), [(0.1, 1.1, 2), (0, None, 1), (1, 0.9, 2)])
def test_bias_act_without_derivative_writes_one_buffer(slope: float, clamp: float | None, rows: int) -> None:
    x, b, noise = normal("x", (2, 3, 5, 7)), normal("b", (3,)), normal("n", (rows, 1, 5, 7))
    due = bias_act_ref(x, b, slope, 1.7, clamp, noise)
    before = x.clone()
    torch.testing.assert_close(bias_act(x, b, slope, 1.7, clamp, noise), due)
    assert torch.equal(x, before)
    assert bias_act_(x, b, slope, 1.7, clamp, noise).data_ptr() == x.data_ptr()
    torch.testing.assert_close(x, due)
    # With a derivative x stays as it was.
    kept = before.clone().requires_grad_()
    bias_act_(kept * 1, b, slope, 1.7, clamp, noise).sum().backward()
    assert torch.equal(kept.detach(), before)


@pytest.mark.parametrize(("up", "down"), [(1, 1), (2, 1), (1, 2)])
@pytest.mark.parametrize("demodulate", [True, False])
def test_both_forms_of_modulated_conv2d_agree(up: int, down: int, demodulate: bool) -> None:
    arguments = normal("x", (2, 4, 18, 20)), normal("w", (3, 4, 3, 3)), normal("s", (2, 4))
    call = partial(modulated_conv2d, *arguments, demodulate, up, down, fir_kernel())
    folded = call()
    arguments[0].requires_grad_()
    scaled = call()
    with use("reference"):
        reference = call()
    # Float32 sums of 36 products in another order.
    torch.testing.assert_close(folded, reference, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(scaled, reference, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
@PATHS
def test_gradients_by_finite_differences(implementation: str) -> None:
    x, w, s = (
        normal(k, shape).double().requires_grad_()
        for k, shape in (("x", (2, 2, 4, 5)), ("w", (3, 2, 3, 3)), ("s", (2, 2)))
    )
    kernel = fir_kernel((1, 2, 5)).double()
    with use(implementation):
        up = partial(upfirdn2d, kernel=kernel, up=2, down=1, pad=(2, 1))
        assert gradcheck(up, x)
        assert gradgradcheck(up, x)
        act = partial(bias_act, slope=0.3, gain=1.3)
        b = normal("b", (2,)).double().requires_grad_()
        assert gradcheck(act, (x, b))
        assert gradgradcheck(act, (x, b))
        conv = partial(modulated_conv2d, up=2, kernel=fir_kernel().double())
        assert gradcheck(conv, (x, w, s))
        assert gradgradcheck(conv, (x, w, s))
    assert gradcheck(gram, x)
    assert gradgradcheck(gram, x)


def test_gram_and_its_triangle() -> None:
    x = normal("x", (2, 3, 2, 2))
    full = gram(x)
    # Closed form: the mean of the diagonal is the mean square over C, by definition of F F^T / (C H W).
    torch.testing.assert_close(full.diagonal(dim1=1, dim2=2).sum(1), x.square().sum((1, 2, 3)) / 12)
    assert torch.equal(gram_triangle(x), triangle_of(full))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_keeps_its_dtype(dtype: torch.dtype) -> None:
    x, weight, style = normal("x", (2, 4, 6, 6)).to(dtype), normal("w", (3, 4, 3, 3)), normal("s", (2, 4))
    y = modulated_conv2d(x, weight, style)
    assert y.dtype == dtype
    exact = modulated_conv2d(x.float(), weight, style)
    # One rounding of weights, activations and result each.
    assert float((y.float() - exact).abs().max()) <= 8 * torch.finfo(dtype).eps * float(exact.abs().max())
    assert bias_act(x).dtype == upfirdn2d(x, fir_kernel(), 2, 1, (2, 1)).dtype == gram(x).dtype == dtype


def test_empty_batches_and_formats() -> None:
    x = torch.empty(0, 4, 6, 6)
    assert modulated_conv2d(x, torch.ones(3, 4, 3, 3), torch.empty(0, 4)).shape == (0, 3, 6, 6)
    assert upfirdn2d(x, fir_kernel(), 2, 1, (2, 1)).shape == (0, 4, 12, 12)
    assert gram(x).shape == (0, 4, 4)
    last = normal("x", (2, 4, 6, 6)).to(memory_format=torch.channels_last)
    assert bias_act(last).is_contiguous(memory_format=torch.channels_last)
    # The form without derivatives goes sample by sample; above 16 x 16 it is the one taken.
    large = normal("x", (1, 4, 16, 16)).to(memory_format=torch.channels_last)
    for up in (1, 2):
        y = modulated_conv2d(large, normal("w", (3, 4, 3, 3)), normal("s", (1, 4)), up=up, kernel=fir_kernel())
        assert y.is_contiguous(memory_format=torch.channels_last)


def test_the_choice_can_be_explained_overridden_and_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    assert explain()["bias_act"].implementation == "cpu"
    assert explain("cuda", torch.float64)["gram"].reason == "float64 is for checking"
    with use("reference"):
        assert explain()["bias_act"].reason == "asked for"
        assert layout(torch.device("cpu")) == torch.contiguous_format
    assert layout(torch.device("cpu")) == torch.channels_last
    monkeypatch.setenv("AAHQ_OPS", "reference")
    assert explain()["upfirdn2d"].implementation == "reference"
    monkeypatch.setenv("AAHQ_OPS", "fast")
    with pytest.raises(ValueError, match=r"AAHQ_OPS .*given 'fast'; expected one of reference, cpu, triton"):
        explain()
    monkeypatch.delenv("AAHQ_OPS")
    bias_act(torch.ones(1, 1))
    assert record()["bias_act cpu float32"] == "cpu (CPU device)"
    with use("triton"), pytest.raises(ValueError, match="triton was asked for on cpu; expected a CUDA device"):
        bias_act(torch.ones(1, 1))


@pytest.mark.parametrize(
    ("call", "given"),
    [
        (lambda: bias_act(torch.ones(2, 3, dtype=torch.uint8)), "uint8"),
        (lambda: bias_act(torch.ones(2, 3), torch.ones(2)), "(2,)"),
        (lambda: bias_act(torch.ones(2, 3), slope=-0.1), "-0.1"),
        (lambda: bias_act(torch.ones(2, 3), gain=0), "0"),
        (lambda: bias_act(torch.ones(2, 3), torch.ones(3, device="meta")), "meta"),
        (lambda: upfirdn2d(torch.ones(2, 3), torch.ones(4, 4)), "(2, 3)"),
        (lambda: upfirdn2d(torch.ones(1, 1, 2, 2), torch.ones(4, 4)), "-1x-1"),
        (lambda: upfirdn2d(torch.ones(1, 1, 2, 2), torch.ones(1, 1), up=0), "0"),
        (lambda: modulated_conv2d(torch.ones(1, 2, 4, 4), torch.ones(3, 2, 3, 3), torch.ones(2, 2)), "(2, 2)"),
        (lambda: modulated_conv2d(torch.ones(1, 2, 4, 4), torch.ones(3, 2, 3, 3), torch.ones(1, 2), up=2), "None"),
        (lambda: gram(torch.ones(2, 3)), "(2, 3)"),
    ],
)
def test_bad_input_is_one_line(call: object, given: str) -> None:
    with pytest.raises(ValueError, match="expected") as caught:
        call()  # type: ignore[operator]
    assert given in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.slow
def test_compiled_without_graph_breaks() -> None:
    def work(x: Tensor, w: Tensor, s: Tensor) -> Tensor:
        y = bias_act(modulated_conv2d(x, w, s, up=2, kernel=kernel), slope=0.1)
        return gram(upfirdn2d(y, kernel, 1, 2, (1, 1)))

    kernel = fir_kernel()
    arguments = normal("x", (2, 4, 6, 6)), normal("w", (3, 4, 3, 3)), normal("s", (2, 4))
    compiled = torch.compile(work, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(*arguments), work(*arguments), rtol=1e-4, atol=1e-5)


def test_gradient_geometry_gives_the_input_back() -> None:
    shape = geometry(3, 2, (4, 1))
    height, width = shape.out_size(7, 9, 3, 4)
    assert shape.transposed(7, 9, 3, 4).out_size(height, width, 3, 4) == (7, 9)
    assert upfirdn2d_ref(torch.zeros(1, 1, 7, 9), torch.ones(3, 4), shape).shape[2:] == (height, width)


def test_a_device_without_kernels_runs_the_plain_forms() -> None:
    # Apple's GPU is not here to try; what would run on it is.
    choices = explain("mps")
    assert {choice.implementation for choice in choices.values()} == {"reference"}
    assert {choice.reason for choice in choices.values()} == {"no other form for mps"}
