"""Weights and inputs made from a key's name, so that a test can carry a few output figures instead of whole networks.

A tensor called `key` starts from standard normals of a generator seeded with crc32(salt + key), then is scaled to what
a trained network would hold. Two networks that agree on every key and shape therefore get identical weights.
"""

from __future__ import annotations

import json
import math
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

KEPT = re.compile(r"(^|\.)(kernel|filter|shift|scale)$")
MAPPING = re.compile(r"(^|\.)(style|embedding)\.\d+\.(weight|bias)$")
WEIGHT = re.compile(r"weight(_orig|_bar)?$")
RUNTIME_SCALED = re.compile(r"^styles\.\d+\.linear\.weight$")


def normal(key: str, shape: tuple[int, ...], salt: str = "") -> Tensor:
    """Standard normals, float32, fixed by `salt + key` and `shape`; `normal("check", (4,))` starts 0.4355769."""
    drawn = np.random.default_rng(zlib.crc32((salt + key).encode())).standard_normal(tuple(shape), dtype=np.float32)
    return torch.from_numpy(drawn)


def _value(key: str, like: Tensor, keys: Mapping[str, Tensor], salt: str, equalized: bool, gain: float) -> Tensor:
    shape = tuple(like.shape)
    n = normal(key, shape, salt)
    equalized = equalized and ".vgg_layers." not in key
    mapping = MAPPING.search(key) is not None
    if key.endswith("running_mean"):
        return 0.1 * n
    if key.endswith("running_var"):
        return 1 + 0.5 * n.abs()
    if key.endswith("add_weight"):
        return 0.5 + 0.6 * n
    if key.endswith("noise.weight"):
        return 0.2 + 0.05 * n
    if key.endswith(("gamma", "modulation.bias")):
        return 1 + 0.1 * n
    if key.endswith(("bias", "beta")):
        return (10.0 if equalized and mapping else 0.1) * n
    if not WEIGHT.search(key):
        return n
    if len(shape) in (1, 3):
        return 1 + 0.1 * n if key.removesuffix("weight") + "bias" in keys else 0.25 + 0.05 * n
    if equalized or len(shape) == 5 or RUNTIME_SCALED.search(key):
        return n * (100.0 if mapping else 500.0 if key.endswith("embedder_mlp.0.weight") else 1.0)
    to_rgb = len(shape) == 4 and shape[0] > 3 and shape[1:] == (3, 1, 1)
    return n * (gain / math.sqrt(shape[0] if to_rgb else math.prod(shape[1:])))


def fill(
    state: Mapping[str, Tensor], salt: str = "", profile: str = "plain", gain: float = 2**0.5
) -> dict[str, Tensor]:
    """A state dict of the same keys, shapes and dtypes with the recipe's values; constants and counters stay.

    Args:
        state: `net.state_dict()`.
        salt: goes before every key.
        profile: `"equalized"` where the network scales its weights at run time (StyleGAN2), else `"plain"`.
        gain: of plain weights, over the square root of the fan-in.
    """
    return {
        key: like.clone()
        if not like.is_floating_point() or KEPT.search(key)
        else _value(key, like, state, salt, profile == "equalized", gain).to(like.dtype)
        for key, like in state.items()
    }


def make_input(kind: str, shape: tuple[int, ...], name: str, salt: str = "") -> Tensor:
    """An input by name: `"normal"`, `"image"` (blocky, in [-1, 1]) or `"unit"` (the same in [0, 1])."""
    n = normal(f"in/{name}", shape, salt)
    if kind == "normal":
        return n
    height, width = shape[2:]
    low = normal(f"in/{name}/low", (*shape[:2], math.ceil(height / 16), math.ceil(width / 16)), salt)
    blocks = low.repeat_interleave(16, 2).repeat_interleave(16, 3)[..., :height, :width]
    image = (0.5 * blocks + 0.25 * n).clamp(-1, 1)
    return image if kind == "image" else (image + 1) / 2


@dataclass(frozen=True)
class Figures:
    """Some values of a large output.

    Attributes:
        values: what is kept of it.
        cut: the slice that they are, as `part` takes it.
        shape: of the whole output.
    """

    values: Tensor
    cut: str
    shape: tuple[int, ...]


def matched(ours: Tensor, theirs: Tensor | Figures) -> tuple[Tensor, Tensor]:
    """(the values of ours that are kept of theirs, theirs); the shapes must agree as wholes."""
    if isinstance(theirs, Tensor):
        return ours.detach().reshape(theirs.shape), theirs
    return part(ours.detach().reshape(theirs.shape), theirs.cut), theirs.values


def load(path: Path) -> tuple[dict[str, Tensor], dict[str, Any], dict[str, Tensor], dict[str, Any]]:
    """(inputs, outputs, embedded weights, meta) of one golden file; an output is a tensor, or `Figures` of a large one."""
    from safetensors import safe_open

    groups: dict[str, dict[str, Any]] = {"in": {}, "out": {}, "sd": {}}
    with safe_open(str(path), "pt") as file:
        meta = json.loads(file.metadata()["golden"])
        for key in file.keys():  # noqa: SIM118 - the handle is no mapping
            group, name = key.split("/", 1)
            groups[group][name] = file.get_tensor(key).clone()
    for name, (kind, shape, *more) in meta["made_inputs"].items():
        dtype, factor = more or ("float32", 1.0)
        groups["in"][name] = make_input(kind, tuple(shape), name, meta["salt"]).to(getattr(torch, dtype)) * factor
    for name, (cut, shape) in meta.get("thinned", {}).items():
        groups["out"][name] = Figures(groups["out"][name], cut, tuple(shape))
    return groups["in"], groups["out"], groups["sd"], meta


def part(whole: Tensor, expression: str) -> Tensor:
    """`whole` cut by a slice written as in the golden metadata, e.g. `"[:,:,::4,::4]"`."""
    numbers = [[int(n) if n else None for n in axis.split(":")] for axis in expression.strip("[]").split(",")]
    return whole[tuple(slice(*axis) if len(axis) > 1 else axis[0] for axis in numbers)]
