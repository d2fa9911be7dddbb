"""Read a checkpoint file of any known layout into named state dicts; nothing in a file is run."""

from __future__ import annotations

import argparse
import json
import math
import pickle
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from models.weights import layouts, nvidia
from models.weights.registry import expected_digest
from models.weights.unpickle import Record, read_tensors_only
from suite.errors import SuiteError
from suite.files import sha256_file

State = dict[str, Tensor]

# The bytes with which torch.save's older, unzipped files begin: protocol 2, then its magic number.
_OLD_TORCH = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
_EXTRAS = ("latent_avg", "truncation")


# Training options are often saved as a Namespace, a scheduler's rate as a NumPy number (under NumPy 1's path in older
# files): they hold values and run nothing.
_SCALAR: Any = np.float64(0).__reduce__()[0]
_PLAIN: list[Any] = [
    argparse.Namespace,
    np.dtype,
    _SCALAR,
    (_SCALAR, "numpy.core.multiarray.scalar"),
    *(type(np.dtype(kind)) for kind in (np.float64, np.float32, np.int64)),
]


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
    if want and not (digest := sha256_file(path)).startswith(want):
        raise SuiteError(f"{path}: SHA-256 is {digest[:16]}..., {want[:16]}... is published; fetch it again")
    with path.open("rb") as source:
        head = source.read(64)
    # The header's length begins a safetensors file; its first bytes may be a blank and "<".
    if head[4:9] == b"\0\0\0\0{":
        return _from_safetensors(path)
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


def _torch_load(path: Path, zipped: bool) -> Any:
    try:
        with torch.serialization.safe_globals(_PLAIN):
            return torch.load(path, map_location="cpu", weights_only=True, mmap=zipped)
    except pickle.UnpicklingError as error:
        match = re.search(r"(?:GLOBAL|Unsupported class|type) ([\w.]+)", str(error))
        if match and "nsupported" in str(error):
            raise SuiteError(
                f"{path}: refused, it asks for {match[1]}; only tensors and plain values are read and no code was run"
            ) from None
        raise SuiteError(f"{path}: a damaged or unreadable torch file; fetch it again") from None
    except (RuntimeError, EOFError, ValueError, KeyError, AttributeError, TypeError, IndexError, OSError) as error:
        message = str(error).split("\n")[0][:120]
        raise SuiteError(f"{path}: a truncated or damaged torch file ({message}); fetch it again") from None


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
    if not parts:
        raise SuiteError(f"{path}: holds no network")
    parts = {name: _bare(state) for name, state in parts.items()}
    average, truncation = _extras(extra, path)
    return Checkpoint(path, parts, average, truncation, _decoded(facts))


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
    facts = {key: value[key] for key in nvidia.FACTS if isinstance(value.get(key), (int, float))}
    return Checkpoint(path, parts, *_extras(value, path), facts)


def _extras(held: Mapping[str, Any], path: Path) -> tuple[Tensor | None, float | None]:
    """`latent_avg` and `truncation`, where they are there."""
    average, truncation = (held.get(key) for key in _EXTRAS)
    average = average if isinstance(average, Tensor) else None
    if average is not None and (average.dim() not in (1, 2) or not average.isfinite().all()):
        raise SuiteError(f"{path}: latent_avg is no row of finite numbers; fetch the file again")
    if isinstance(truncation, Tensor):
        truncation = truncation.item() if truncation.numel() == 1 else math.nan
    if not isinstance(truncation, (int, float)):
        return average, None
    if not 0 <= truncation <= 1:
        raise SuiteError(f"{path}: truncation is {truncation}; from 0 to 1 is expected")
    return average, float(truncation)


def _is_state(entry: object) -> bool:
    return (
        isinstance(entry, Mapping)
        and len(entry) > 1
        and all(isinstance(key, str) and isinstance(value, Tensor) for key, value in entry.items())
    )


def _split(name: str, state: State) -> dict[str, State]:
    """The networks inside one state dict: pSp's file keeps two in one, torchvision's VGG-19 has a classifier besides."""
    state = _bare(state)
    if any(key.startswith("encoder.input_layer.") for key in state):
        inner = {prefix: _under(state, prefix + ".") for prefix in ("encoder", "decoder")}
        rest = {key: value for key, value in state.items() if key.partition(".")[0] not in inner}
        return {prefix: part for prefix, part in (inner | {name: rest}).items() if part}
    if "features.34.weight" in state and "classifier.6.weight" in state:
        return {
            "vgg19": {f"vgg_layers.{key[9:]}": value for key, value in state.items() if key.startswith("features.")}
        }
    return {name: state}


def _bare(state: State) -> State:
    """Without the prefixes that DataParallel and torch.compile put before every key."""
    for prefix in ("module.", "_orig_mod."):
        if state and all(key.startswith(prefix) for key in state):
            return _bare({key[len(prefix) :]: value for key, value in state.items()})
    return state


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
        try:
            if ours == "d":
                parts[ours], attributes = nvidia.discriminator_state(network, str(path))
            else:
                parts[ours], mean, attributes = nvidia.generator_state(network, str(path))
                average = mean if average is None else average
        except (KeyError, IndexError, RuntimeError, pickle.UnpicklingError) as error:
            raise SuiteError(f"{path}: its {theirs} is no StyleGAN2 network as NVIDIA writes it ({error})") from None
        facts |= attributes
    if not parts:
        raise SuiteError(f"{path}: holds none of G_ema, G and D; NVIDIA's StyleGAN2 files have them")
    return Checkpoint(path, parts, average, None, facts)
