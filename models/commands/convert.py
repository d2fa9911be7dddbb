"""`blendgan convert`: a published checkpoint to safetensors, or back."""

from __future__ import annotations

from pathlib import Path

import click

from suite.cli import emit, json_option
from suite.params import output_file


@click.command()
@click.argument("checkpoint", type=click.Path(path_type=Path))
@click.argument("out", type=output_file)
@click.option("--float16", is_flag=True, help="Store weights in float16: half the file, nearly the same pictures.")
@json_option
def convert(checkpoint: Path, out: Path, float16: bool, as_json: bool) -> None:
    """Convert CHECKPOINT (BlendGAN, rosinality, NVIDIA .pkl, pSp, style encoder, VGG-19) to OUT.

    OUT.safetensors holds this suite's format, with the source's digest, configuration and keys in its metadata; OUT.pt
    the published layout. No code of the checkpoint is run.

    \b
    Example:
      blendgan convert blendgan.pt blendgan.safetensors
    """
    from models.weights.convert import convert as write

    summary = write(checkpoint, out, float16=float16)
    lines = [
        f"{name}: {part['network']}"
        + (f", {part['size']} px" if part.get("size") else "")
        + f", {part['keys']} tensors"
        for name, part in summary["parts"].items()
    ]
    emit(summary, "\n".join([*lines, f"wrote {out}"]), as_json)
