"""The stages that compute, each as a command of its own: screen, faces, align, dedup, quality."""

from __future__ import annotations

from pathlib import Path

import click

from aahq.commands.shared import line, out_argument, stage_command
from suite.cli import emit, json_option

screen = stage_command(
    "screen",
    """Decode every fetched picture of OUT to canonical 8-bit sRGB, or refuse it with a reason.

    \b
    Example:
      aahq screen art
    """,
)

faces = stage_command(
    "faces",
    """Find the faces of every screened picture of OUT, with 68 landmarks each.

    \b
    Example:
      aahq faces art
    """,
)

align = stage_command(
    "align",
    """Cut every found face of OUT by the FFHQ recipe, and measure it for dedup and quality.

    \b
    Example:
      aahq align art
    """,
)


@click.command()
@out_argument
@json_option
def dedup(out: Path, as_json: bool) -> None:
    """Cluster all aligned faces of OUT, choose each cluster's keeper, and assign splits that no cluster straddles.

    \b
    Example:
      aahq dedup art
    """
    from aahq import pipeline

    with pipeline.open_build(out, workers=1) as build:
        stats = pipeline.dedup(build)
    emit(stats.as_dict(), line(stats), as_json)


@click.command()
@out_argument
@click.option(
    "--thresholds",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A file in the shape of aahq/quality.toml, which OUT keeps.  [what OUT keeps, else the shipped one]",
)
@click.option("--shipped", is_flag=True, help="Forget what OUT keeps, and judge by the shipped thresholds.")
@json_option
def quality(out: Path, thresholds: Path | None, shipped: bool, as_json: bool) -> None:
    """Judge every cluster's keeper by the thresholds; a rejected one's best copy stands in for it.

    OUT remembers the thresholds: 'aahq build' judges by them too.

    \b
    Example:
      aahq quality art --thresholds strict.toml
    """
    from aahq import pipeline

    with pipeline.open_build(out, workers=1) as build:
        stats = pipeline.quality(build, thresholds, shipped)
    emit(stats.as_dict(), line(stats), as_json)
