"""`aahq quality`: this stage alone."""

from __future__ import annotations

from pathlib import Path

import click

from aahq.commands.shared import json_option, line, out_argument
from suite.cli import emit


@click.command()
@out_argument
@click.option(
    "--thresholds",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A file in the shape of aahq/quality.toml; the shipped one by default.",
)
@json_option
def command(out: Path, thresholds: Path | None, as_json: bool) -> None:
    """Judge every cluster's keeper by the thresholds; a rejected one's best copy stands in for it.

    \b
    Example:
      aahq quality art --thresholds strict.toml
    """
    from aahq import pipeline

    with pipeline.open_build(out, workers=1) as build:
        tally = pipeline.quality(build, thresholds)
    emit(tally.as_dict(), line(tally), as_json)
