"""`aahq-bench page`: one page over a reproduction."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from benchmark.commands.shared import PathOption, with_device, work_of, work_options
from suite.cli import emit, json_option


@click.command(short_help="One page: wall, tables, curves, the dataset's report.")
@work_options
@click.option("--dataset", type=PathOption, help="Folder of an aahq build; the page leads to its report.")
@json_option
def command(dataset: Path | None, as_json: bool, **options: Any) -> None:
    """Write OUT/page/index.html over a reproduction that has records.

    The wall shows the same faces and styles through every method and control; below it the strength of the style, Tables
    1-3, and how the shipped weights were trained. What cannot be drawn is named with its reason.

    \b
    Example:
      aahq-bench page --profile demo -o demo/tables --dataset demo/dataset
    """
    from benchmark.report.page import write_page

    work = with_device(work_of(**options))
    page, missing = write_page(work, dataset)
    address = page.resolve().as_uri()
    lines = [f"page: {address}", *(f"missing: {name}: {why}" for name, why in missing.items())]
    emit({"page": str(page), "missing": missing}, "\n".join(lines), as_json)
