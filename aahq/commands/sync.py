"""`aahq sync`: apply removals to another copy of a release."""

from __future__ import annotations

from pathlib import Path

import click

from aahq.commands.shared import signers_option
from suite.cli import emit, json_option


@click.command()
@click.argument("release", type=click.Path(path_type=Path))
@click.option(
    "--from",
    "source",
    required=True,
    type=click.Path(path_type=Path),
    help="The new release or manifest.parquet, or removals.json.",
)
@signers_option
@json_option
def command(release: Path, source: Path, signers: Path | None, as_json: bool) -> None:
    """Take out of RELEASE, a copy, what was removed from the release that it is a copy of. Nothing is ever added.

    \b
    Examples:
      aahq sync /data/aahq-copy --from removals.json
      aahq sync /data/aahq-copy --from art/release/manifest.parquet --signers ada.pub
    """
    from aahq.remove.sync import sync

    done = sync(release, source, signers)
    text = f"{done.folder}: {done.removed} rows removed, {done.left} left, manifest {done.manifest_sha256}"
    if done.missing:
        text += f"\n{done.missing} rows of the new manifest are not in this copy; get them from the release"
    emit({**vars(done), "folder": str(done.folder)}, text, as_json)
