"""`baselines stylize`: faces through any method, by style pictures or by seeds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import torch
from torch import Tensor

from baselines.load import open_method
from baselines.registry import METHODS, UNTRAINED, known
from models.data.pictures import picture_files, read_picture, save_png, to_uint8
from models.method import Face
from suite.cli import emit, json_option
from suite.errors import SuiteError
from suite.params import device_given, output_folder, seed_range
from suite.progress import progress


@click.command(short_help="Restyle faces with one method.")
@click.argument("method", metavar="METHOD")
@click.argument("faces", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FACE...")
@click.option(
    "--style", "styles", multiple=True, type=click.Path(path_type=Path), help="A style picture or folder; repeat."
)
@click.option(
    "--latent", "seeds", multiple=True, type=seed_range, metavar="SEED", help="A seed of a random style; repeat."
)
@click.option("-o", "--out", type=output_folder, required=True, help="Folder for the pictures and sheet.png.")
@click.option("--weights", default=UNTRAINED, show_default=True, help="A run, a checkpoint, or 'random' (untrained).")
@click.option("--size", type=click.IntRange(32, 2048), help="Side of the pictures; the method's own by default.")
@click.option("--shots", is_flag=True, help="Use all style pictures as one style (FUNIT's K shots, AdaIN's mix).")
@click.option("--profile", default="paper", show_default=True, help="Architecture of weights that carry no settings.")
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Change one setting of that architecture.")
@click.option("--option", "options", multiple=True, metavar="KEY=VALUE", help="Of the method: alpha, mix, target ...")
@click.option(
    "--batch", default=4, show_default=True, type=click.IntRange(1), help="Faces at once; never changes a result."
)
@click.option("--device", type=device_given, default="cpu", show_default=True, help="cpu or cuda.")
@json_option
def command(
    method: str,
    faces: tuple[Path, ...],
    styles: tuple[Path, ...],
    seeds: tuple[int, ...],
    out: Path,
    weights: str,
    size: int | None,
    shots: bool,
    profile: str,
    overrides: tuple[str, ...],
    options: tuple[str, ...],
    batch: int,
    device: str,
    as_json: bool,
) -> None:
    """Restyle each FACE (picture or folder) in every --style and with every --latent seed.

    METHOD is adain, munit, funit, drit, mdmm, stargan2, gatys or toonify. Faces should be aligned squares. Writes
    <face>--<style>.png or <face>--seed<n>.png, and a contact sheet. Without --weights the networks are untrained and
    the sheet says so.

    \b
    Example:
      baselines stylize adain face.png --style painting.jpg --weights adain-folder --option alpha=0.8 -o out
      baselines stylize stargan2 faces/ --latent 1 --latent 2 --weights runs/stargan2 -o out
    """
    known(method, METHODS)
    if not styles and not seeds:
        raise SuiteError("--style: give style pictures, or --latent SEED for random styles")
    extra = {key: _value(key, text) for key, text in (_pair(option) for option in options)}
    found = open_method(method, weights, device, profile, overrides, **extra)
    for mode, given, flag in (("reference", styles, "--style"), ("latent", seeds, "--latent")):
        if given and mode not in found.modes:
            raise SuiteError(
                f"{flag}: {found.name} has no {mode}-guided mode; it has {' and '.join(sorted(found.modes))}"
            )
    side = size or found.resolution
    files = list(picture_files(faces, "FACE"))
    pictures = [read_picture(file, side) for file in files]
    art_files = list(picture_files(styles, "--style"))
    art = torch.stack([read_picture(file, side) for file in art_files]) if art_files else None
    looks = _looks(art, [file.stem for file in art_files], seeds, shots)
    made: dict[str, list[Tensor]] = {}
    total = len(files) * len(looks)
    with progress(None, found.name, total, "picture") as bar:
        for name, style, seed in looks:
            rows = []
            for start in range(0, len(files), batch):
                part = torch.stack(pictures[start : start + batch]).to(device)
                rows.append(_made(found, part, files[start : start + batch], style, seed, device).cpu())
                bar.update(len(part))
            made[name] = list(torch.cat(rows))
    note = f"{found.name}, weights {weights}"
    written = []
    for name, results in made.items():
        for file, picture in zip(files, results):
            path = out / f"{file.stem}--{name}.png"
            save_png(path, picture, {"method": note})
            written.append(str(path))
    sheet = _sheet(
        out / "sheet.png", note, files, pictures, dict(zip((n for n, _, _ in looks), (s for _, s, _ in looks))), made
    )
    emit(
        {"method": found.name, "weights": weights, "pictures": written, "sheet": str(sheet)},
        f"{found.name}: {total} pictures in {out}; look at {sheet}",
        as_json,
    )


def _looks(
    art: Tensor | None, names: Sequence[str], seeds: Sequence[int], shots: bool
) -> list[tuple[str, Tensor | None, int]]:
    """(name, style picture or stack, seed) of each look."""
    looks: list[tuple[str, Tensor | None, int]] = [(f"seed{seed}", None, seed) for seed in seeds]
    if art is None:
        return looks
    if shots:
        return [*looks, (f"{len(art)}-shots", art, 0)]
    return looks + [(name, picture, 0) for name, picture in zip(names, art)]


def _made(method: Any, images: Tensor, files: Sequence[Path], style: Tensor | None, seed: int, device: str) -> Tensor:
    count = len(images)
    face = Face(images=images) if method.face == "image" else Face(seeds=tuple(_seed(file) for file in files))
    if style is None:
        return method.from_latent(face, [seed] * count)
    return method.from_reference(face, style.to(device)[None].expand(count, *style.shape), [seed] * count)


def _seed(file: Path) -> int:
    """A face's seed for generators that invent the face: from its file's name."""
    import zlib

    return zlib.crc32(file.stem.encode())


def _sheet(
    path: Path,
    note: str,
    files: Sequence[Path],
    pictures: Sequence[Tensor],
    styles: dict[str, Tensor | None],
    made: dict[str, list[Tensor]],
) -> Path:
    from PIL import Image

    from models.inference.sheets import Tile, draw_sheet

    def tile(picture: Tensor, caption: str) -> Tile:
        return Tile(Image.fromarray(to_uint8(picture)), caption)

    head = [Tile()]
    for name, style in styles.items():
        head.append(Tile(None, name) if style is None else tile(style if style.ndim == 3 else style[0], name))
    rows = [head]
    for i, (file, picture) in enumerate(zip(files, pictures)):
        rows.append([tile(picture, file.stem), *(tile(results[i], name) for name, results in made.items())])
    save_png(path, draw_sheet(rows, note))
    return path


def _pair(option: str) -> tuple[str, str]:
    key, equals, value = option.partition("=")
    if not equals:
        raise SuiteError(f"--option {option}: expected key=value")
    return key.strip(), value.strip()


def _value(key: str, text: str) -> Any:
    """A TOML value, or the bare word."""
    import tomllib

    try:
        return tomllib.loads(f"v = {text}")["v"]
    except tomllib.TOMLDecodeError:
        return text
