"""Check a checkpoint against a network key by key and load it; write safetensors."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor, nn

from models.rng import generator_at
from models.weights import layouts
from models.weights.reading import Checkpoint, State, read_checkpoint
from models.weights.writing import write_tensors
from suite.errors import SuiteError
from suite.files import canonical_json, whole_file
from suite.terminal import say

FORMAT = "aahq-blendgan/1"
NOISES = "noises."


@runtime_checkable
class AcceptsShapes(Protocol):
    """A layer whose checkpoint may hold a parameter in another shape than the layer does."""

    def accepted_shapes(self, name: str) -> Collection[tuple[int, ...]]:
        """Shapes in which `name` may be stored."""
        ...


@runtime_checkable
class Heeds(Protocol):
    """A network of which a file tells more than weights, such as the limit of its layers."""

    def load_metadata(self, facts: Mapping[str, Any]) -> None:
        """Take what concerns it from `Checkpoint.facts`; what is not there goes back to its default."""
        ...


def load_checkpoint(path: str | Path, into: nn.Module, *, keep: tuple[str, ...] = ()) -> Checkpoint:
    """Load the part of a checkpoint that belongs to a network, strictly.

    The part is found by its keys; a style encoder is also found inside a BlendGAN generator, and a VGG-19 trunk inside
    torchvision's classifier.

    Args:
        path: the file.
        into: the network; its device and dtype stay.
        keep: key prefixes that the file may lack and that keep their value (`("embedding.", "embedder.",
            "add_weight")` starts a BlendGAN generator from a StyleGAN2 one).

    Returns:
        What the file held, for `latent_avg`, `truncation` and `facts`.

    Raises:
        SuiteError: another method or size, or any key missing, unexpected or misshapen: every one is named.
    """
    checkpoint = read_checkpoint(path)
    load_state(into, _choose(checkpoint, into, keep), checkpoint.path.name, keep=keep)
    if isinstance(into, Heeds):
        into.load_metadata(checkpoint.facts)
    return checkpoint


def load_state(into: nn.Module, state: Mapping[str, Tensor], name: str, *, keep: tuple[str, ...] = ()) -> None:
    """Load a state dict strictly; `name` stands for its source in messages. See `load_checkpoint`.

    A generator's noise maps are not learnt, and some files leave all of them out: then they are drawn, the same each time.
    """
    shapes = dict(_shapes(into))
    noises = [key for key in shapes if key.startswith(NOISES)]
    if noises and not any(key.startswith(NOISES) for key in state):
        state = dict(state) | {key: _drawn_noise(key, shapes[key][0]) for key in noises}
        say(f"{name}: holds no noise maps ({noises[0]}, ...); they are drawn from a fixed seed", err=True)
    missing = [key for key in shapes if key not in state and not key.startswith(keep or ("\0",))]
    unexpected = [key for key in state if key not in shapes]
    misshapen = [
        f"{key} is {_dims(tuple(state[key].shape))}, {' or '.join(map(_dims, wanted))} is expected"
        for key, wanted in shapes.items()
        if key in state and tuple(state[key].shape) not in wanted
    ]
    faults = [
        f"{what}: {', '.join(keys)}"
        for what, keys in (("missing", missing), ("unexpected", unexpected), ("misshapen", misshapen))
        if keys
    ]
    if faults:
        raise SuiteError(f"{name}: does not fit {type(into).__name__}; {'; '.join(faults)}")
    check_finite(state, name)
    whole = dict(state)
    if keep:
        present = dict(into.named_parameters()) | dict(into.named_buffers())
        kept = [key for key in shapes if key not in whole]
        whole |= {key: present[key] for key in kept}
    into.load_state_dict(whole)


def _drawn_noise(key: str, shape: tuple[int, ...]) -> Tensor:
    return torch.from_numpy(generator_at("weights", key).standard_normal(shape, np.float32))


def _has_values(tensor: Tensor) -> bool:
    """Whether a tensor holds numbers that can be wrong: no integers, no shape without storage."""
    return tensor.is_floating_point() and not tensor.is_meta


def check_finite(state: Mapping[str, Tensor], name: str) -> None:
    """SuiteError where a weight is NaN or infinite: such networks make black pictures without a word."""
    foreign = [key for key, value in state.items() if value.layout != torch.strided or value.is_complex()]
    if foreign:
        raise SuiteError(f"{name}: {foreign[0]} is sparse or complex; plain numbers are expected")
    broken = [key for key, value in state.items() if _has_values(value) and not value.isfinite().all()]
    if broken:
        raise SuiteError(
            f"{name}: NaN or infinite weights in {', '.join(broken[:3])}{' ...' if len(broken) > 3 else ''}; "
            "take an earlier checkpoint, or fetch the file again"
        )


def save_weights(
    path: str | Path,
    parts: Mapping[str, Mapping[str, Tensor]],
    *,
    latent_avg: Tensor | None = None,
    truncation: float | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> None:
    """Write state dicts as one safetensors file, atomically; `read_checkpoint` reads it back.

    Keys are `<part>/<key>`; the metadata has `format`, `parts` (network and configuration of each) and `metadata`.
    """
    tensors = {f"{name}/{key}": _plain(value) for name, state in parts.items() for key, value in state.items()}
    if latent_avg is not None:
        tensors["extra/latent_avg"] = _plain(latent_avg)
    if truncation is not None:
        tensors["extra/truncation"] = torch.tensor(float(truncation))
    described = {
        name: {"network": layouts.network_of(state), "keys": len(state), **layouts.configuration(state)}
        for name, state in parts.items()
    }
    facts = {"format": FORMAT, "parts": canonical_json(described)}
    facts |= {
        key: value if isinstance(value, str) else canonical_json(value) for key, value in (metadata or {}).items()
    }
    with whole_file(path) as part:
        write_tensors(part, tensors, facts)


def _plain(tensor: Tensor) -> Tensor:
    return tensor.detach().cpu().contiguous().clone() if tensor.numel() < 2**20 else tensor.detach().cpu().contiguous()


def _choose(checkpoint: Checkpoint, into: nn.Module, keep: tuple[str, ...]) -> State:
    wanted = {key: torch.empty(shapes[0], device="meta") for key, shapes in _shapes(into)}
    network = layouts.network_of(wanted)
    accepted = [network] if network else []
    if network == layouts.BLENDGAN and keep:
        accepted.append(layouts.STYLEGAN2)
    state = checkpoint.part(*accepted)
    if state is None and network == layouts.STYLE_ENCODER:
        whole = checkpoint.part(layouts.BLENDGAN) or {}
        state = {key[9:]: value for key, value in whole.items() if key.startswith("embedder.")} or None
    if state is None and network is None and len(checkpoint.parts) == 1:
        state = next(iter(checkpoint.parts.values()))
    if state is None:
        raise SuiteError(f"{checkpoint}: {layouts.say(wanted)} is expected")
    ours, theirs = layouts.configuration(wanted), layouts.configuration(state)
    differing = [key for key in ours if key in theirs and ours[key] != theirs[key]]
    if differing:
        listing = "; ".join(f"{key} {theirs[key]} in the file, {ours[key]} in the network" for key in differing)
        raise SuiteError(f"{checkpoint.path.name}: a {network} of another configuration: {listing}")
    return state


def _shapes(into: nn.Module) -> Iterator[tuple[str, list[tuple[int, ...]]]]:
    """Every persistent key of a module with the shapes in which a file may hold it (without copying any tensor)."""
    for prefix, module in into.named_modules():
        held = dict(module.named_parameters(recurse=False)) | {
            name: value
            for name, value in module.named_buffers(recurse=False)
            if name not in module._non_persistent_buffers_set
        }
        for name, value in held.items():
            also = module.accepted_shapes(name) if isinstance(module, AcceptsShapes) else ()
            yield f"{prefix}.{name}" if prefix else name, list(also) or [tuple(value.shape)]


def _dims(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "a scalar"
