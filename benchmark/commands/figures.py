"""`aahq-bench figures`: the paper's figures as pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from benchmark.commands.shared import with_device, work_of, work_options
from suite.cli import emit, json_option
from suite.errors import SuiteError


@click.command(short_help="Figures 1 and 4-14 as pictures.")
@work_options
@click.option("--figure", "numbers", multiple=True, type=int, help="1, 4, 5, ...; all by default.")
@click.option("--size", default=128, show_default=True, type=click.IntRange(16, 1024), help="Side of one picture.")
@click.option("--faces", default=4, show_default=True, type=click.IntRange(2, 32), help="Faces a figure.")
@json_option
def command(numbers: tuple[int, ...], size: int, faces: int, as_json: bool, **given: Any) -> None:
    """Draw the paper's figures from the methods of a reproduction into OUT/figures.

    Exit code 1 when a figure cannot be drawn; its reason is printed.

    \b
    Example:
      aahq-bench figures --profile demo --figure 4 --figure 5
    """
    from benchmark.figures import FIGURES, Studio, draw_figures

    for number in numbers:
        if number not in FIGURES:
            raise SuiteError(f"--figure: no {number}; known: {', '.join(map(str, FIGURES))}")
    work = with_device(work_of(**given))
    folder: Path = work.folder / "figures"
    drawn, missing = draw_figures(Studio.open(work, size, faces), numbers or tuple(FIGURES), folder)
    lines = [f"figure {number}: {path}" for number, path in drawn.items()]
    lines += [f"figure {number}: missing: {why}" for number, why in missing.items()]
    emit({"figures": {n: str(p) for n, p in drawn.items()}, "missing": missing}, "\n".join(lines), as_json)
    if missing:
        raise SystemExit(1)
