"""The stages that compute, each as a command of its own: screen, faces, align, dedup, quality."""

from __future__ import annotations

from pathlib import Path

import click

from aahq.commands.shared import line, out_argument, scheduler_option, stage_command, workers_option
from suite.cli import emit, json_option
from suite.errors import SuiteError

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
@click.option(
    "--copy-model",
    type=click.Path(dir_okay=False, path_type=Path),
    help="A TorchScript copy descriptor, as SSCD's, that joins copies too; OUT keeps it.",
)
@click.option("--copy-model-sha256", metavar="HEX", help="The file's digest: no other file is loaded.")
@click.option("--no-copy-model", is_flag=True, help="Forget the copy model that OUT keeps.")
@workers_option
@scheduler_option
@json_option
def dedup(
    out: Path,
    copy_model: Path | None,
    copy_model_sha256: str | None,
    no_copy_model: bool,
    workers: int | None,
    scheduler: str | None,
    as_json: bool,
) -> None:
    """Cluster all aligned faces of OUT, choose each cluster's keeper, and assign splits that no cluster straddles.

    \b
    Examples:
      aahq dedup art
      aahq dedup art --copy-model sscd_disc_mixup.torchscript.pt --copy-model-sha256 HEX
    """
    from aahq import pipeline
    from aahq.stages.dedup import choose_model

    if (copy_model is None) != (copy_model_sha256 is None):
        raise SuiteError("--copy-model and --copy-model-sha256 go together: the file, and the digest that it must have")
    if no_copy_model and copy_model is not None:
        raise SuiteError("--no-copy-model: --copy-model names one; give one of the two")
    with pipeline.open_build(out, workers=workers, scheduler=scheduler) as build:
        if copy_model is not None or no_copy_model:
            choose_model(build.ledger, copy_model, copy_model_sha256)
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
