"""`aahq release`: write the release."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from aahq.commands.shared import out_argument, release_options
from suite.cli import emit, json_option, renamed
from suite.params import Count


@renamed("--to", "--out")
@click.command()
@out_argument
@click.option("-o", "--out", "to", type=click.Path(path_type=Path), help="The release's folder.  [OUT/release]")
@click.option("--name", metavar="NAME", help="The release's name.  [aahq]")
@click.option("--shard-mb", type=Count(), help="The most that a shard holds.  [as the last time, else 1024]")
@release_options
@json_option
def command(
    out: Path, to: Path | None, name: str | None, shard_mb: int | None, layout: dict[str, Any], as_json: bool
) -> None:
    """Write the release of what OUT keeps: pictures, manifest, rejects, checksums. Twice gives the same bytes.

    OUT remembers how each release was laid out, and does it so again where nothing else is said.

    What people decided with 'aahq review' holds: dropped faces go out, kept ones and those they placed come in.

    \b
    Examples:
      aahq release art
      aahq release art --out art-public --form shards --public
    """
    from aahq import pipeline

    with pipeline.open_build(out, release={"name": name}, workers=1) as build:
        pipeline.review(build)
        stats = pipeline.release(build, out=to, shard_bytes=shard_mb and shard_mb << 20, **layout)
    emit(
        stats.as_dict(),
        f"{stats.notes['folder']}: {stats.kept} faces, {stats.notes['pictures']} with pictures, "
        f"form {stats.notes['form']}, {'public' if stats.notes['public'] else 'not public'}, "
        f"manifest {stats.notes['manifest_sha256']}",
        as_json,
    )
