"""`aahq-bench blending`: what the blending indicator i trades, read off pictures whose styles are known."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from suite.children import run_command
from suite.cli import emit, json_option
from suite.errors import SuiteError
from suite.params import Count, seed_range

if TYPE_CHECKING:
    from torch import Tensor

    from benchmark.metrics.extractors.reader import Reader
    from models.data.release import Release
    from models.inference.pretrained import Pretrained

CANDIDATES = 10


@click.command(short_help="Identity kept and style followed as i goes from 0 to the top.")
@click.option("--weights", default="painted", show_default=True, type=click.Path(path_type=Path), help="A BlendGAN.")
@click.option("--data", type=click.Path(path_type=Path), help="A painted release; without it one is painted.")
@click.option("--groups", default=12, show_default=True, type=Count(2), help="Of 10 faces in 10 styles each.")
@click.option("--seed", type=seed_range, default=0, show_default=True, help="Of the faces and of the choice of styles.")
@json_option
def command(weights: Path, data: Path | None, groups: int, seed: int, as_json: bool) -> None:
    """How well identity is kept and style followed at every blending indicator, from full style (0) to none (the top).

    Ten faces meet ten painted portraits of ten styles, group by group. The style is followed when the portrait is the
    nearest of the ten in style; identity is kept when the face without style is the nearest of the ten in identity.
    The reader embeds both; guessing gives 0.1.

    \b
    Example:
      aahq-bench blending --weights painted
    """
    from benchmark.metrics.extractors.reader import load_reader
    from models.data.release import open_release
    from models.inference.pretrained import load_blendgan

    model = load_blendgan(weights, offline=True)
    if model.encoder is None:
        raise SuiteError(f"--weights {weights}: has no style encoder, which reads the portraits")
    with tempfile.TemporaryDirectory() as folder:
        painted = data or _paint(Path(folder) / "portraits")
        release = open_release(painted)
        world = release.world
        if not world:
            raise SuiteError(f"--data {painted}: pictures without factors; paint some with 'aahq portraits'")
        reader = load_reader()
        reader.check(model.generator.size, world)
        table = measure(model, release, reader, groups, seed)
    emit(table | model.origin, _text(table, model.origin["weights"]), as_json)


def _paint(folder: Path) -> Path:
    # Neither the shipped model nor the reader has seen this seed.
    options = [
        "--count",
        "300",
        "--size",
        "64",
        "--domain",
        "art",
        "--seed",
        "77",
        "--styles",
        "240",
        "--world",
        "small",
    ]
    if run_command([sys.executable, "-m", "aahq", "portraits", str(folder), *options]).returncode:
        raise SuiteError("blending: 'aahq portraits' failed; its message stands above")
    return folder


@dataclass(frozen=True)
class _Group:
    """Ten faces (W+) and ten painted portraits with the codes of their styles."""

    faces: Tensor
    codes: Tensor
    portraits: Tensor


def measure(model: Pretrained, release: Release, reader: Reader, groups: int, seed: int) -> dict[str, Any]:
    """`{"groups", "chance", "rows": [{"i", "identity", "style", their errors}]}`.

    An error is the standard error over the groups.
    """
    import torch

    from benchmark.metrics.retrieval import nearest
    from models.data.pictures import nearest_uint8

    top = model.generator.n_latent
    kept: list[list[float]] = [[] for _ in range(top + 1)]
    followed: list[list[float]] = [[] for _ in range(top + 1)]
    truth = torch.arange(CANDIDATES)
    with torch.inference_mode():
        for group in _groups(model, release, groups, seed):
            styles = reader.style(group.portraits)
            natural = reader.identity(nearest_uint8(model.generator(w=group.faces)[0]))
            faces = group.faces.repeat_interleave(CANDIDATES, 0)
            codes = group.codes.repeat(CANDIDATES, 1)
            for i in range(top + 1):
                made = nearest_uint8(model.generator(w=faces, z_style=codes, i=i)[0])
                whose = nearest(reader.identity(made), natural)
                kept[i].append(_share(whose == truth.repeat_interleave(CANDIDATES)))
                followed[i].append(_share(nearest(reader.style(made), styles) == truth.repeat(CANDIDATES)))
    rows = [{"i": i} | _mean("identity", kept[i]) | _mean("style", followed[i]) for i in range(top + 1)]
    return {"groups": groups, "chance": 1 / CANDIDATES, "rows": rows}


def _groups(model: Pretrained, release: Release, groups: int, seed: int) -> Iterator[_Group]:
    import numpy as np
    import torch
    from torch.nn import functional as F

    from models.data.pictures import nearest_uint8
    from models.rng import seeded_normal

    generator = model.generator
    rng = np.random.default_rng(seed)
    by_style: dict[int, int] = {}
    for row in rng.permutation(np.flatnonzero((release.manifest["domain"] == "art").to_numpy())):
        by_style.setdefault(int((release.factors(int(row)) or {})["style"]), int(row))
    rows = list(by_style.values())
    if len(rows) < CANDIDATES:
        raise SuiteError(f"--data: portraits of {len(rows)} styles; at least {CANDIDATES} are needed")
    for number in range(groups):
        chosen = [int(row) for row in rng.choice(rows, CANDIDATES, replace=False)]
        pixels = torch.stack([torch.from_numpy(release.image(row).copy()).permute(2, 0, 1) for row in chosen])
        images = pixels.float() / 127.5 - 1
        images = F.interpolate(images, (generator.size, generator.size), mode="bilinear", antialias=True).clamp(-1, 1)
        seeds = [seed * 1_000_003 + number * CANDIDATES + k for k in range(CANDIDATES)]
        z = seeded_normal(seeds, [generator.style_dim], stream="face")
        w = generator.face_latents(z, None, truncation=model.truncation, truncation_latent=model.centre)
        yield _Group(w, model.style_codes(images), nearest_uint8(images))


def _share(right: Tensor) -> float:
    return float(right.double().mean())


def _mean(name: str, values: list[float]) -> dict[str, float]:
    from statistics import mean, stdev

    return {name: round(mean(values), 4), f"{name}_error": round(stdev(values) / len(values) ** 0.5, 4)}


def _text(table: dict[str, Any], weights: str) -> str:
    lines = [f"{weights}: {table['groups']} groups of 10 faces in 10 styles; guessing gives 0.10"]
    lines += ["| i | identity kept | style followed |", "|---|---|---|"]
    for row in table["rows"]:
        identity, style = (f"{row[name]:.2f} ± {row[f'{name}_error']:.2f}" for name in ("identity", "style"))
        lines.append(f"| {row['i']} | {identity} | {style} |")
    return "\n".join(lines)
