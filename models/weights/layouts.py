"""Which network a state dict belongs to, and what its shapes say of that network."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from torch import Tensor

from suite.errors import SuiteError

BLENDGAN = "BlendGAN generator"
STYLEGAN2 = "StyleGAN2 generator"
DISCRIMINATOR = "discriminator"
PROJECTION = "projection discriminator"
STYLE_ENCODER = "style encoder"
PROJECTOR = "projector"
PSP = "pSp encoder"
VGG19 = "VGG-19"

# The first convolution of each of VGG-19's stages.
VGG_STAGES = (0, 5, 10, 19, 28)
# The groups of EfficientNet-Lite0's blocks that end in a map which is used, and its width.
LITE0_MAPS = {0: 16, 1: 24, 2: 40, 4: 112, 6: 320}

# The first entry whose keys are all there names the network.
_MARKS: tuple[tuple[str, tuple[str, ...]], ...] = (
    (BLENDGAN, ("add_weight", "input.input")),
    (STYLEGAN2, ("input.input", "conv1.conv.weight")),
    (PROJECTION, ("final_conv.0.weight", "l_out.weight")),
    (DISCRIMINATOR, ("final_conv.0.weight", "convs.0.0.weight")),
    (STYLE_ENCODER, ("embedder_mlp.0.weight",)),
    (PSP, ("input_layer.0.weight", "styles.0.linear.weight")),
    (PROJECTOR, ("projector.0.weight",)),
    (VGG19, ("vgg_layers.34.weight",)),
)


def network_of(keys: Iterable[str]) -> str | None:
    """The network that has these keys, e.g. `"pSp encoder"`; None for one that is not known."""
    present = set(keys)
    return next((name for name, marks in _MARKS if present.issuperset(marks)), None)


def configuration(state: Mapping[str, Tensor]) -> dict[str, Any]:
    """What the shapes say: for a generator size, style_dim, n_mlp and widths (resolution -> channels); else less."""
    network = network_of(state)
    if network in (BLENDGAN, STYLEGAN2):
        stages = _count(state, "to_rgbs.{}.bias")
        widths = {4: _axis(state, "conv1.conv.weight", 1)}
        widths |= {8 * 2**i: _axis(state, f"convs.{2 * i + 1}.conv.weight", 1) for i in range(stages)}
        return {
            "size": 4 * 2**stages,
            "style_dim": _axis(state, "conv1.conv.modulation.weight", 1),
            "n_mlp": _count(state, "style.{}.weight", 1),
            "widths": {str(size): width for size, width in widths.items()},
        }
    if network in (DISCRIMINATOR, PROJECTION):
        stages = _count(state, "convs.{}.conv1.0.weight", 1)
        sizes = [4 * 2**i for i in range(stages, -1, -1)]
        widths = {sizes[0]: _axis(state, "convs.0.0.weight", 0)}
        widths |= {size: _axis(state, f"convs.{i + 1}.conv2.1.weight", 0) for i, size in enumerate(sizes[1:])}
        return {"size": sizes[0], "widths": {str(size): width for size, width in widths.items()}}
    if network == STYLE_ENCODER:
        layers = _count(state, "embedder_mlp.{}.weight")
        code = _axis(state, f"embedder_mlp.{layers - 1}.weight", 0)
        if "embedder.feature_extractor.stem.weight" in state:
            groups = _count(state, "embedder.feature_extractor.groups.{}.0.project.weight")
            maps = tuple(LITE0_MAPS[group] for group in LITE0_MAPS if group < groups)
            return {"style_dim": code, "n_mlp": layers, "trunk": "lite0", "trunk_widths": maps}
        vgg_keys = (f"embedder.feature_extractor.vgg_layers.{index}.weight" for index in VGG_STAGES)
        vgg = tuple(_axis(state, key, 0) for key in vgg_keys)
        return {"style_dim": code, "n_mlp": layers, "trunk": "vgg19", "trunk_widths": vgg}
    if network == PROJECTOR:
        return {"style_dim": _axis(state, "projector.0.weight", 0), "n_mlp": _count(state, "projector.{}.weight")}
    if network == PSP:
        styles = _count(state, "styles.{}.linear.weight")
        # The first block of each stage: 0, 3, 7 and 21 of the body.
        trunk_widths = [_axis(state, f"body.{block}.res_layer.1.weight", 0) for block in (0, 3, 7, 21)]
        code = _axis(state, "styles.0.linear.weight", 0)
        return {"n_styles": styles, "size": 2 ** ((styles + 2) // 2), "style_dim": code, "trunk_widths": trunk_widths}
    return {}


def settled_configuration(state: Mapping[str, Tensor], name: str) -> dict[str, Any]:
    """`configuration` of a network that is to be built.

    Args:
        state: the network's weights.
        name: of their file, for the message.

    Raises:
        SuiteError: a tensor that decides the shape is missing or has too few axes.
    """
    known = configuration(state)
    values = [*known.values(), *known.get("widths", {}).values(), *known.get("trunk_widths", [])]
    if any(value in (None, 0) for value in values):
        raise SuiteError(f"{name}: a damaged {network_of(state)}: tensors that say its shape are missing or misshapen")
    if not 8 <= known.get("size", 8) <= 1024:
        raise SuiteError(f"{name}: a {network_of(state)} of {known['size']} px; 8 to 1024 are read")
    return known


def say(state: Mapping[str, Tensor]) -> str:
    """In words, e.g. `"a 256 px BlendGAN generator"`."""
    network = network_of(state)
    if network is None:
        return f"an unknown network ({', '.join(sorted(state)[:3])}, ...)"
    size = configuration(state).get("size")
    return f"a {size} px {network}" if size else f"a {network}"


def _count(state: Mapping[str, Tensor], pattern: str, start: int = 0) -> int:
    count = 0
    while pattern.format(start + count) in state:
        count += 1
    return count


def _axis(state: Mapping[str, Tensor], key: str, axis: int) -> int | None:
    return int(state[key].shape[axis]) if key in state and state[key].dim() > axis else None
