"""`aahq-bench doctor`: which operators, weights, folders and extras there are."""

from __future__ import annotations

from pathlib import Path

import click

from suite.cli import emit, json_option


@click.command(short_help="Which operators, weights, folders and extras there are.")
@click.argument("folder", type=click.Path(path_type=Path), default=".")
@click.option("--weights-folder", type=click.Path(path_type=Path), help="Where published weights lie.")
@json_option
def command(folder: Path, weights_folder: Path | None, as_json: bool) -> None:
    """Say how each operator runs here and why, the versions of torch, CUDA and triton, which published weights are found
    and under which licences, which data and caches there are (reproductions below FOLDER), and which extras are
    installed. No network is touched. `aahq doctor` does the same for building the dataset.

    \b
    Example:
      aahq-bench doctor
    """
    from benchmark.run.doctor import as_text, findings

    parts = findings(folder, weights_folder)
    emit(parts, as_text(parts), as_json)
