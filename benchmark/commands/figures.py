"""`aahq-bench figures`: the paper's figures as pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from benchmark.commands.shared import PathOption, with_device, work_of, work_options
from suite.cli import emit, json_option
from suite.errors import SuiteError


@click.command(short_help="Figures 1 and 4-14 as pictures.")
@work_options
@click.option("--figure", "numbers", multiple=True, type=int, help="1, 4, 5, ...; all by default.")
@click.option("--size", default=128, show_default=True, type=click.IntRange(16, 1024), help="Side of one picture.")
@click.option("--rows", default=4, show_default=True, type=click.IntRange(2, 32), help="Faces a figure.")
@click.option("--psp", type=PathOption, help="pSp encoder for figures 9 and 10.")
@click.option("--gram-codes", type=PathOption, help="BlendGAN trained with gram_codes=true, for figure 11.")
@click.option("--finetuned", multiple=True, metavar="WEIGHTS=PICTURE", help="A one-shot finetuning, for figure 12.")
@json_option
def command(
    numbers: tuple[int, ...],
    size: int,
    rows: int,
    psp: Path | None,
    gram_codes: Path | None,
    finetuned: tuple[str, ...],
    as_json: bool,
    **options: Any,
) -> None:
    """Draw the paper's figures from the methods of a reproduction into OUT/figures.

    Without a pSp encoder, figures 9 and 10 find the faces' codes by optimisation where the generator is small.

    Exit code 1 when a figure cannot be drawn; its reason is printed.

    \b
    Examples:
      aahq-bench figures --profile demo --figure 4 --figure 5
      aahq-bench figures --profile demo --figure 12 --finetuned runs/ink/blendgan.safetensors=ink.png
    """
    from benchmark.report.figure_context import FigureContext
    from benchmark.report.figures import FIGURES, claim_figures, draw_figures

    for number in numbers:
        if number not in FIGURES:
            raise SuiteError(f"--figure: no {number}; known: {', '.join(map(str, FIGURES))}")
    work = work_of(**options)
    folder: Path = work.folder / "figures"
    claim_figures(numbers or tuple(FIGURES), folder)
    work = with_device(work)
    pairs = tuple(_pair(text) for text in finetuned)
    context = FigureContext.open(work, size, rows, psp=psp, gram_codes=gram_codes, finetuned=pairs)
    drawn, missing = draw_figures(context, numbers or tuple(FIGURES), folder)
    lines = [f"figure {number}: {path}" for number, path in drawn.items()]
    lines += [f"figure {number}: missing: {why}" for number, why in missing.items()]
    emit({"figures": {n: str(p) for n, p in drawn.items()}, "missing": missing}, "\n".join(lines), as_json)
    if missing:
        raise SystemExit(1)


def _pair(text: str) -> tuple[Path, Path]:
    weights, eq, picture = text.partition("=")
    if not eq or not weights or not picture:
        raise SuiteError(f"--finetuned {text}: expected WEIGHTS=PICTURE")
    return Path(weights), Path(picture)
