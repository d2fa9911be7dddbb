"""NVIDIA's StyleGAN2 networks (stylegan2-ada-pytorch and stylegan3 files) renamed to the layout of this suite.

Both code bases compute the same function from the same numbers: kernels need no flip (their upsampling layer
convolves, which is what a transposed convolution with the stored kernel does), biases and equalised weights are stored
alike, and only names, a leading axis of 1 and the gain of the resampling kernel differ.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from models.weights.unpickle import Record
from suite.errors import SuiteError

State = dict[str, Tensor]
# What networks are told beside their weights: the limit of a generator's layers and of a discriminator's, and how many
# pictures its minibatch deviation compares.
FACTS = ("conv_clamp", "d_conv_clamp", "d_stddev_group")


def generator_state(network: Record, name: str) -> tuple[State, Tensor | None, dict[str, Any]]:
    """Weights of a StyleGAN2 generator under this suite's keys, its mean latent, and what its file says of it.

    Args:
        network: the record of `G` or `G_ema`.
        name: the file's name, for messages.

    Returns:
        (state, latent_avg (512,) or None, {"conv_clamp": ...} if its layers are limited).

    Raises:
        SuiteError: a StyleGAN3, conditional, or non-skip generator.
    """
    tensors = network.tensors()
    if "synthesis.b4.const" not in tensors:
        what = "a StyleGAN3 generator" if any(".L0_" in key for key in tensors) else f"a {network.class_name}"
        raise SuiteError(f"{name}: holds {what}; a StyleGAN2 generator is expected")
    _refuse_labels(network, name)
    sizes = _resolutions(tensors, "synthesis.b")
    out: State = {}
    for index in range(_count(tensors, "mapping.fc{}.weight")):
        for field in ("weight", "bias"):
            out[f"style.{index + 1}.{field}"] = tensors.pop(f"mapping.fc{index}.{field}")
    average = tensors.pop("mapping.w_avg", None)
    out["input.input"] = tensors.pop("synthesis.b4.const")[None]
    layer = 0
    for size in sizes:
        block = f"synthesis.b{size}"
        for conv in ("conv0", "conv1") if size > 4 else ("conv1",):
            target = "conv1" if size == 4 else f"convs.{layer - 1}"
            out |= _styled(tensors, f"{block}.{conv}", target, layer, size, blur=conv == "conv0")
            layer += 1
        if f"{block}.torgb.weight" not in tensors:
            raise SuiteError(f"{name}: its generator has no output at {size} px; only the 'skip' architecture is read")
        out |= _to_rgb(tensors, block, "to_rgb1" if size == 4 else f"to_rgbs.{int(math.log2(size)) - 3}", size > 4)
    _all_used(tensors, name, "generator")
    return out, average, _attribute(network, "synthesis.b4.conv1.conv_clamp", "conv_clamp")


def discriminator_state(network: Record, name: str) -> tuple[State, dict[str, Any]]:
    """Weights of a StyleGAN2 residual discriminator under this suite's keys, and what its file says of it.

    Raises:
        SuiteError: as above.
    """
    tensors = network.tensors()
    if "b4.out.weight" not in tensors:
        raise SuiteError(f"{name}: holds a {network.class_name}; a StyleGAN2 discriminator is expected")
    _refuse_labels(network, name)
    sizes = _resolutions(tensors, "b")[::-1]
    out: State = {}
    _move(tensors, out, f"b{sizes[0]}.fromrgb", "convs.0.0.weight", "convs.0.1.bias")
    kernel = tensors.pop(f"b{sizes[0]}.fromrgb.resample_filter")
    for index, size in enumerate(sizes[:-1], start=1):
        _move(tensors, out, f"b{size}.conv0", f"convs.{index}.conv1.0.weight", f"convs.{index}.conv1.1.bias")
        _move(tensors, out, f"b{size}.conv1", f"convs.{index}.conv2.1.weight", f"convs.{index}.conv2.2.bias")
        out[f"convs.{index}.skip.1.weight"] = tensors.pop(f"b{size}.skip.weight")
        for part, target in (("conv0", None), ("conv1", "conv2"), ("skip", "skip")):
            tensors.pop(f"b{size}.{part}.resample_filter")
            if target:
                out[f"convs.{index}.{target}.0.kernel"] = kernel.clone()
        tensors.pop(f"b{size}.resample_filter")
    _move(tensors, out, "b4.conv", "final_conv.0.weight", "final_conv.1.bias")
    tensors.pop("b4.conv.resample_filter")
    _move(tensors, out, "b4.fc", "final_linear.0.weight", "final_linear.0.bias")
    _move(tensors, out, "b4.out", "final_linear.1.weight", "final_linear.1.bias")
    _all_used(tensors, name, "discriminator")
    limit = _attribute(network, "b4.conv.conv_clamp", "d_conv_clamp")
    return out, limit | _attribute(network, "b4.mbstd.group_size", "d_stddev_group")


def _attribute(network: Record, path: str, fact: str) -> dict[str, Any]:
    """{fact: the value at `path`}, or nothing where there is none. All layers of a network share their limit."""
    *modules, name = path.split(".")
    for module in modules:
        below = network.children("_modules").get(module)
        if not isinstance(below, Record):
            return {}
        network = below
    value = network.state.get(name)
    return {} if value is None else {fact: value}


def _styled(tensors: State, source: str, target: str, layer: int, size: int, blur: bool) -> State:
    out = {
        f"{target}.conv.weight": tensors.pop(f"{source}.weight")[None],
        f"{target}.conv.modulation.weight": tensors.pop(f"{source}.affine.weight"),
        f"{target}.conv.modulation.bias": tensors.pop(f"{source}.affine.bias"),
        # A generator that was made without noise has neither.
        f"{target}.noise.weight": tensors.pop(f"{source}.noise_strength", torch.zeros(1)).reshape(1),
        f"{target}.activate.bias": tensors.pop(f"{source}.bias"),
        f"noises.noise_{layer}": tensors.pop(f"{source}.noise_const", torch.zeros(size, size))[None, None],
    }
    kernel = tensors.pop(f"{source}.resample_filter")
    if blur:
        # The gain of zero-insertion (2 x 2) is part of the stored kernel here, an argument of the call there.
        out[f"{target}.conv.blur.kernel"] = kernel * 4
    return out


def _to_rgb(tensors: State, block: str, target: str, upsample: bool) -> State:
    out = {
        f"{target}.conv.weight": tensors.pop(f"{block}.torgb.weight")[None],
        f"{target}.conv.modulation.weight": tensors.pop(f"{block}.torgb.affine.weight"),
        f"{target}.conv.modulation.bias": tensors.pop(f"{block}.torgb.affine.bias"),
        f"{target}.bias": tensors.pop(f"{block}.torgb.bias").reshape(1, -1, 1, 1),
    }
    kernel = tensors.pop(f"{block}.resample_filter")
    if upsample:
        out[f"{target}.upsample.kernel"] = kernel * 4
    return out


def _move(tensors: State, out: State, source: str, weight: str, bias: str) -> None:
    out[weight] = tensors.pop(f"{source}.weight")
    out[bias] = tensors.pop(f"{source}.bias")


def _resolutions(tensors: State, prefix: str) -> list[int]:
    heads = {key[len(prefix) :].split(".", 1)[0] for key in tensors if key.startswith(prefix)}
    return sorted(int(head) for head in heads if head.isdigit())


def _count(tensors: State, pattern: str) -> int:
    count = 0
    while pattern.format(count) in tensors:
        count += 1
    return count


def _refuse_labels(network: Record, name: str) -> None:
    if network.state.get("c_dim"):
        raise SuiteError(
            f"{name}: a network conditioned on {network.state['c_dim']} labels; an unconditional one is read"
        )


def _all_used(left: State, name: str, what: str) -> None:
    if left:
        raise SuiteError(f"{name}: its {what} has parts that StyleGAN2 has not: {', '.join(sorted(left))}")
