"""`blendgan train-encoder`: the self-supervised style encoder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from models.data.prepared import prepare
from models.training.command import TrainOptions, resolve, train, training_options
from models.training.style_encoder import StyleEncoderSettings, StyleEncoderTraining, retrieval, save, whiten
from models.training.training_module import TrainingModule
from suite.errors import SuiteError


@click.command(short_help="Train the style encoder.")
@training_options
def command(options: TrainOptions) -> None:
    """Train the style encoder on artistic faces by contrast (paper, section 3.1).

    Writes style_encoder.safetensors into the run's folder, and reports how often a held-out crop finds its own work.

    \b
    Example:
      aahq portraits painted --count 4000 --size 64 --domain both
      blendgan train-encoder --profile demo --data painted -o runs/encoder
    """
    settings = resolve(options, StyleEncoderSettings, "models", "encoder")

    def finish(folder: Path, module: TrainingModule) -> dict[str, Any]:
        assert isinstance(module, StyleEncoderTraining)
        encoder = module.encoder.eval()
        if settings.whiten:
            source = options.data or options.art or ""
            whiten(encoder, prepare(source, settings.size, "art", workers=options.workers), module.device)
        summary: dict[str, Any] = {"weights": str(save(encoder, folder, {"training": settings.model_dump()}))}
        try:
            held_out = prepare(options.data or options.art or "", settings.size, "art", "val", workers=options.workers)
        except SuiteError:
            # A plain folder has no splits: there is nothing held out to measure on, and the summary lacks the figures.
            return summary
        return summary | retrieval(encoder, held_out, module.device)

    train("style encoder", options, settings, StyleEncoderTraining, at_end=finish)
