"""`aahq build`: every stage in order."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from aahq.commands.shared import (
    ask_of,
    ask_options,
    json_option,
    line,
    manners_of,
    manners_options,
    out_argument,
    release_options,
    scheduler_option,
    shape_of,
    shape_options,
    workers_option,
)
from suite.cli import emit


@click.command()
@out_argument
@ask_options
@manners_options
@shape_options
@release_options
@workers_option
@scheduler_option
@json_option
def command(
    out: Path, workers: int | None, scheduler: str | None, form: str, public: bool, as_json: bool, **given: Any
) -> None:
    """Build a release in OUT from a source: crawl, screen, faces, align, dedup, quality, review, release, report.

    The same command again goes on where it stopped, whatever stopped it; OUT remembers what it was asked for.

    \b
    Examples:
      aahq build art --source folder ~/paintings
      aahq build met --source met --query portrait --limit 500 --contact me@example.org
      aahq build list --source aahq-list AAHQ-dataset.json --contact me@example.org
      aahq build art
    """
    from aahq.pipeline import open_build, run_all
    from aahq.report import write_report

    with open_build(
        out,
        ask=ask_of(given),
        manners=manners_of(given),
        shape=shape_of(given),
        workers=workers,
        scheduler=scheduler,
        create=given["source"] is not None,
    ) as build:
        tallies = run_all(build, lambda tally: None if as_json else click.echo(line(tally)), form=form, public=public)
        report = write_report(build.ledger)
    release = tallies[-1].notes
    emit(
        {"out": str(out), "stages": [tally.as_dict() for tally in tallies], "release": release, "report": str(report)},
        f"release  {release['folder']}  ({tallies[-1].kept} faces, manifest {release['manifest_sha256'][:16]})\n"
        f"report   {report}",
        as_json,
    )
