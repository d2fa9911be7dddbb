"""`aahq-bench new-method`: a package to start from."""

from __future__ import annotations

from pathlib import Path

import click

from suite.cli import emit, json_option
from suite.params import output_folder


@click.command(short_help="Write a template package for a method of your own.")
@click.argument("name")
@click.option("-o", "--out", type=output_folder, help="Folder to write.  [default: NAME]")
@json_option
def command(name: str, out: Path | None, as_json: bool) -> None:
    """A package for the method NAME that installs, registers by entry point and passes 'aahq-bench check' as it is.

    \b
    Example:
      aahq-bench new-method InkWash && pip install -e InkWash && aahq-bench check InkWash
    """
    from benchmark.leaderboard.new_method import write_package

    folder = out or Path(name)
    files = write_package(name, folder)
    text = f"{folder}: {len(files)} files; next: pip install -e {folder} && aahq-bench check {name}"
    emit({"folder": str(folder), "files": [str(file) for file in files]}, text, as_json)
