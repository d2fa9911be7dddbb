"""`aahq faces`: this stage alone."""

from __future__ import annotations

from pathlib import Path

import click

from aahq.commands.shared import json_option, line, out_argument, scheduler_option, workers_option
from suite.cli import emit


@click.command()
@out_argument
@workers_option
@scheduler_option
@json_option
def command(out: Path, workers: int | None, scheduler: str | None, as_json: bool) -> None:
    """Find the faces of every screened picture of OUT, with 68 landmarks each.

    \b
    Example:
      aahq faces art
    """
    from aahq import pipeline

    with pipeline.open_build(out, workers=workers, scheduler=scheduler) as build:
        tally = pipeline.faces(build)
    emit(tally.as_dict(), line(tally), as_json)
