"""`aahq crawl`: this stage alone."""

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
)
from suite.cli import emit


@click.command()
@out_argument
@ask_options
@manners_options
@click.option("--again", is_flag=True, help="List the source from its start; known pictures are not taken twice.")
@click.option(
    "--retry", is_flag=True, help="Offer again what failed for a passing reason, or on which the program failed."
)
@json_option
def command(out: Path, again: bool, retry: bool, as_json: bool, **given: Any) -> None:
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

    with pipeline.open_build(
        out, ask=ask_of(given), manners=manners_of(given), workers=1, create=given["source"] is not None
    ) as build:
        tally = pipeline.crawl(build, again=again, retry=retry)
    emit(tally.as_dict(), line(tally), as_json)
