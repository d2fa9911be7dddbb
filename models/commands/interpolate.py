"""`blendgan interpolate`: a walk between faces, between styles, or from no style to all of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from models.commands.options import BlendOptions, ModelOptions, blend_options, model_options, parse_seeds
from suite.cli import emit, json_option
from suite.errors import SuiteError
from suite.params import share

if TYPE_CHECKING:
    from PIL import Image
    from torch import Tensor


@click.command()
@click.option("--seeds", callback=parse_seeds, default="0", show_default=True, help="Faces to walk between.")
@click.option(
    "--style", "styles", multiple=True, type=click.Path(path_type=Path), help="Art to walk between; repeatable."
)
@click.option("--style-seeds", callback=parse_seeds, help="Or styles drawn from these seeds.")
@click.option("--frames", type=click.IntRange(2, 100_000), default=30, show_default=True, help="Between two stops.")
@click.option("--fps", type=click.IntRange(1, 60), default=24, show_default=True, help="Frames a second.")
@click.option("--truncation", type=share, help="Pull faces to the mean: 0 to 1; the checkpoint's, else 0.75.")
@click.option("-o", "--out", type=click.Path(path_type=Path), required=True, help="x.webp, x.gif, x.mp4, or a folder.")
@blend_options
@model_options
@json_option
def interpolate(
    seeds: tuple[int, ...],
    styles: tuple[Path, ...],
    style_seeds: tuple[int, ...] | None,
    frames: int,
    fps: int,
    truncation: float | None,
    out: Path,
    as_json: bool,
    model_options: ModelOptions,
    blend_options: BlendOptions,
) -> None:
    """Walk through faces and styles in a loop, straight lines in W. One face and one style: strength from 0 to 1 and back.

    \b
    Example:
      blendgan interpolate --weights blendgan.pt --seeds 1-3 --style a.jpg --style b.jpg -o walk.webp
    """
    import torch
    from PIL import Image

    from models.data.pictures import picture_files, read_picture, to_uint8
    from models.inference.animation import check_target, write_frames
    from models.inference.stylize import strength_to_blend
    from models.rng import seeded_normal
    from suite.progress import progress

    check_target(out)
    if styles and style_seeds:
        raise SuiteError("--style-seeds: not together with --style; choose one")
    pictures = [read_picture(path)[None] for path in picture_files(styles, "--style")]
    model = model_options.load()
    generator = model.generator
    i, theta = blend_options.resolve(generator.n_latent)
    pull = model.truncation if truncation is None else truncation
    with torch.inference_mode():
        z = seeded_normal(seeds, [generator.style_dim], model.device, "face")
        w_faces = generator.truncate(generator.map_face(z), pull, model.centre)
        codes = [model.style_codes(picture) for picture in pictures]
        if style_seeds:
            codes = [seeded_normal([seed], [generator.style_code_dim], model.device, "style") for seed in style_seeds]
        w_styles = generator.map_style(torch.cat(codes)) if codes else None
    stops = max(len(w_faces), len(codes))
    if stops == 1 and not codes:
        raise SuiteError("--seeds: one face and no style is a still; give more seeds, or --style")

    def walk() -> Iterator[Image.Image]:
        for at in progress(range(max(stops, 2) * frames), "frames", unit="frame"):
            stop, share = divmod(at / frames, 1)
            blend = (i, theta)
            if stops == 1:
                blend = strength_to_blend(1 - abs(1 - at / frames), generator.n_latent)
            with torch.inference_mode():
                latents = generator.broadcast(_between(w_faces, int(stop), share))
                if w_styles is not None:
                    latents = generator.blend(latents, _between(w_styles, int(stop), share), *blend)
                yield Image.fromarray(to_uint8(generator.synthesis(latents, half=model_options.half())[0]))

    count = write_frames(out, walk(), fps)
    emit(
        {"frames": count, "out": str(out), **model.origin},
        f"{count} frames in {out}; weights: {model.origin['weights']}",
        as_json,
    )


def _between(points: Tensor, stop: int, share: float) -> Tensor:
    """The point `share` of the way from stop to the next, the last leading back to the first."""
    here, there = points[stop % len(points)], points[(stop + 1) % len(points)]
    return here.lerp(there, share)[None]
