"""Folded layers against the layers in turn, in float64: outputs, gradients and gradients of gradients."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from baselines import blocks
from baselines import fused_resample as folds


def doubled(x, weight, bias, mode):
    up = F.interpolate(x, scale_factor=2)
    return F.conv2d(F.pad(up, (weight.shape[-1] // 2,) * 4, mode=mode), weight, bias)


FOLDS = {
    "zeros": (folds.upsample_then_conv, lambda x, w, b: doubled(x, w, b, "constant"), 3),
    "reflect-3": (folds.upsample_then_reflect_conv, lambda x, w, b: doubled(x, w, b, "reflect"), 3),
    "reflect-5": (folds.upsample_then_reflect_conv, lambda x, w, b: doubled(x, w, b, "reflect"), 5),
    "pool": (
        lambda x, w, b: folds.conv_then_pool(x, w, b, 1),
        lambda x, w, b: F.avg_pool2d(F.conv2d(x, w, b, padding=1), 2),
        3,
    ),
    "norm": (lambda x, w, b: blocks.instance_norm(x), lambda x, w, b: F.instance_norm(x), 3),
    "styled norm": (
        lambda x, w, b: blocks.instance_norm(x, w[:2, :, 0, 0], w[2:4, :, 0, 1]),
        lambda x, w, b: F.instance_norm(x) * w[:2, :, 0, :1, None] + w[2:4, :, 0, 1:2, None],
        3,
    ),
}


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
# Smaller and larger than the sides from which layers are folded; odd, and of two lengths.
@pytest.mark.parametrize("sides", [(9, 7), (37, 34)])
@pytest.mark.parametrize("name", FOLDS)
def test_folds_are_exact(name, sides, layout):
    folded, plain, kernel = FOLDS[name]
    generator = torch.Generator().manual_seed(0)

    def normal(*shape):
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    given = [normal(2, 6, *sides), normal(5, 6, kernel, kernel), normal(5)]

    def both(layer):
        x, weight, bias = (tensor.clone().requires_grad_() for tensor in given)
        x_, weight_ = (tensor.contiguous(memory_format=layout) for tensor in (x, weight))
        out = layer(x_, weight_, bias)
        first = torch.autograd.grad(out.pow(3).sum(), (x, weight, bias), create_graph=True, materialize_grads=True)
        energy = sum(gradient.square().sum() for gradient in first)
        second = torch.autograd.grad(energy, (x, weight, bias), materialize_grads=True)
        return [value.detach() for value in (out, *first, *second)]

    for ours, expected in zip(both(folded), both(plain)):
        # Rounding of float64 sums of some hundred products, relative to the largest.
        assert float((ours - expected).abs().max()) <= 1e-11 * max(1.0, float(expected.abs().max()))


@pytest.mark.parametrize("name", ["zeros", "reflect-3", "reflect-5", "pool"])
def test_kernels_kept_for_inference_follow_their_weights(name):
    folded, plain, kernel = FOLDS[name]
    conv = torch.nn.Conv2d(6, 5, kernel).requires_grad_(False)
    x = torch.randn(2, 6, 37, 34, generator=torch.Generator().manual_seed(0))

    def agree(x):
        assert torch.allclose(folded(x, conv.weight, conv.bias), plain(x, conv.weight, conv.bias), atol=1e-4)

    with torch.inference_mode():
        agree(x)
    # Kept in inference mode, and yet part of a graph through the picture.
    x_ = x.clone().requires_grad_()
    ours, expected = (torch.autograd.grad(layer(x_, conv.weight, conv.bias).sum(), x_)[0] for layer in (folded, plain))
    assert torch.allclose(ours, expected, atol=1e-4)
    with torch.no_grad():
        conv.weight.mul_(2)
        agree(x)
        conv.load_state_dict({"weight": torch.randn_like(conv.weight), "bias": conv.bias})
        agree(x)
        x = x.double()
        conv.double()
        agree(x)
        # A module that moves puts other memory behind the same parameter.
        conv.weight.data = torch.randn_like(conv.weight)
        agree(x)
    conv.requires_grad_(True)
    folded(x, conv.weight, conv.bias).sum().backward()
    assert conv.weight.grad is not None, "in training the kernel is part of the graph"
