"""`aahq crawl`: list a source and download what may be downloaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from aahq.commands.shared import line, out_argument, policy_options, source_options
from suite.cli import emit, json_option


@click.command()
@out_argument
@source_options
@policy_options
@click.option("--again", is_flag=True, help="List the source from its start; known pictures are not taken twice.")
@click.option(
    "--retry",
    is_flag=True,
    help="Offer again what failed for a passing reason, on which the program failed, or whose file is lost.",
)
@json_option
def command(out: Path, source: dict[str, Any], policy: dict[str, Any], again: bool, retry: bool, as_json: bool) -> None:
    """List a source's works into OUT and fetch the pictures that may be taken.

    \b
    Exit codes of a stop that the same command resumes: 75 the site asks for a browser, 76 its format has changed,
    77 it is busy, 78 its robots.txt forbids it.

    \b
    Examples:
      aahq crawl art --source artstation --channel portraits --contact me@example.org
      aahq crawl art --retry
    """
    from aahq import pipeline

    create = source["source"] is not None
    with pipeline.open_build(out, source=source, policy=policy, workers=1, create=create) as build:
        stats = pipeline.crawl(build, again=again, retry=retry)
    emit(stats.as_dict(), line(stats), as_json)
