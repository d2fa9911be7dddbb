"""Read a checkpoint of any known layout, check it against a network key by key, and load it; write safetensors."""

from __future__ import annotations

import argparse
import json
import pickle
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from models.weights import layouts, nvidia
from models.weights.registry import expected_digest
from models.weights.unpickle import Record, read_tensors_only
from suite.errors import SuiteError
from suite.files import canonical_json, sha256_file, whole_file

State = dict[str, Tensor]

FORMAT = "aahq-blendgan/1"
# The bytes with which torch.save's older, unzipped files begin: protocol 2, then its magic number.
_OLD_TORCH = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
_EXTRAS = ("latent_avg", "truncation")


@runtime_checkable
class AcceptsShapes(Protocol):
    """A layer whose checkpoint may hold a parameter in another shape than the layer does."""

    def accepted_shapes(self, name: str) -> Collection[tuple[int, ...]]:
        """Shapes in which `name` may be stored."""
        ...


@runtime_checkable
class Heeds(Protocol):
    """A network of which a file tells more than weights, such as the limit of its layers."""

    def heed(self, facts: Mapping[str, Any]) -> None:
        """Take what concerns it from `Checkpoint.facts`; what is not there goes back to its default."""
        ...


@dataclass(frozen=True)
class Checkpoint:
    """What a file holds.

    Attributes:
        path: where it was read.
        parts: state dicts by the name that the file gives them (`g_ema`, `d`, `encoder`, ...), published key names.
        latent_avg: (512,), (1, 512) or (n_latent, 512) float32: the truncation centre, or what pSp adds; or None.
        truncation: the factor that the file recommends, or None.
        facts: anything else that the file says (`nvidia.FACTS`, the metadata of a safetensors file).
    """

    path: Path
    parts: dict[str, State]
    latent_avg: Tensor | None = None
    truncation: float | None = None
    facts: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.path.name} ({'; '.join(f'{name}: {layouts.say(state)}' for name, state in self.parts.items())})"

    def part(self, *networks: str) -> State | None:
        """The state of the first of `networks` (names of `models.weights.layouts`) that the file has, averages first."""
        names = sorted(self.parts, key=lambda name: (not name.endswith("_ema"), name))
        for network in networks:
            for name in names:
                if layouts.network_of(self.parts[name]) == network:
                    return self.parts[name]
        return None


def read_checkpoint(path: str | Path) -> Checkpoint:
    """Read BlendGAN, rosinality, NVIDIA, pSp, style-encoder, VGG-19 or this suite's own files; run nothing in them.

    Args:
        path: a file, or a training checkpoint's folder, whose safetensors files become the parts.

    Raises:
        SuiteError: missing, wrong digest, truncated, not weights, or a pickle that asks for code; one line.
    """
    path = Path(path)
    if path.is_dir():
        return _from_folder(path)
    if not path.is_file():
        raise SuiteError(f"{path}: no such weights file; give a path, or see `blendgan weights` for where to get it")
    want = expected_digest(path.name)
    if want and not (found := sha256_file(path)).startswith(want):
        raise SuiteError(f"{path}: SHA-256 is {found[:16]}..., {want[:16]}... is published; fetch it again")
    with path.open("rb") as source:
        head = source.read(64)
    if head.lstrip()[:1] == b"<":
        raise SuiteError(f"{path}: a web page, not weights (a download that asked for a confirmation?); fetch it again")
    if head[8:9] == b"{":
        return _from_safetensors(path)
    if head[:2] == b"PK" or head.startswith(_OLD_TORCH):
        return _from_value(path, _torch_load(path, zipped=head[:2] == b"PK"))
    if head[:1] != b"\x80":
        raise SuiteError(f"{path}: not a weights file; .safetensors, .pt, .pth or NVIDIA's .pkl are read")
    with path.open("rb") as source:
        return _from_value(path, read_tensors_only(source, str(path)))


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
        into.heed(checkpoint.facts)
    return checkpoint


def load_state(into: nn.Module, state: Mapping[str, Tensor], name: str, *, keep: tuple[str, ...] = ()) -> None:
    """Load a state dict strictly; `name` stands for its source in messages. See `load_checkpoint`."""
    shapes = dict(_shapes(into))
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
    whole = dict(state)
    if keep:
        present = dict(into.named_parameters()) | dict(into.named_buffers())
        kept = [key for key in shapes if key not in whole]
        whole |= {key: present[key] for key in kept}
    into.load_state_dict(whole)


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
        save_file(tensors, str(part), facts)


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
        told = "; ".join(f"{key} {theirs[key]} in the file, {ours[key]} in the network" for key in differing)
        raise SuiteError(f"{checkpoint.path.name}: a {network} of another configuration: {told}")
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


