"""`aahq cards`: the datasheet and the Croissant of a release."""

from __future__ import annotations

from pathlib import Path

import click

from suite.cli import emit, json_option, renamed


@renamed("--to", "--out")
@click.command()
@click.argument("release", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--out",
    "to",
    type=click.Path(file_okay=False, path_type=Path),
    help="Another folder; RELEASE stays as it is.",
)
@json_option
def command(release: Path, to: Path | None, as_json: bool) -> None:
    """Draw RELEASE's cards from its manifest: DATASHEET.md for people, croissant.json (with rai: fields) for machines.

    'aahq release' does so itself; this is for releases written before, or for reading them elsewhere.

    \b
    Example:
      aahq cards art/release
    """
    from aahq.release.cards.update import update_cards

    paths = update_cards(release, to)
    emit({"cards": [str(path) for path in paths]}, "\n".join(map(str, paths)), as_json)
