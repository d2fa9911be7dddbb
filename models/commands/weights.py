"""`blendgan weights`: which published files are known and here, and fetching them."""

from __future__ import annotations

from pathlib import Path

import click

from suite.cli import emit, json_option


@click.command()
@click.argument("names", nargs=-1)
@click.option("--weights", "folder", type=click.Path(path_type=Path), help="A folder to look into first.")
@click.option("--offline", is_flag=True, help="Never touch the network; say what to put where.")
@json_option
def weights(names: tuple[str, ...], folder: Path | None, offline: bool, as_json: bool) -> None:
    """List the published weights that are known, or fetch NAMES (checked, resumable, whole or not at all).

    Files are kept in $AAHQ_WEIGHTS, or ~/.cache/aahq/weights. Where no address answers, fetch the file from its page by
    hand and put it there under its own name, or into any folder that --weights names.

    \b
    Example:
      blendgan weights
      blendgan weights blendgan psp
    """
    from models.weights.download import cache_folder, find, obtain
    from models.weights.registry import published

    if names:
        paths = {name: str(obtain(name, folder, offline=offline)) for name in names}
        emit(paths, "\n".join(f"{name}: {path}" for name, path in paths.items()), as_json)
        return
    rows = {}
    lines = [f"folder: {cache_folder()}"]
    for name, one in published().items():
        here = find(name, folder)
        rows[name] = one.model_dump() | {"path": str(here) if here else None}
        lines.append(f"{name:20} {'here' if here else 'absent':7} {one.file:32} {one.what}; {one.license}")
    emit(rows, "\n".join(lines), as_json)
