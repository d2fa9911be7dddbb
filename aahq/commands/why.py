"""`aahq why`: what became of a picture, a work or a face."""

from __future__ import annotations

from pathlib import Path

import click

from aahq.commands.shared import out_argument
from suite.cli import emit, json_option


@click.command()
@out_argument
@click.argument("key")
@json_option
def command(out: Path, key: str, as_json: bool) -> None:
    """Say what became of KEY in OUT, stage by stage: consent with its evidence, measurements, what dropped it and why.

    KEY is an id of a picture or face (as in the manifest, the rejects or the report), the key of a picture or work at
    its source (a file's path for --source folder), a page's or picture's address, or a SHA-256. Exit code 1: nothing has
    that name.

    \b
    Examples:
      aahq why art 51b3f0a2c9d8e7f60012-00
      aahq why art https://www.artstation.com/artwork/aB3dE
    """
    from aahq.ledger import Ledger
    from aahq.why import as_text, explain

    with Ledger(out) as ledger:
        histories = explain(ledger, key)
    emit(
        {"key": key, "pictures": [history.as_dict() for history in histories]},
        "\n\n".join(as_text(history) for history in histories),
        as_json,
    )
