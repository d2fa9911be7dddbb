"""What BlendGAN's training starts from, and the file that it ends with."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import nn

from models.networks.blendgan import BlendGAN
from models.training.checkpoint import all_checkpoints, load_network
from models.weights import load_checkpoint, load_state, save_weights
from suite.errors import SuiteError

WEIGHTS = "blendgan.safetensors"
# What a BlendGAN generator has and a StyleGAN2 generator has not.
FROM_STYLEGAN2 = ("embedding.", "embedder.", "add_weight")


def start_from_faces(path: Path, g: BlendGAN, d_face: nn.Module | None) -> None:
    """Give the generator and D_face the weights of a trained face model; what only BlendGAN has keeps its own.

    Args:
        path: a StyleGAN2 checkpoint, or the folder of a run of the face game alone (its newest checkpoint is taken).

    Raises:
        SuiteError: no such file, or a network of another size or width.
    """
    if not path.is_dir():
        load_checkpoint(path, g, keep=FROM_STYLEGAN2)
        if d_face is not None:
            load_checkpoint(path, d_face)
        return
    kept = all_checkpoints(path / "checkpoints")
    if not kept:
        raise SuiteError(f"--set stylegan2={path}: no checkpoint in this folder; expected a run's folder, or a file")
    state = load_file(kept[-1] / "g.safetensors")
    faces = {key: value for key, value in state.items() if not key.startswith(FROM_STYLEGAN2)}
    load_state(g, faces, str(kept[-1] / "g.safetensors"), keep=FROM_STYLEGAN2)
    if d_face is not None:
        load_network(kept[-1], "d_face", d_face)


def save(networks: Mapping[str, nn.Module], folder: Path, metadata: dict[str, Any]) -> Path:
    """Write the averaged generator and the style encoder as one file; `blendgan sample --weights <path>` takes it.

    Args:
        networks: of the training, by name: `g_ema`, and `style_encoder` where there is one.
    """
    ema = networks["g_ema"]
    assert isinstance(ema, BlendGAN)
    with torch.no_grad():
        centre = ema.mean_latent(4096)
    parts = {"g_ema": ema.state_dict()}
    if "style_encoder" in networks:
        parts["style_encoder"] = networks["style_encoder"].state_dict()
    if ema.conv_clamp is not None:
        metadata = metadata | {"conv_clamp": ema.conv_clamp}
    path = folder / WEIGHTS
    save_weights(path, parts, latent_avg=centre[0], metadata=metadata)
    return path
