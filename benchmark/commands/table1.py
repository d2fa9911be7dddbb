"""`aahq-bench table1`: Table 1 from one BlendGAN checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from benchmark.commands import reproduce as whole
from benchmark.commands.shared import out_option, place_options, run_options
from suite.cli import json_option


@click.command(short_help="Table 1 from a BlendGAN checkpoint alone.")
@click.option(
    "--blendgan", type=click.Path(path_type=Path), required=True, help="The published blendgan.pt, or your own."
)
@place_options
@click.option("--profile", default="paper", show_default=True, help="demo, small, paper, or a .toml file.")
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Change one setting.")
@out_option
@run_options
@click.option("--plan", "plan_only", is_flag=True, help="Say what is needed, there and missing; do nothing.")
@json_option
@click.pass_context
def command(context: click.Context, blendgan: Path, **options: Any) -> None:
    """Regenerate Table 1, ten indicators latent- and reference-guided, from a checkpoint; nothing is trained.

    \b
    Example:
      aahq-bench table1 --blendgan blendgan.pt --faces ffhq.zip --art aahq/release --plan
    """
    context.invoke(whole.command, weights=(f"BlendGAN={blendgan}",), only=("t1",), **options)
