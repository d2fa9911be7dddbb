"""`blendgan sample`: invented faces, natural or stylised."""

from __future__ import annotations

from pathlib import Path

import click

from models.commands.options import BlendOptions, ModelOptions, blend_options, model_options, parse_seeds
from suite.cli import emit, json_option
from suite.errors import SuiteError
from suite.params import Count, output_folder, seed_range, share


@click.command()
@click.option(
    "--seeds", callback=parse_seeds, default="0-15", show_default=True, help="Faces to invent: 0-15, or 1,5,9."
)
@click.option("--style", type=click.Path(path_type=Path), help="Reference-guided: an art picture gives the style.")
@click.option("--style-seed", type=seed_range, help="Latent-guided: one style drawn from this seed for all faces.")
@click.option("--truncation", type=share, help="Pull faces to the mean: 0 to 1; the checkpoint's, else 0.75.")
@click.option("-o", "--out", type=output_folder, required=True, help="Folder for pictures and sheet.png.")
@click.option("--batch", type=Count(), default=1, show_default=True, help="Pictures generated at once.")
@blend_options
@model_options
@json_option
def sample(
    seeds: tuple[int, ...],
    style: Path | None,
    style_seed: int | None,
    truncation: float | None,
    out: Path,
    batch: int,
    as_json: bool,
    model_options: ModelOptions,
    blend_options: BlendOptions,
) -> None:
    """Invent a face for each seed: natural, or stylised by --style or --style-seed. A seed is the same face everywhere.

    \b
    Example:
      blendgan sample --weights blendgan.pt --seeds 0-15 --style art.jpg --strength 0.7 -o samples
    """
    import torch
    from PIL import Image

    from models.data.pictures import claim_pictures, read_picture, save_png, to_uint8
    from models.inference.sheets import Tile, draw_sheet
    from models.rng import seeded_normal
    from suite.progress import progress

    if style and style_seed is not None:
        raise SuiteError("--style-seed: not together with --style; choose one")
    claim_pictures(out, [*(_name(seed) for seed in seeds), "sheet.png"])
    picture = read_picture(style)[None] if style else None
    model = model_options.load()
    i, theta = blend_options.resolve(model.generator.n_latent)
    pull = model.truncation if truncation is None else truncation
    code = model.style_codes(picture) if picture is not None else None
    if style_seed is not None:
        code = seeded_normal([style_seed], [model.generator.style_code_dim], model.device, "style")
    text = {"weights": model.origin["weights"], "truncation": pull}
    if code is not None:
        text |= {"style": style.name if style else f"seed {style_seed}", "i": i, "theta": theta}
    tiles: list[Tile] = []
    files: list[str] = []
    for start in progress(range(0, len(seeds), batch), "faces", unit="batch"):
        part = seeds[start : start + batch]
        z = seeded_normal(part, [model.generator.style_dim], model.device, "face")
        with torch.inference_mode():
            pictures, _ = model.generator(
                z,
                z_style=code,
                i=i,
                theta=theta,
                truncation=pull,
                truncation_latent=model.centre,
                half=model_options.half(),
            )
        for seed, one in zip(part, pictures, strict=True):
            files.append(str(out / _name(seed)))
            save_png(files[-1], one, text | {"seed": seed})
            if len(tiles) < 64:
                tiles.append(Tile(Image.fromarray(to_uint8(one)), f"seed {seed}"))
    note = f"weights: {model.origin['weights']}; " + ", ".join(f"{k} {v}" for k, v in text.items() if k != "weights")
    save_png(out / "sheet.png", draw_sheet([tiles[at : at + 8] for at in range(0, len(tiles), 8)], note))
    summary = {"files": files, "sheet": str(out / "sheet.png"), **model.origin, **text}
    emit(summary, f"{len(files)} faces and sheet.png in {out}; weights: {model.origin['weights']}", as_json)


def _name(seed: int) -> str:
    return f"seed{seed:06d}.png"
