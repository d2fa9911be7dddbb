"""`aahq style-map`: the release's styles as one picture."""

from __future__ import annotations

import io
from pathlib import Path

import click

from suite.cli import emit, json_option, renamed
from suite.params import Count

# In the picture: a file without it is not written over.
MARK = "aahq style-map"


@renamed("--to", "--out")
@click.command()
@click.argument("release", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--out",
    "to",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("style-map.png"),
    show_default=True,
    help="The PNG.",
)
@click.option("--count", type=Count(5), default=1500, show_default=True, help="Pictures at most.")
@click.option("--width", type=click.IntRange(200, 12000), default=2400, show_default=True, help="Pixels.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of t-SNE.")
@json_option
def command(release: Path, to: Path, count: int, width: int, seed: int, as_json: bool) -> None:
    """Lay RELEASE's pictures out by style: t-SNE of statistics of colour and gradients (no network, no download).

    \b
    Example:
      aahq style-map art/release -o map.png
    """
    from aahq.remove.shrink import find_release
    from aahq.style_map import style_map
    from suite.files import write_whole
    from suite.ownership import claim_file, is_png_of, png_mark

    claim_file("--out", to, is_png_of(MARK))
    picture, ids, _ = style_map(find_release(release), count, width, seed)
    out = io.BytesIO()
    picture.save(out, "PNG", pnginfo=png_mark(MARK))
    write_whole(to, out.getvalue())
    emit({"map": str(to), "pictures": len(ids)}, f"{to}: {len(ids)} pictures", as_json)
