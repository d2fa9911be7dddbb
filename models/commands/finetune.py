"""`blendgan finetune`: one picture's style, in a thousand steps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from models.training.blendgan import BlendGANTraining
from models.training.blendgan_weights import save
from models.training.command import TrainOptions, resolve, train, training_options
from models.training.finetune import FinetuneSettings, one_picture, start_from
from models.training.run_folder import read_config
from models.training.training_module import TrainingModule


@click.command(short_help="Learn one picture's style.")
@click.argument("style", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--start", type=click.Path(path_type=Path), required=True, help="Folder of a `blendgan train` run.")
@training_options
def command(options: TrainOptions, style: Path, start: Path) -> None:
    """Finetune a trained BlendGAN to the style of one picture (paper, appendix A.5).

    The networks are as the run in --start has them; the profile says how long and with which batch.

    \b
    Example:
      blendgan finetune drawing.png --start runs/blendgan --data painted -o runs/drawing
    """
    base = {**read_config(start), "start": str(start), "stylegan2": ""}
    settings = resolve(options, FinetuneSettings, "models", "finetune", base)

    def finish(folder: Path, module: TrainingModule) -> dict[str, Any]:
        assert isinstance(module, BlendGANTraining)
        return {"weights": str(save(module.networks, folder, {"training": settings.model_dump()}))}

    reference = {"art": one_picture(style, settings.size)}
    train("blendgan finetune", options, settings, start_from, period=settings.r1_every, at_end=finish, given=reference)
