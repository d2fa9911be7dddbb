"""`blendgan page`: the local page on which a person stylises photographs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click

from models.commands.options import ModelOptions, model_options
from suite.cli import emit, json_option
from suite.params import output_folder

# Up to this side an optimisation of so few steps is told from a long one by figures alone.
SMALL_SIDE, FEW_STEPS, STEPS = 128, 60, 300


@click.command()
@click.option("-o", "--out", type=output_folder, help="Keep results here too; else they go when the page ends.")
@click.option(
    "--steps", type=click.IntRange(1, 1_000_000), help=f"Of inversion without pSp: {FEW_STEPS}, large {STEPS}."
)
@click.option("--psp", "psp_path", type=click.Path(path_type=Path), help="The pSp encoder's file.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, show_default=True, help="0 is any that is free.")
@click.option("--no-open", is_flag=True, help="Print the address only; do not open a browser.")
@model_options
@json_option
def page(
    out: Path | None,
    steps: int | None,
    psp_path: Path | None,
    port: int,
    no_open: bool,
    as_json: bool,
    model_options: ModelOptions,
) -> None:
    """Open one local page: drop a photograph, choose styles, move one slider, keep the results.

    The page is served to this machine only, at an address with a secret; no picture leaves it. Without --weights it
    takes the published weights where they lie, else the small model that comes with the package; it fetches nothing.

    \b
    Examples:
      blendgan page
      blendgan page --weights blendgan.pt -o stylised
    """
    from models.commands.stylize import inversion
    from models.inference.pretrained import PAINTED
    from models.page.server import serve
    from models.weights.download import find

    if model_options.weights is None and model_options.random_weights is None:
        model_options = replace(model_options, weights=find("blendgan") or Path(PAINTED))
    model = model_options.load()
    inverter = inversion("auto", psp_path, model, model_options)
    if steps is None:
        steps = FEW_STEPS if model.generator.size <= SMALL_SIDE else STEPS

    def opened(address: str) -> None:
        summary = {"url": address, **model.origin}
        emit(summary, f"page     {address}\nweights  {model.origin['weights']}\n         Ctrl-C ends it", as_json)

    serve(model, inverter, steps, model_options.half(), out, port, opened, browser=not no_open)
