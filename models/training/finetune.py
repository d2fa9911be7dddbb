"""One-shot finetuning to a style outside the data (appendix A.5): D_style and D_style_latent see one picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from pydantic import Field

from models.data.prepared import ImageArray, squared
from models.data.sources import decoded
from models.training import checkpoint
from models.training.blendgan import BlendGANTraining
from models.training.blendgan_settings import BlendGANSettings
from suite.errors import SuiteError
from suite.files import sha256_bytes


class FinetuneSettings(BlendGANSettings):
    """BlendGAN's settings with the run that finetuning starts from.

    Attributes:
        start: folder of a finished `blendgan train` run.
    """

    start: str = Field(default="")


def start_from(settings: FinetuneSettings, device: torch.device) -> BlendGANTraining:
    """A module with every network, the queue and the mean path length of the run `settings.start`; its optimisers are new.

    The queue stays as it is: it would fill with the one reference, and negatives would become the positive.

    Raises:
        SuiteError: no checkpoint there, or other networks than the settings describe.
    """
    module = BlendGANTraining(settings, device)
    if device.type == "meta":
        return module
    kept = checkpoint.all_checkpoints(Path(settings.start) / "checkpoints") if settings.start else []
    if not kept:
        raise SuiteError(f"--start {settings.start}: no checkpoint there; give the folder of a `blendgan train` run")
    for name, network in module.networks.items():
        checkpoint.load_network(kept[-1], name, network)
    before = checkpoint.load_memory(kept[-1], device)
    module.state |= {name: before[name] for name in ("queue", "queued", "path_mean")}
    module.remembers = False
    return module


def one_picture(path: Path, size: int) -> ImageArray:
    """The reference alone, as the whole of the art domain."""
    try:
        rgb = decoded(path.read_bytes())
    except (OSError, ValueError) as error:
        raise SuiteError(f"{path}: not a picture that can be read ({' '.join(str(error).split())[:120]})") from None
    pixels = squared(rgb, size)
    return ImageArray(pixels[None], {}, {}, sha256_bytes(np.ascontiguousarray(pixels).tobytes()))
