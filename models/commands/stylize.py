"""`blendgan stylize`: photographs of faces in the style of art pictures."""

from __future__ import annotations

import glob
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from models.commands.options import BlendOptions, ModelOptions, blend_options, model_options
from suite.cli import emit, json_option
from suite.errors import SuiteError
from suite.params import Count, output_folder
from suite.terminal import say

if TYPE_CHECKING:
    from torch import nn

    from models.inference.pretrained import Pretrained
    from models.inference.sheets import Tile
    from models.inference.stylize import Inverter, Settings, Style, Stylised
    from models.networks.psp import PSPEncoder


@click.command()
@click.argument("faces", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--style", "styles", multiple=True, required=True, type=click.Path(path_type=Path), help="Art; repeatable."
)
@click.option("-o", "--out", type=output_folder, required=True, help="Folder for the results.")
@click.option("--aligned", is_flag=True, help="The pictures are aligned: do not look for faces.")
@click.option("--largest", is_flag=True, help="Take the largest of several faces.")
@click.option(
    "--invert", "how", type=click.Choice(["auto", "psp", "w", "w+"]), default="auto", help="auto: pSp if here, else w+."
)
@click.option("--steps", type=click.IntRange(1, 1_000_000), default=300, show_default=True, help="Of inversion.")
@click.option("--psp", "psp_path", type=click.Path(path_type=Path), help="The pSp encoder's file.")
@click.option("--codes", type=output_folder, help="Keep inverted faces here and use those that are kept.")
@click.option("--paste-back", is_flag=True, help="Put each result back into its photograph, too.")
@click.option("--similarity", is_flag=True, help="Measure nearness to face and style; shown on the sheets.")
@click.option("--batch", type=Count(), default=1, show_default=True, help="Pictures generated at once.")
@blend_options
@model_options
@json_option
def stylize(
    faces: tuple[Path, ...],
    styles: tuple[Path, ...],
    out: Path,
    aligned: bool,
    largest: bool,
    how: str,
    steps: int,
    psp_path: Path | None,
    codes: Path | None,
    paste_back: bool,
    similarity: bool,
    batch: int,
    as_json: bool,
    model_options: ModelOptions,
    blend_options: BlendOptions,
) -> None:
    """Stylise FACES (photographs, or folders of any size) in each style; OUT/<face>__<style>.png and sheets.

    A photograph is aligned first (or seen to be aligned), inverted with pSp or by optimisation, and blended with each
    style. A photograph that cannot be used is named and skipped; then the exit code is 2. A sheet holds 8 faces in 16
    styles.

    \b
    Example:
      blendgan stylize me.jpg --style art/ --strength 0.7 --paste-back -o out
    """
    from models.data.pictures import claim_pictures, picture_files, refuse_results_among
    from models.inference.sheets import SheetFiles
    from models.inference.stylize import Settings, Stylist, read_styles
    from suite.progress import progress

    if paste_back and aligned:
        raise SuiteError("--paste-back: not together with --aligned; there is no photograph to put the face back into")
    sources = picture_files(faces, "FACE")
    photographs = itertools.chain([next(sources)], sources)  # that there is one is known before a model is loaded
    style_files = list(picture_files(styles, "--style"))
    refuse_results_among(out, FACE=faces, style=styles)
    # A style's name is in every result's, whatever the faces are called.
    claim_pictures(out, ["sheet-[0-9]*.png", *(f"*__{glob.escape(style.stem)}*.png" for style in style_files)])
    model = model_options.load()
    i, theta = blend_options.resolve(model.generator.n_latent)
    psp, distance, inverter = inversion(how, psp_path, model, model_options)
    settings = Settings(
        i, theta, inverter, steps, batch, model_options.half(), aligned, largest, paste_back, similarity, codes
    )
    known = read_styles(model, iter(style_files))
    failures: list[str] = []

    def failed(error: SuiteError) -> None:
        failures.append(str(error))
        say(f"error: {error}", err=True)

    stylist = Stylist(model, settings, psp, distance)
    sheets = SheetFiles(out, _head(known), repeated=2)
    done: list[dict[str, Any]] = []
    count = 0
    for one in progress(stylist.run(photographs, known, out, failed), "faces", unit="face"):
        count += 1
        if as_json:
            done.append(_result_json(one))
        line = sheets.row(_note(one, model, settings))
        for tile in _row(one):
            line.add(tile)
        sheets.write_full()
    sheets.close()
    if failures:
        raise SuiteError(
            f"stylize: {len(failures)} of {count + len(failures)} faces could not be used" if count else failures[0]
        ) from None
    summary = {"faces": done, "i": i, "theta": theta, **model.origin}
    text = (
        f"{count} faces in {len(known)} styles, {len(sheets.files)} sheets in {out}; weights: {model.origin['weights']}"
    )
    emit(summary, text, as_json)


def inversion(
    how: str, path: Path | None, model: Pretrained, options: ModelOptions
) -> tuple[PSPEncoder | None, nn.Module | None, Inverter]:
    """How faces are inverted: the pSp encoder, or the distance that an optimisation lessens, and its name.

    Args:
        how: "auto" (pSp where one that fits is at hand), "psp", "w" or "w+".
        path: the pSp encoder's file, given by a person.
    """
    from models.inference.pretrained import load_psp
    from models.weights.download import obtain

    if how in ("auto", "psp"):
        folder = options.weights if options.weights and options.weights.is_dir() else None
        if path is None and how == "psp":
            path = obtain("psp", folder, offline=options.offline)
        fits = path is not None or model.origin["trained"]
        psp = load_psp(path, model.generator, folder=folder) if fits else None
        if psp is not None:
            return psp, None, "psp"
    elif path is not None:
        raise SuiteError(f"--psp: not together with --invert {how}")
    return None, model.inversion_distance(), "w" if how == "w" else "w+"


def _result_json(one: Stylised) -> dict[str, Any]:
    results = [
        {
            "style": str(result.style.path),
            "file": str(result.file),
            "pasted": str(result.pasted) if result.pasted else None,
            "face_similarity": result.face_similarity,
            "style_similarity": result.style_similarity,
        }
        for result in one.results
    ]
    return {"face": str(one.source), "inverted": one.how, "results": results}


def _head(styles: list[Style]) -> Iterator[Tile]:
    from PIL import ImageOps

    from models.data.pictures import read_rgb
    from models.inference.sheets import SIDE, Tile

    yield from (Tile(), Tile())
    for style in styles:
        yield Tile(ImageOps.fit(read_rgb(style.path), (SIDE, SIDE)), style.name)


def _row(one: Stylised) -> Iterator[Tile]:
    from PIL import Image

    from models.data.pictures import read_rgb
    from models.inference.sheets import Tile

    yield Tile(Image.fromarray(one.face), one.source.stem)
    yield Tile(Image.fromarray(one.natural), "inverted")
    for result in one.results:
        measured = [("face", result.face_similarity), ("style", result.style_similarity)]
        caption = "  ".join(f"{name} {value:.2f}" for name, value in measured if value is not None)
        # Read back: all of a face's results in full would fill the memory.
        yield Tile(read_rgb(result.file), caption)


def _note(one: Stylised, model: Pretrained, settings: Settings) -> str:
    note = f"Weights: {model.origin['weights']}. i = {settings.i}, theta = {settings.theta:.2f}. Inverted: {one.how}."
    if settings.similarity:
        note += (
            " face: 1 - distance of dlib's 128-d descriptors of photograph and result, both read at the photograph's"
            " landmarks (0.4 and more: the same person, say its authors). style: cosine of the style codes."
        )
    return note
