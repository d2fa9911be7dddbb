"""`aahq align-picture`: one aligned face from each photograph, for programs that need aligned faces."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from suite.cli import json_option
from suite.errors import SuiteError


@click.command()
@click.argument("pictures", nargs=-1, required=True)
@click.option("-o", "--out", type=click.Path(path_type=Path), required=True, help="Folder for the aligned faces.")
@click.option("--size", type=click.IntRange(16, 4096), default=1024, show_default=True, help="Side of the result.")
@click.option("--largest", is_flag=True, help="Take the largest of several faces instead of refusing the picture.")
@json_option
def align_picture(pictures: tuple[str, ...], out: Path, size: int, largest: bool, as_json: bool) -> None:
    """Align the one face of each of PICTURES into OUT/<stem>.png; a picture that already is aligned is only scaled.

    PICTURES `-` serves: requests are read from standard input, one JSON object a line ({"picture": ..., "out": ...}, or
    {"picture": ..., "landmarks": [[x, y], ...]} for a face's 128-number descriptor), one JSON answer a line is printed.

    \b
    Example:
      aahq align-picture party.jpg -o aligned --size 256 --largest
    """
    from aahq.faces.picture_aligner import PictureAligner

    aligner = PictureAligner(size, largest)
    if pictures == ("-",):
        for request in _requests():
            click.echo(json.dumps(aligner.answer(request)))
            sys.stdout.flush()
        return
    failed = 0
    for picture in pictures:
        answer = aligner.answer({"picture": picture, "out": str(out / f"{Path(picture).stem}.png")})
        failed += "error" in answer
        said = answer.get("error") or f"{picture}: {'already aligned' if answer['aligned'] else 'aligned'}"
        click.echo(json.dumps(answer) if as_json else said, err=not as_json and "error" in answer)
    if failed:
        raise SuiteError(f"align-picture: {failed} of {len(pictures)} pictures were not aligned")


def _requests() -> Iterator[dict[str, Any]]:
    for line in sys.stdin:
        if line.strip():
            yield json.loads(line)
