"""`aahq safety`: look at the pictures through screens of the person's own choice."""

from __future__ import annotations

from pathlib import Path

import click

from aahq.commands.shared import line, out_argument, scheduler_option, workers_option
from suite.cli import emit, json_option
from suite.errors import SuiteError


@click.command()
@out_argument
@click.option(
    "--screens",
    "file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="TOML file of screens, which OUT keeps; docs/stewardship.md says how it reads.",
)
@click.option("--no-screens", is_flag=True, help="Forget the screens that OUT keeps, and take back what they refused.")
@workers_option
@scheduler_option
@json_option
def command(
    out: Path, file: Path | None, no_screens: bool, workers: int | None, scheduler: str | None, as_json: bool
) -> None:
    """Look at every face of OUT and its picture through the screens that OUT keeps: lists of hashes, and classifiers.

    Nothing is shipped: a list or a model file and its digest are yours to give. 'aahq build' looks at what is added later;
    the cards of a release say of each screen what it did, and which were off. 'aahq release --require NAME' refuses a
    release that a screen did not look at. What a list names is deleted, and goes from the releases too.

    \b
    Examples:
      aahq safety art --screens screens.toml
      aahq release art --require illegal --require nsfw
    """
    from aahq import pipeline
    from aahq.safety.screens import read_screens
    from aahq.stages.safety import choose_screens

    if file is not None and no_screens:
        raise SuiteError("--no-screens: --screens names some; give one of the two")
    screens = read_screens(file) if file is not None else {}
    with pipeline.open_build(out, workers=workers, scheduler=scheduler) as build:
        if file is not None or no_screens:
            choose_screens(build.ledger, screens)
        stats = pipeline.safety(build)
    emit(stats.as_dict(), line(stats), as_json)