def _torch_load(path: Path, zipped: bool) -> Any:
    try:
        # Training options are often saved as a Namespace, which holds attributes and runs nothing.
        with torch.serialization.safe_globals([argparse.Namespace]):
            return torch.load(path, map_location="cpu", weights_only=True, mmap=zipped)
    except pickle.UnpicklingError as error:
        asked = re.search(r"(?:GLOBAL|Unsupported class|type) ([\w.]+)", str(error))
        if asked and "nsupported" in str(error):
            raise SuiteError(
                f"{path}: refused, it asks for {asked[1]}; only tensors and plain values are read and no code was run"
            ) from None
        raise SuiteError(f"{path}: a damaged or unreadable torch file; fetch it again") from None
    except (RuntimeError, EOFError, ValueError, KeyError, AttributeError, TypeError, IndexError, OSError) as error:
        told = str(error).split("\n")[0][:120]
        raise SuiteError(f"{path}: a truncated or damaged torch file ({told}); fetch it again") from None


def _from_safetensors(path: Path) -> Checkpoint:
    try:
        with safe_open(str(path), "pt") as source:
            facts = dict(source.metadata() or {})
            parts: dict[str, State] = {}
            for key in source.keys():  # noqa: SIM118 - not a mapping
                part, slash, name = key.partition("/")
                parts.setdefault(part if slash else "weights", {})[name if slash else key] = source.get_tensor(key)
    except (SafetensorError, ValueError) as error:
        raise SuiteError(f"{path}: a truncated or damaged safetensors file ({error}); fetch it again") from None
    extra = parts.pop("extra", {})
    truncation = extra.get("truncation")
    return Checkpoint(
        path, parts, extra.get("latent_avg"), None if truncation is None else float(truncation), _decoded(facts)
    )


def _from_folder(path: Path) -> Checkpoint:
    files = sorted(path.glob("*.safetensors"))
    if not files:
        raise SuiteError(f"{path}: a folder without .safetensors files; a training checkpoint's folder is expected")
    read = {file.stem: _from_safetensors(file) for file in files}
    parts = {stem: state for stem, one in read.items() for state in one.parts.values()}
    average = next((one.latent_avg for one in read.values() if one.latent_avg is not None), None)
    return Checkpoint(path, parts, average)


def _decoded(facts: Mapping[str, str]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for key, text in facts.items():
        try:
            out[key] = json.loads(text) if text[:1] in "{[0123456789" else text
        except json.JSONDecodeError:
            out[key] = text
    return out


def _from_value(path: Path, value: Any) -> Checkpoint:
    """Sort what torch or the restricted unpickler returned into parts."""
    if isinstance(value, Record):
        value = {"G_ema": value}
    if not isinstance(value, Mapping):
        raise SuiteError(f"{path}: holds a {type(value).__name__}; a checkpoint of named tensors is expected")
    if any(isinstance(entry, Record) for entry in value.values()):
        return _from_nvidia(path, value)
    parts: dict[str, State] = {}
    for name, entry in ({"weights": value} | dict(value)).items():
        if _is_state(entry):
            parts |= _split(str(name), dict(entry))
    if not parts:
        raise SuiteError(f"{path}: holds no network (found {', '.join(map(str, list(value)[:8])) or 'nothing'})")
    average, truncation = (value.get(key) for key in _EXTRAS)
    return Checkpoint(
        path,
        parts,
        average if isinstance(average, Tensor) else None,
        float(truncation) if isinstance(truncation, (int, float, Tensor)) else None,
        {key: value[key] for key in nvidia.FACTS if isinstance(value.get(key), (int, float))},
    )


def _is_state(entry: object) -> bool:
    return (
        isinstance(entry, Mapping)
        and len(entry) > 1
        and all(isinstance(key, str) and isinstance(value, Tensor) for key, value in entry.items())
    )


def _split(name: str, state: State) -> dict[str, State]:
    """The networks inside one state dict: pSp's file keeps two in one, torchvision's VGG-19 has a classifier besides."""
    if any(key.startswith("encoder.input_layer.") for key in state):
        inner = {prefix: _under(state, prefix + ".") for prefix in ("encoder", "decoder")}
        rest = {key: value for key, value in state.items() if key.partition(".")[0] not in inner}
        return {prefix: part for prefix, part in (inner | {name: rest}).items() if part}
    if "features.34.weight" in state and "classifier.6.weight" in state:
        return {
            "vgg19": {f"vgg_layers.{key[9:]}": value for key, value in state.items() if key.startswith("features.")}
        }
    return {name: state}


def _under(state: State, prefix: str) -> State:
    return {key[len(prefix) :]: value for key, value in state.items() if key.startswith(prefix)}


def _from_nvidia(path: Path, value: Mapping[str, Any]) -> Checkpoint:
    parts: dict[str, State] = {}
    average: Tensor | None = None
    facts: dict[str, Any] = {}
    for theirs, ours in (("G_ema", "g_ema"), ("G", "g"), ("D", "d")):
        network = value.get(theirs)
        if not isinstance(network, Record):
            continue
        if ours == "d":
            parts[ours], told = nvidia.discriminator_state(network, str(path))
            facts |= told
            continue
        parts[ours], mean, told = nvidia.generator_state(network, str(path))
        facts |= told
        average = mean if average is None else average
    if not parts:
        raise SuiteError(f"{path}: holds none of G_ema, G and D; NVIDIA's StyleGAN2 files have them")
    return Checkpoint(path, parts, average, None, facts)
