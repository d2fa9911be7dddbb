"""`aahq gallery`: the embedded gallery on a local address."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from suite.cli import emit, json_option
from suite.errors import SuiteError
from suite.files import write_json
from suite.ownership import claim_file
from suite.params import Count


@click.command()
@click.option("--port", type=click.IntRange(0, 65535), default=0, show_default=True, help="0 takes a free one.")
@click.option("--count", type=Count(), default=80, show_default=True, help="Works.")
@click.option("--seed", type=Count(0), default=0, show_default=True, help="Another seed, other works.")
@click.option("--side", type=click.IntRange(64, 2000), default=820, show_default=True, help="Longest side, pixels.")
@click.option("--distinct", type=Count(), help="Paint this many only and repeat them; for large crawls.")
@click.option("--pictures", type=click.Path(path_type=Path), help="Serve a folder of real pictures instead.")
@click.option("--cache", type=click.Path(path_type=Path), help="Keep painted files here between runs.")
@click.option("--faults", help="Names of faults, with commas, or 'all'; 'list' prints them.")
@click.option("--truth", type=click.Path(path_type=Path), help="Write what every picture is, as JSON, to this file.")
@json_option
def command(
    port: int, count: int, seed: int, side: int, distinct: int | None, pictures: Path | None, cache: Path | None,
    faults: str | None, truth: Path | None, as_json: bool,
) -> None:  # fmt: skip
    """Serve painted works in the shapes of ArtStation and of the Met, on this machine only, until interrupted.

    \b
    Examples:
      aahq gallery --count 200
      aahq gallery --port 8000 --faults all
      aahq gallery --pictures ~/paintings
    """
    from aahq.painted.gallery import FAULTS, Gallery
    from aahq.painted.gallery.server import GalleryServer

    if faults == "list":
        known = {name: fault.what for name, fault in FAULTS.items()}
        emit(known, "\n".join(f"{name:20} {what}" for name, what in known.items()), as_json)
        return
    names = tuple(name.strip() for name in faults.split(",")) if faults else ()
    gallery = Gallery(count, seed, side=side, distinct=distinct, pictures_from=pictures, cache=cache, faults=names)
    if truth is not None:
        claim_file("--truth", truth, _is_truth)
        write_json(truth, {"truth": gallery.truth()})
    try:
        server = GalleryServer(gallery, port)
    except OSError as error:
        raise SuiteError(f"--port {port}: {error.strerror}; another port, or 0 for a free one") from None
    with server:
        emit(
            {"base_url": server.base_url, "works": len(gallery.works), "pictures": len(gallery.by_asset)},
            f"{server.base_url}: {len(gallery.works)} works, {len(gallery.by_asset)} pictures (Ctrl-C ends)",
            as_json,
        )
        sys.stdout.flush()
        server.serve_forever(poll_interval=0.2)


def _is_truth(path: Path) -> bool:
    """Whether a file is one that `--truth` wrote."""
    try:
        return set(json.loads(path.read_bytes())) == {"truth"}
    except (ValueError, TypeError, RecursionError):
        return False
