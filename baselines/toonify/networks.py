"""What a checkpoint of layer swapping holds: a face model, and the same model fine-tuned on art."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from baselines.toonify.settings import ToonifySettings
from models.networks.stylegan2 import Generator, channel_table
from models.weights import Checkpoint, read_checkpoint
from models.weights.download import obtain
from models.weights.layouts import BLENDGAN, STYLEGAN2, settled_configuration
from models.weights.registry import published
from suite.errors import SuiteError

# What a BlendGAN generator has besides its StyleGAN2.
ONLY_BLENDGAN = ("embedding.", "embedder.", "add_weight")


def table(settings: ToonifySettings) -> dict[int, int]:
    """Feature maps by resolution."""
    return {4 * 2**k: width for k, width in enumerate(settings.widths)} or channel_table()


def networks(settings: ToonifySettings) -> dict[str, nn.Module]:
    """`face` and `art`, of one architecture."""
    made = (Generator(settings.size, settings.style_dim, settings.n_mlp, table(settings)) for _ in range(2))
    return dict(zip(("face", "art"), made))


def settings_in(parts: Mapping[str, Mapping[str, Tensor]]) -> dict[str, Any]:
    """Published models come as two files; see `method.open_method`."""
    return {}


def face_model(start: str) -> tuple[Checkpoint, dict[str, Tensor]]:
    """What the file that `start` names holds, and its generator's state without what only BlendGAN has.

    Raises:
        SuiteError: no such file or name, or no generator in it.
    """
    checkpoint = read_checkpoint(obtain(start) if start in published() else start)
    state = checkpoint.part(STYLEGAN2, BLENDGAN)
    if state is None:
        raise SuiteError(f"--set start={start}: {checkpoint}: a StyleGAN2 or BlendGAN generator is expected")
    state = {key: value for key, value in state.items() if not key.startswith(ONLY_BLENDGAN)}
    return checkpoint, state


def shaped(settings: ToonifySettings, state: Mapping[str, Tensor], path: Path) -> ToonifySettings:
    """The settings with the shape of a face model.

    Raises:
        SuiteError: a model of another size.
    """
    shape = settled_configuration(state, str(path))
    if shape["size"] != settings.size:
        raise SuiteError(f"--set start={path.name}: a model of {shape['size']} px; give --set size={shape['size']}")
    widths = [shape["widths"][str(side)] for side in sorted(map(int, shape["widths"]))]
    return settings.model_copy(update={"style_dim": shape["style_dim"], "n_mlp": shape["n_mlp"], "widths": widths})
