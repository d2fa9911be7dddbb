"""`aahq build`: every stage in order."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from aahq.commands.shared import (
    line,
    out_argument,
    policy_options,
    release_config_options,
    release_options,
    scheduler_option,
    source_options,
    workers_option,
)
from suite.cli import emit, json_option
from suite.terminal import say


@click.command()
@out_argument
@source_options
@policy_options
@release_config_options
@release_options
@workers_option
@scheduler_option
@json_option
def command(
    out: Path,
    source: dict[str, Any],
    policy: dict[str, Any],
    release: dict[str, Any],
    layout: dict[str, Any],
    workers: int | None,
    scheduler: str | None,
    as_json: bool,
) -> None:
    """Build a release in OUT from a source: crawl, screen, faces, align, safety, dedup, quality, review,
    release, report.

    The same command again goes on where it stopped, whatever stopped it; OUT remembers what it was asked for.

    \b
    Examples:
      aahq build art --source folder ~/paintings
      aahq build met --source met --query portrait --limit 500 --contact me@example.org
      aahq build list --source aahq-list AAHQ-dataset.json --contact me@example.org
      aahq build art
    """
    from aahq.own import claim_results
    from aahq.pipeline import open_build, run_all
    from aahq.report import write_report

    claim_results(out)
    with open_build(
        out,
        source=source,
        policy=policy,
        release=release,
        workers=workers,
        scheduler=scheduler,
        create=source["source"] is not None,
    ) as build:
        all_stats = run_all(build, lambda stats: None if as_json else say(line(stats)), **layout)
        report = write_report(build.ledger)
    written = all_stats[-1].notes
    emit(
        {
            "out": str(out),
            "stages": [stats.as_dict() for stats in all_stats],
            "release": written,
            "report": str(report),
        },
        f"release  {written['folder']}  ({all_stats[-1].kept} faces, form {written['form']}, "
        f"{'public' if written['public'] else 'not public'}, manifest {written['manifest_sha256'][:16]})\n"
        f"report   {report}",
        as_json,
    )
