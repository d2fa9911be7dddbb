"""`aahq dedup`: this stage alone."""

from __future__ import annotations

from pathlib import Path

import click

from aahq.commands.shared import json_option, line, out_argument
from suite.cli import emit


@click.command()
@out_argument
@json_option
def command(out: Path, as_json: bool) -> None:
    """Cluster all aligned faces of OUT, choose each cluster's keeper, and assign splits that no cluster straddles.

    \b
    Example:
      aahq dedup art
    """
    from aahq import pipeline

    with pipeline.open_build(out, workers=1) as build:
        tally = pipeline.dedup(build)
    emit(tally.as_dict(), line(tally), as_json)
