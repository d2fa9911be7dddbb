"""`aahq lookup`: is a work or an artist in the dataset?"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import click

from suite.cli import emit, json_option
from suite.errors import SuiteError


@click.command()
@click.argument("where", metavar="OUT_OR_RELEASE", type=click.Path(path_type=Path))
@click.option("--artist", "artists", multiple=True, metavar="NAME", help="As the source names them, in any case.")
@click.option("--url", "urls", multiple=True, metavar="URL", help="A work's page or a picture's address.")
@click.option("--sha256", "digests", multiple=True, metavar="HEX", help="Of a file, of pixels or of an aligned face.")
@click.option(
    "--image", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="A picture: same, or looking alike."
)
@json_option
def command(
    where: Path,
    artists: tuple[str, ...],
    urls: tuple[str, ...],
    digests: tuple[str, ...],
    image: Path | None,
    as_json: bool,
) -> None:
    """Am I in it? Looks through a build's folder (all that it knows) or a release. Exit code 0: yes, 1: no.

    \b
    Examples:
      aahq lookup art --artist janepainter
      aahq lookup art/release --image my-painting.jpg
    """
    from aahq.remove.lookup import Question, lookup, picture_question

    if not (artists or urls or digests or image):
        raise SuiteError("lookup: nothing asked; give --artist, --url, --sha256 or --image")
    if not all(name.strip() for name in artists):
        raise SuiteError("--artist '': expected a name")
    for url in urls:
        if "://" not in url:
            raise SuiteError(f"--url {url!r}: expected a whole address, as https://host/page")
    for digest in digests:
        if not re.fullmatch(r"[0-9a-fA-F]{64}", digest):
            raise SuiteError(f"--sha256 {digest!r}: expected 64 hex digits")
    pictured = picture_question(image) if image is not None else Question()
    answer = lookup(where, Question(artists, urls, (*digests, *pictured.digests), pictured.phashes))
    lines = [
        f"{match.id}  {match.state}  {match.how}  {match.artist}  {match.title}  {match.page_url}  {match.license}"
        for match in answer.matches
    ]
    lines.append(f"{answer.where}: {len(answer.matches)} rows" if answer.matches else f"{answer.where}: not in it")
    if answer.removed:
        lines.append("taken out on request; a tombstone keeps it out")
    emit(answer.as_dict(), "\n".join(lines), as_json)
    sys.exit(0 if answer.matches else 1)
