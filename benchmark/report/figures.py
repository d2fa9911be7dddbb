"""The paper's figures as pictures: grids of generated faces and the map of the dataset. What cannot be drawn says why."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from benchmark.report.appendix_figures import given_faces, gram_codes, one_shot
from benchmark.report.figure_context import FigureContext, grid
from benchmark.run.cell import Bench
from benchmark.run.generate import read_rows
from benchmark.tasks.paper import Guidance, slug
from benchmark.tasks.protocol import pool
from models.data.pictures import claim_pictures, save_png
from suite.errors import SuiteError

INDICATORS = (0, 2, 4, 6, 8, 10, 12, 14, 16, 18)
ORDER = ("AdaIN", "MUNIT", "FUNIT", "DRIT++", "StarGANv2", "BlendGAN")


def pairs(context: FigureContext) -> Image.Image:
    """Figure 1: natural faces (i = 18) over their stylised counterparts (i = 6)."""
    natural = context.pictures("BlendGAN", "latent", 18)
    rows = [
        natural[:, 0],
        context.pictures("BlendGAN", "latent", 6)[:, 0],
        context.pictures("BlendGAN", "reference", 6)[:, 0],
    ]
    return grid(rows, ["natural face, i = 18", "a drawn style, i = 6", "a reference's style, i = 6"])


def dataset(context: FigureContext) -> Image.Image:
    """Figure 4: pictures of the dataset."""
    rows = pool(context.release, "all", "art")
    picked = [rows[k] for k in np.linspace(0, len(rows) - 1, min(32, len(rows))).astype(int)]
    pictures = read_rows(context.release, picked, context.size)
    parts = list(pictures.split(8))
    return grid(
        parts, [f"artistic faces of {context.release.card.get('name', 'the release')}", *[""] * (len(parts) - 1)]
    )


def indicators(context: FigureContext) -> Image.Image:
    """Figure 5: one face per row, the indicator from 0 to 18 along it."""
    sweep = torch.stack([context.pictures("BlendGAN", "reference", i)[:, 0] for i in INDICATORS], 1)
    references = torch.stack([context.references(face)[0] for face in range(context.faces)])
    rows = [torch.cat([references[f : f + 1], sweep[f]]) for f in range(context.faces)]
    label = "reference, then i = " + ", ".join(map(str, INDICATORS))
    return grid(rows, [label] * context.faces)


def comparison(guidance: Guidance) -> Callable[[FigureContext], Image.Image]:
    """Figures 6 and 7: every method that has weights, on the same faces and styles."""

    def draw_it(context: FigureContext) -> Image.Image:
        rows, labels = [context.sources()], ["faces (BlendGAN invents its own)"]
        if guidance == "reference":
            rows.append(torch.stack([context.references(f)[0] for f in range(context.faces)]))
            labels.append("styles")
        absent = []
        for name in ORDER:
            if guidance == "latent" and name == "AdaIN":
                continue
            try:
                pictures = context.pictures(name, guidance, 6 if name == "BlendGAN" else None)
            except SuiteError as error:
                absent.append(str(error))
                continue
            rows.append(pictures[:, 0])
            labels.append(name)
        if not set(labels) & set(ORDER):
            raise SuiteError(absent[0])
        return grid(rows, labels)

    return draw_it


def style_map(context: FigureContext) -> Image.Image:
    """Figure 8: t-SNE of the artistic faces, by the features of the profile's first distance, as thumbnails."""
    from sklearn.manifold import TSNE

    bench = Bench.open(context.work)
    extractor = bench.extractors.fd[0]
    features = np.asarray(bench.real.features(extractor))[:1000]
    places = TSNE(random_state=0, perplexity=min(30, len(features) / 4), init="pca").fit_transform(features)
    places = (places - places.min(0)) / (np.ptp(places, axis=0) + 1e-9)
    sheet, thumb = Image.new("RGB", (1400, 1400), "white"), 40
    for place, row in zip(places, bench.real.rows):
        picture = read_rows(context.release, [row], thumb)[0]
        at = tuple(int(v * (1400 - thumb)) for v in place)
        sheet.paste(Image.fromarray(picture.permute(1, 2, 0).numpy()), (at[0], at[1]))
    return sheet


def samples(guidance: Guidance) -> Callable[[FigureContext], Image.Image]:
    """Figures 13 and 14: more samples, one face per row, its styles along it."""

    def draw_it(context: FigureContext) -> Image.Image:
        pictures = context.pictures("BlendGAN", guidance, 6)
        natural = context.pictures("BlendGAN", "latent", 18)[:, :1]
        rows = list(torch.cat([natural, pictures], 1))
        return grid(rows, ["natural face (i = 18), then six styles (i = 6)", *[""] * (len(rows) - 1)])

    return draw_it


FIGURES: dict[int, tuple[str, Callable[[FigureContext], Image.Image]]] = {
    1: ("natural and stylised pairs", pairs),
    4: ("the dataset", dataset),
    5: ("the blending indicator", indicators),
    6: ("latent-guided comparison", comparison("latent")),
    7: ("reference-guided comparison", comparison("reference")),
    8: ("t-SNE of the dataset", style_map),
    9: ("given faces, drawn styles", given_faces("latent")),
    10: ("given faces, reference styles", given_faces("reference")),
    11: ("Gram codes as style codes", gram_codes),
    12: ("one-shot styles", one_shot),
    13: ("latent-guided samples", samples("latent")),
    14: ("reference-guided samples", samples("reference")),
}


def claim_figures(numbers: Sequence[int], folder: Path) -> None:
    """Refuse, before the work, a folder with pictures of the figures' names that are not figures. Raises SuiteError."""
    claim_pictures(folder, (_file_name(number) for number in numbers))


def _file_name(number: int) -> str:
    return f"figure{number:02d}-{slug(FIGURES[number][0])}.png"


def draw_figures(
    context: FigureContext, numbers: Sequence[int], folder: Path
) -> tuple[dict[int, Path], dict[int, str]]:
    """Draw figures as PNG files: (number -> file, number -> why it is missing)."""
    drawn, missing = {}, {}
    for number in numbers:
        _, make = FIGURES[number]
        try:
            picture = make(context)
        except SuiteError as error:
            missing[number] = str(error)
            continue
        path = folder / _file_name(number)
        save_png(path, picture, {"method": f"figure {number}"}, "composite")
        drawn[number] = path
    return drawn, missing
