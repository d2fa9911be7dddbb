"""`baselines stylize`: faces through any method, by style pictures or by seeds."""

from __future__ import annotations

import glob
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click
import torch
from PIL import Image
from torch import Tensor

from baselines.load import names_shipped, open_method
from baselines.registry import METHODS, UNTRAINED, known
from models.data.pictures import (
    UniqueNames,
    claim_pictures,
    picture_files,
    read_picture,
    refuse_results_among,
    save_png,
    to_uint8,
)
from models.inference.sheets import SheetFiles, Tile
from models.method import Face
from suite.cli import emit, json_option
from suite.errors import SuiteError
from suite.params import Count, device_given, output_folder, seed_range
from suite.profiles import toml_value
from suite.progress import progress
from suite.terminal import say

SHIPPED_NOTE = "trained for minutes on painted portraits of 64 px: a photograph of a person is nothing that it has seen"


@click.command(short_help="Restyle faces with one method.")
@click.argument("method", metavar="METHOD")
@click.argument("faces", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FACE...")
@click.option(
    "--style", "styles", multiple=True, type=click.Path(path_type=Path), help="A style picture or folder; repeat."
)
@click.option(
    "--latent", "seeds", multiple=True, type=seed_range, metavar="SEED", help="A seed of a random style; repeat."
)
@click.option("-o", "--out", type=output_folder, required=True, help="Folder for pictures and sheets.")
@click.option(
    "--weights",
    default=UNTRAINED,
    show_default=True,
    help="A run, a checkpoint, 'painted' (come with the package), or 'random' (untrained).",
)
@click.option("--size", type=click.IntRange(32, 2048), help="Side of the pictures; the method's own by default.")
@click.option("--shots", is_flag=True, help="Use all style pictures as one style (FUNIT's K shots, AdaIN's mix).")
@click.option("--profile", default="paper", show_default=True, help="What the shapes of published weights do not tell.")
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Change one setting of that architecture.")
@click.option("--option", "options", multiple=True, metavar="KEY=VALUE", help="Of the method: alpha, mix, target ...")
@click.option("--batch", default=4, show_default=True, type=Count(), help="Faces at once; never changes a result.")
@click.option("--device", type=device_given, default="cpu", show_default=True, help="cpu, cuda or mps.")
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
    <face>--<style>.png or <face>--seed<n>.png, and sheets of 8 faces in 16 styles; memory grows neither with the faces nor
    with the styles. Without --weights the networks are untrained and the sheets say so. A face that cannot be read is named
    and skipped; then the exit code is 2.

    \b
    Example:
      baselines stylize adain face.png --style painting.jpg --weights adain-folder --option alpha=0.8 -o out
      baselines stylize stargan2 faces/ --latent 1 --latent 2 --weights painted -o out
    """
    known(method, METHODS)
    if not styles and not seeds:
        raise SuiteError("--style: give style pictures, or --latent SEED for random styles")
    files = list(picture_files(faces, "FACE"))
    art = list(picture_files(styles, "--style"))
    refuse_results_among(out, FACE=faces, style=styles)
    # A style's name is in every result's, whatever the faces are called.
    looks = [*(glob.escape(style.stem) for style in art), *(f"seed{seed}" for seed in seeds), f"{len(art)}-shots"]
    claim_pictures(out, ["sheet-[0-9]*.png", *(f"*--{look}*.png" for look in looks)])
    extra = {key: toml_value(text) for key, text in (_pair(option) for option in options)}
    adapter = open_method(method, weights, device, profile, overrides, **extra)
    if names_shipped(weights):
        say(f"{adapter.name}: {SHIPPED_NOTE}", err=True)
    for mode, values, flag in (("reference", styles, "--style"), ("latent", seeds, "--latent")):
        if values and mode not in adapter.modes:
            raise SuiteError(
                f"{flag}: {adapter.name} has no {mode}-guided mode; it has {' and '.join(sorted(adapter.modes))}"
            )
    look = _Looks(art, seeds, shots, size or adapter.resolution)
    note = f"{adapter.name}, weights {weights}"
    sheets = SheetFiles(out, look.head())
    face_names, result_names = UniqueNames(), UniqueNames()
    written: list[str] = []
    failures: list[str] = []
    with progress(None, adapter.name, len(files) * len(look), "picture") as bar:
        for start in range(0, len(files), batch):
            part = _readable(files[start : start + batch], look.side, failures)
            stems = [face_names(file.stem) for file, _ in part]
            rows = [sheets.row(note) for _ in part]
            for row, stem, (_, picture) in zip(rows, stems, part):
                row.add(_tile(picture, stem))
            for name, style, seed in look if part else ():
                images = torch.stack([picture for _, picture in part]).to(device)
                made = _made(adapter, images, [file for file, _ in part], style, seed, device).cpu()
                for stem, picture, row in zip(stems, made, rows):
                    path = out / f"{result_names(f'{stem}--{name}')}.png"
                    save_png(path, picture, {"method": note})
                    written.append(str(path))
                    row.add(_tile(picture, name))
                bar.update(len(part))
            sheets.write_full()
    sheets.close()
    if failures:
        raise SuiteError(f"stylize: {len(failures)} of {len(files)} faces could not be used")
    emit(
        {
            "method": adapter.name,
            "weights": weights,
            "pictures": written,
            "sheets": [str(file) for file in sheets.files],
        },
        f"{adapter.name}: {len(written)} pictures in {out}; look at {sheets.files[0]}",
        as_json,
    )


def _readable(files: Sequence[Path], side: int, failures: list[str]) -> list[tuple[Path, Tensor]]:
    """The faces that can be read; the others are named and added to `failures`."""
    pictures = []
    for file in files:
        try:
            pictures.append((file, read_picture(file, side)))
        except SuiteError as error:
            failures.append(str(error))
            say(f"error: {error}", err=True)
    return pictures


class _Looks:
    """What every face is shown in: (name, style picture or stack of them, seed).

    Style pictures are read anew for each batch of faces and let go, since there may be thousands; only the pictures of
    --shots, which a method takes all at once, are held together.
    """

    def __init__(self, files: Sequence[Path], seeds: Sequence[int], shots: bool, side: int) -> None:
        self.side = side
        self._looks: list[tuple[str, Sequence[Path], int]] = [
            (f"seed{seed}", (), seed) for seed in dict.fromkeys(seeds)
        ]
        unique = UniqueNames()
        if shots and files:
            self._looks.append((f"{len(files)}-shots", files, 0))
        else:
            self._looks += [(unique(file.stem), (file,), 0) for file in files]
        self._shots = shots

    def __len__(self) -> int:
        return len(self._looks)

    def __iter__(self) -> Iterator[tuple[str, Tensor | None, int]]:
        """Style pictures as (3, S, S), or (K, 3, S, S), float32 in [-1, 1]."""
        for name, files, seed in self._looks:
            yield name, self._picture(files), seed

    def _picture(self, files: Sequence[Path]) -> Tensor | None:
        if not files:
            return None
        if not self._shots:
            return read_picture(files[0], self.side)
        return torch.stack([read_picture(file, self.side) for file in files])

    def head(self) -> Iterator[Tile]:
        """The first row of a sheet; every style picture is read for it, so that a broken one is known before the work."""
        yield Tile()
        for name, files, _ in self._looks:
            pictures = [_tile(read_picture(file, self.side), name) for file in files]
            yield pictures[0] if pictures else Tile(None, name)


def _tile(picture: Tensor, caption: str) -> Tile:
    return Tile(Image.fromarray(to_uint8(picture)), caption).small()


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


def _pair(option: str) -> tuple[str, str]:
    key, equals, value = option.partition("=")
    if not equals:
        raise SuiteError(f"--option {option}: expected key=value")
    return key.strip(), value.strip()
