"""`baselines train`: the baselines that are trained, through the shared loop."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import torch

from baselines.checkpoints import save
from baselines.clusters import style_statistics
from baselines.registry import TRAINABLE, known, settings_of
from baselines.settings import BaselineSettings
from baselines.training_module import BaselineTraining
from models.data.prepared import prepare
from models.training import parallel
from models.training.command import TrainOptions, resolve, train, training_options
from models.training.training_module import TrainingModule
from suite.errors import SuiteError

CLUSTERED = 4096
CHUNK = 64


@click.command(short_help="Train one of the baselines.")
@click.argument("method", metavar="METHOD")
@training_options
def command(options: TrainOptions, method: str) -> None:
    """Train METHOD (adain, munit, funit, drit, mdmm, stargan2, toonify) from photographs to artistic faces.

    Domains are photo and art; --set art_domains=K splits the art into K style clusters (or by the release's own style
    column with --set art_labels=style), recorded with the run. --profile paper is the authors' own budget. Writes
    METHOD.safetensors into the run's folder, which `baselines stylize` and the benchmark take as --weights.

    \b
    Example:
      aahq portraits painted --count 2000 --size 64 --domain both
      baselines train munit --profile demo --data painted -o runs/munit
      baselines stylize munit face.png --latent 7 --weights runs/munit -o out
    """
    row = TRAINABLE[known(method, TRAINABLE)]
    settings = resolve(options, settings_of(method), row.package)

    def build(settings: BaselineSettings, device: torch.device) -> TrainingModule:
        module: BaselineTraining = row.module("training").build(settings, device)
        if "clusters" in module.networks and device.type != "meta" and not options.dry_run:
            _find_clusters(module, options)
        return module  # type: ignore[return-value]

    def finish(folder: Path, module: TrainingModule) -> dict[str, Any]:
        assert isinstance(module, BaselineTraining)
        wanted = list(row.module("networks").networks(module.settings))
        return {"weights": str(save(module, wanted, method, folder)), "art_domains": settings.art_domains}

    train(method, options, settings, build, label="style", at_end=finish)


def _find_clusters(module: BaselineTraining, options: TrainOptions) -> None:
    """Fit the style clusters on the art that the run will see."""
    size, art = module.settings.load_size, options.art or options.data
    if art is None:
        raise SuiteError("--art: give the art pictures, or --data with a release that holds them")
    place = art
    split = None if module.settings.split == "all" else module.settings.split
    pixels = parallel.once_a_machine(lambda: prepare(place, size, "art", split, workers=options.workers)).pixels
    rows = torch.linspace(0, len(pixels) - 1, min(len(pixels), CLUSTERED)).long().numpy()
    if len(rows) < module.settings.art_domains:
        raise SuiteError(f"--set art_domains={module.settings.art_domains}: only {len(rows)} art pictures")
    pictures = []
    for start in range(0, len(rows), CHUNK):
        part = torch.from_numpy(pixels[rows[start : start + CHUNK]].copy())
        pictures.append(style_statistics(part.permute(0, 3, 1, 2).float() / 127.5 - 1))
    clusters: Any = module.networks["clusters"]
    clusters.fit(torch.cat(pictures).to(clusters.mean.device), module.settings.seed)
