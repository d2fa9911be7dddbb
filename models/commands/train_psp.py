"""`blendgan train-psp`: the encoder from photographs to the generator's W+."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from models.training.command import TrainOptions, resolve, train, training_options
from models.training.psp import PSPSettings, PSPTraining, save
from models.training.training_module import TrainingModule


@click.command(short_help="Train the pSp encoder.")
@click.option("--generator", metavar="PATH", required=True, help="BlendGAN's weights, frozen here.")
@training_options
def command(options: TrainOptions, generator: str) -> None:
    """Train pSp to reproduce photographs through a frozen BlendGAN without style (paper, appendix A.3).

    \b
    Example:
      blendgan train-psp --generator runs/blendgan/blendgan.safetensors --data painted -o runs/psp
    """
    settings = resolve(options, PSPSettings, "models", "psp", {"generator": generator})

    def finish(folder: Path, module: TrainingModule) -> dict[str, Any]:
        assert isinstance(module, PSPTraining)
        return {"weights": str(save(module, folder, {"training": settings.model_dump()}))}

    train("psp", options, settings, PSPTraining, at_end=finish)
