"""`aahq portraits`: a release of painted portraits, without the web."""

from __future__ import annotations

from pathlib import Path

import click

from suite.cli import emit, json_option
from suite.errors import SuiteError
from suite.params import Count, processes


@click.command()
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--count", type=Count(), default=200, show_default=True, help="Portraits of each domain.")
@click.option("--photos", type=Count(), help="Photographs, where not COUNT.  [COUNT]")
@click.option("--size", type=click.IntRange(32, 2048), default=256, show_default=True, help="Side in pixels.")
@click.option(
    "--domain",
    type=click.Choice(["art", "photo", "both"]),
    default="art",
    show_default=True,
    help="Painted, natural, or both.",
)
@click.option(
    "--seed", type=click.IntRange(0, 1_000_000), default=0, show_default=True, help="Another seed, other people."
)
@click.option(
    "--identities", type=click.IntRange(1, 400_000), help="People in each domain.  [a quarter of COUNT, 10 at least]"
)
@click.option(
    "--styles", type=click.IntRange(1, 10_000), default=150, show_default=True, help="Style seeds of the art domain."
)
@click.option(
    "--world",
    type=click.Choice(["gallery", "small"]),
    default="gallery",
    show_default=True,
    help="All families, poses and backgrounds, or the few that small networks can learn at 64 px.",
)
@click.option(
    "--list",
    "listed",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Paint these instead: a CSV file of identity,style,variation.",
)
@click.option(
    "--form",
    type=click.Choice(["folder", "shards"]),
    default="folder",
    show_default=True,
    help="PNG files or tar shards.",
)
@click.option("--name", default="painted", show_default=True, help="The release's name.")
@click.option("--workers", type=processes, metavar="N", help="Processes.  [one a core]")
@json_option
def command(
    out: Path, count: int, photos: int | None, size: int, domain: str, seed: int, identities: int | None, styles: int,
    world: str,
    listed: Path | None, form: str, name: str, workers: int | None, as_json: bool,
) -> None:  # fmt: skip
    """Paint aligned portraits with known identity, style and landmarks, and write them as a release.

    Faces stand as the FFHQ crop would put them; train, val and test never share a person; the same options make the
    same bytes. --list paints chosen people in chosen styles, in the order of the list; a method's right answer to a
    face and a reference, say, is the face's identity and variation in the reference's style.

    \b
    Examples:
      aahq portraits painted --count 1000 --size 128 --domain both
      aahq portraits faces --count 500 --size 256 --domain photo --seed 7
    """
    from aahq.painted.portraits.collection import RECIPE, listed_specs, portrait_specs, write_portraits
    from aahq.painted.portraits.worlds import WORLDS
    from aahq.release.own import claim_release, has_card
    from aahq.release.schema import METADATA
    from aahq.remove.shrink import read_metadata

    claim_release("OUT", out)
    if has_card(out / METADATA) and read_metadata(out)["recipe"] != RECIPE:
        raise SuiteError(f"OUT {out}: holds a release that was not painted; give a new or an empty folder")
    if listed:
        plan = listed_specs(listed, size, WORLDS[world])
    else:
        people = identities or max(10, count // 4)
        plan = portrait_specs(count, size, domain, seed, people, styles, WORLDS[world], photos)
    written = write_portraits(out, plan, name, form, workers)
    emit(
        {"folder": str(out), "count": written.count, "manifest_sha256": written.manifest_sha256},
        f"{out}: {written.count} portraits of {size} x {size}, manifest {written.manifest_sha256}",
        as_json,
    )
