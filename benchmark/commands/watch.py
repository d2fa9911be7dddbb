"""`aahq-bench watch`: a score for a training run's checkpoints, while it trains."""

from __future__ import annotations

import time
from pathlib import Path

import click

from suite.cli import emit, json_option
from suite.errors import SuiteError
from suite.params import Count, Number
from suite.portable import give_way
from suite.terminal import say

PathOption = click.Path(path_type=Path)


@click.command(short_help="Score a run's checkpoints while it trains; keep the best.")
@click.argument("folder", metavar="RUN", type=PathOption)
@click.option("--held-out", type=PathOption, help="A release with both domains that training does not see.")
@click.option("--faces", type=PathOption, help="Held-out photographs, instead of those of --held-out.")
@click.option("--art", type=PathOption, help="Held-out artistic faces, instead of those of --held-out.")
@click.option("--split", type=click.Choice(["val", "test"]), help="Of a release: only this split.")
@click.option("--count", default=500, show_default=True, type=Count(2), help="Pictures on each side.")
@click.option("--share", default=0.05, show_default=True, type=Number(0, 1), help="Of the machine's time.")
@click.option("--every", default=60.0, show_default=True, type=Number(1), help="Seconds between looks.")
@click.option("--once", is_flag=True, help="Score the checkpoints that are there, and stop.")
@json_option
def command(
    folder: Path,
    held_out: Path | None,
    faces: Path | None,
    art: Path | None,
    split: str | None,
    count: int,
    share: float,
    every: float,
    once: bool,
    as_json: bool,
) -> None:
    """FD-lite0 and KD-lite0 of RUN's newest checkpoint on held-out pictures, again and again until RUN has ended.

    Writes RUN/scores.jsonl, the curve RUN/scores.png, and RUN/best with the best weights so far. BlendGAN is scored by
    its faces against photographs and, where its style games are on, by its stylised faces against art; a baseline by its
    reference-guided answers. The score is the sum of these distances. It runs at low priority and in one thread.

    \b
    Example:
      aahq-bench watch runs/blendgan --held-out painted-2 --count 500
    """
    import torch

    from benchmark.metrics.extractors.lite0 import Lite0
    from benchmark.run.snapshot_scores import HeldOut
    from benchmark.run.snapshots import Run
    from benchmark.run.watch import best_of, watch
    from models.data.sources import open_pictures

    run = Run.open(folder)
    sources = {}
    for domain, flag, place in (("photo", "--faces", faces), ("art", "--art", art)):
        if place is None and held_out is None:
            raise SuiteError(f"{flag}: give held-out {domain} pictures, or --held-out with a release that holds both")
        sources[domain] = open_pictures(place or held_out, domain, split)  # type: ignore[arg-type]
    give_way(10)
    torch.set_num_threads(1)
    held = HeldOut(sources, Lite0(), count)

    def tell(line: str) -> None:
        if not as_json:
            say(line)

    scores = watch(run, held, share, once, tell, lambda: time.sleep(every))
    if not scores:
        raise SuiteError(f"RUN {folder}: has no checkpoint to score yet", 1)
    best = best_of(scores)
    emit({"best": best, "scores": scores}, f"best: step {best['step']}, kept in {folder / 'best'}", as_json)
