"""`blendgan train`: the generator and its three discriminators."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from models.training.blendgan import BlendGANTraining
from models.training.blendgan_settings import BlendGANSettings
from models.training.blendgan_weights import save
from models.training.command import TrainOptions, resolve, train, training_options
from models.training.training_module import TrainingModule


@click.command(short_help="Train the generator.")
@click.option("--encoder", metavar="PATH", help="The style encoder's weights; short for --set encoder=PATH.")
@training_options
def command(options: TrainOptions, encoder: str | None) -> None:
    """Train BlendGAN (paper, Eq. 6-10) on photographs and artistic faces.

    Writes blendgan.safetensors (averaged generator and style encoder) into the run's folder. Run under torchrun for many
    GPUs: the same command, the same result.

    \b
    Example:
      blendgan train --profile demo --data painted --encoder runs/encoder/style_encoder.safetensors -o runs/blendgan
      torchrun --nproc-per-node 8 -m models train --profile paper --faces ffhq.zip --art aahq -o runs/paper \\
          --encoder runs/encoder/style_encoder.safetensors --set stylegan2=stylegan2-ffhq.pt
    """
    settings = resolve(options, BlendGANSettings, "models", "blendgan")
    if encoder:
        settings = settings.model_copy(update={"encoder": encoder})

    def finish(folder: Path, module: TrainingModule) -> dict[str, Any]:
        assert isinstance(module, BlendGANTraining)
        return {"weights": str(save(module.networks, folder, {"training": settings.model_dump()}))}

    train("blendgan", options, settings, BlendGANTraining, period=settings.r1_every, at_end=finish)
