"""Published checkpoints to safetensors, and back to the layout in which others read them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import Tensor

from models.networks.style_encoder import GRAM_VALUES, TRIANGLE_VALUES, fold_weight, unfold_weight
from models.weights import layouts, nvidia
from models.weights.loading import FORMAT, save_weights
from models.weights.reading import Checkpoint, read_checkpoint
from models.weights.writing import write_torch
from suite.errors import SuiteError
from suite.files import sha256_file, whole_file
from suite.ownership import claim_file, real

_GRAM_KEY = "embedder_mlp.0.weight"


def convert(source: str | Path, target: str | Path, *, float16: bool = False) -> dict[str, Any]:
    """Write a checkpoint in another format; the suffix of `target` says which.

    `.safetensors`: this suite's; the style encoder's first layer is stored for the triangles of the Gram matrices,
    which halves it. `.pt`: the published layout (`g_ema`, `latent_avg`, ...; `state_dict` with `encoder.` for pSp; a
    bare state dict for a style encoder), that layer in full.

    Args:
        float16: store the weights in float16, which halves the file; networks keep computing in float32.

    Returns:
        What was written: `source`, `source_sha256`, `target`, `parts` (network, size, widths, number of keys) and the
        facts that the source told.

    Raises:
        SuiteError: an unreadable source, another suffix, or a target that is there and not in this suite's format.
    """
    source, target = Path(source), Path(target)
    if target.suffix not in (".safetensors", ".pt"):
        raise SuiteError(f"{target}: the suffix says the format; .safetensors or .pt is expected")
    if real(target) == real(source):
        raise SuiteError(f"OUT {target}: is the checkpoint itself; give another name")
    claim_file("OUT", target, _is_converted)
    checkpoint = read_checkpoint(source)
    half = target.suffix == ".safetensors"
    parts = {name: _gram_width(state, half) for name, state in checkpoint.parts.items()}
    if float16:
        parts = {
            name: {key: value.half() if value.is_floating_point() else value for key, value in state.items()}
            for name, state in parts.items()
        }
    facts = {key: value for key, value in checkpoint.facts.items() if key not in ("format", "parts")}
    origin = {"source": source.name, "source_sha256": sha256_file(source) if source.is_file() else ""}
    facts = origin | facts
    if half:
        save_weights(target, parts, latent_avg=checkpoint.latent_avg, truncation=checkpoint.truncation, metadata=facts)
    else:
        with whole_file(target) as part:
            write_torch(part, _published(checkpoint, parts))
    described = {
        name: {"network": layouts.network_of(state), "keys": len(state), **layouts.configuration(state)}
        for name, state in parts.items()
    }
    return {"target": str(target), "parts": described} | facts


def _is_converted(path: Path) -> bool:
    """Whether a file is in this suite's format; what a `.pt` was made by nothing in it says."""
    with path.open("rb") as file:
        return f'"format":"{FORMAT}"'.encode() in file.read(1 << 20)


def _gram_width(state: dict[str, Tensor], half: bool) -> dict[str, Tensor]:
    out = dict(state)
    for key, value in state.items():
        if key.endswith(_GRAM_KEY):
            if half and value.shape[1] == GRAM_VALUES:
                out[key] = fold_weight(value)
            elif not half and value.shape[1] == TRIANGLE_VALUES:
                out[key] = unfold_weight(value)
    return out


def _published(checkpoint: Checkpoint, parts: dict[str, dict[str, Tensor]]) -> dict[str, Any]:
    networks = {layouts.network_of(state): name for name, state in parts.items()}
    extra: dict[str, Any] = {key: checkpoint.facts[key] for key in nvidia.FACTS if key in checkpoint.facts}
    if checkpoint.latent_avg is not None:
        extra["latent_avg"] = checkpoint.latent_avg
    if checkpoint.truncation is not None:
        extra["truncation"] = checkpoint.truncation
    if layouts.PSP in networks:
        encoder = parts[networks[layouts.PSP]]
        return {"state_dict": {f"encoder.{key}": value for key, value in encoder.items()}} | extra
    if set(networks) == {layouts.STYLE_ENCODER}:
        return dict(next(iter(parts.values())))
    return dict(parts) | extra
