"""`aahq align-picture`: one aligned face from each photograph, for programs that need aligned faces."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import click

from suite.cli import json_option
from suite.errors import SuiteError
from suite.ownership import claim_file, is_png_of
from suite.terminal import say, say_json


@click.command()
@click.argument("pictures", nargs=-1, required=True)
@click.option("-o", "--out", type=click.Path(path_type=Path), required=True, help="Folder for the aligned faces.")
@click.option("--size", type=click.IntRange(16, 4096), default=1024, show_default=True, help="Side of the result.")
@click.option("--largest", is_flag=True, help="Take the largest of several faces instead of refusing the picture.")
@click.option("--no-padding", is_flag=True, help="Leave what lies beyond the picture black instead of filling it.")
@json_option
def align_picture(
    pictures: tuple[str, ...], out: Path, size: int, largest: bool, no_padding: bool, as_json: bool
) -> None:
    """Align the one face of each of PICTURES into OUT/<stem>.png; a picture that already is aligned is only scaled.
    Where two have one stem, the second becomes <stem>-2.png.

    PICTURES `-` serves: requests are read from standard input, one JSON object a line ({"picture": ..., "out": ...}, or
    {"picture": ..., "landmarks": [[x, y], ...]} for a face's 128-number descriptor), one JSON answer a line is printed.

    \b
    Example:
      aahq align-picture party.jpg -o aligned --size 256 --largest
    """
    targets = {} if pictures == ("-",) else _targets(pictures, out)
    from aahq.faces.picture_aligner import PictureAligner

    aligner = PictureAligner(size, largest, padding=not no_padding)
    if pictures == ("-",):
        for request in _requests():
            say_json(aligner.answer(request))
            sys.stdout.flush()
        return
    failed = 0
    for picture, target in targets.items():
        answer = aligner.answer({"picture": picture, "out": str(target)})
        failed += "error" in answer
        line = answer.get("error") or f"{picture}: {'already aligned' if answer['aligned'] else 'aligned'}: {target}"
        say_json(answer) if as_json else say(line, err="error" in answer)
    if failed:
        raise SuiteError(f"align-picture: {failed} of {len(pictures)} pictures were not aligned")


def _targets(pictures: tuple[str, ...], out: Path) -> dict[str, Path]:
    """Picture -> the file that its face becomes: its stem, with a number where an earlier picture has that name.

    Raises:
        SuiteError: a picture itself, or a file that this command did not write, would be overwritten.
    """
    from aahq.faces.picture_aligner import MARK

    own = {os.path.realpath(picture) for picture in pictures}
    targets: dict[str, Path] = {}
    claimed: set[str] = set()
    for picture in dict.fromkeys(pictures):
        stem = Path(picture).stem
        names = (stem if number == 1 else f"{stem}-{number}" for number in count(1))
        # Some disks hold FACE.png and face.png for one.
        name = next(name for name in names if name.casefold() not in claimed)
        claimed.add(name.casefold())
        targets[picture] = out / f"{name}.png"
        if os.path.realpath(targets[picture]) in own:
            raise SuiteError(f"-o {out}: {targets[picture].name} there is one of PICTURES; give another folder")
        claim_file("-o", targets[picture], is_png_of(MARK))
    return targets


def _requests() -> Iterator[Any]:
    for line in sys.stdin.buffer:
        if line.strip():
            try:
                yield json.loads(line)
            except (ValueError, RecursionError):
                # No request: the answer says what one is.
                yield None
