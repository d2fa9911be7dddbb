"""One pass over a cell's pictures through every extractor: vectors stay, pictures do not."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from benchmark.metrics.answers import Suspicion, Thumbnails, suspect
from benchmark.metrics.art_fid import Stylised
from benchmark.metrics.extractors.features import Extractor
from benchmark.metrics.gaussian import Moments
from benchmark.metrics.measured import FeatureSets
from benchmark.run.face_metrics import face_metrics
from benchmark.run.generate import Block, Generation, blocks, in_order
from benchmark.run.instruments import Extractors
from benchmark.run.real_set import RealSet

if TYPE_CHECKING:
    from benchmark.run.control_pictures import ControlGeneration


@dataclass
class CellFeatures:
    """What one pass over a cell's pictures leaves: vectors, never pictures.

    Attributes:
        pictures: how many were generated.
        sets: real and generated features, one per extractor.
        per_face: metric -> (what it depends on, one value per face (F,) or per picture (F, K)).
        references: (M,) the reference that each picture answers; None where styles come from seeds.
        suspicion: what speaks against the pictures being answers at all; None for controls.
        stylised: what ArtFID needs, where it is asked for and the method answers face and reference.
    """

    pictures: int
    sets: list[tuple[Extractor, FeatureSets]]
    per_face: dict[str, tuple[dict[str, Any], np.ndarray]]
    references: np.ndarray | None = None
    suspicion: Suspicion | None = None
    stylised: Stylised | None = None


def extract(
    generation: Generation | ControlGeneration,
    extractors: Extractors,
    real: RealSet,
    scratch: Path,
    faces_a_block: int,
    step: Callable[[int], Any],
) -> CellFeatures:
    """Generate one cell, embed it, and put the real features beside.

    Features go to memory-mapped files in `scratch`: memory does not grow with the number of pictures.
    """
    draws = generation.draws
    count = draws.faces * draws.styles
    stores = [
        np.lib.format.open_memmap(scratch / f"{e.name}.npy", "w+", np.float32, (count, e.dim)) for e in extractors.fd
    ]
    moments = [Moments(e.dim) for e in extractors.fd]
    metrics = face_metrics(generation, extractors)
    per_face: list[list[Tensor]] = [[] for _ in metrics]
    beside = _stylised(generation, extractors)
    answered: list[tuple[Tensor, Tensor, Tensor]] = []

    thumbnails = np.empty((count, Thumbnails.dim), np.float32)

    def work(run: range) -> tuple[list[Tensor], list[Tensor], Tensor, tuple[Tensor, Tensor, Tensor] | None]:
        block = generation.block(run)
        vectors, values = [e(block.pictures) for e in extractors.fd], [metric.of(block) for metric in metrics]
        return vectors, values, Thumbnails()(block.pictures), beside(block) if beside else None

    runs = blocks(draws.faces, faces_a_block)
    for run, (vectors, values, small, answer) in zip(runs, in_order(runs, work)):
        thumbnails[run.start * draws.styles : run.stop * draws.styles] = small.numpy()
        if answer is not None:
            answered.append(answer)
        for store, moment, part in zip(stores, moments, vectors):
            store[run.start * draws.styles : run.stop * draws.styles] = part.numpy()
            moment.update(part)
        for kept, value in zip(per_face, values):
            kept.append(value)
        step(len(run))
    faces = np.repeat(np.arange(draws.faces), draws.styles)
    references = np.array(draws.style_rows).ravel() if generation.guidance == "reference" else None
    sets = []
    for place, (extractor, store, moment) in enumerate(zip(extractors.fd, stores, moments)):
        feature_sets = real.beside(extractor, store, faces, moment, copies=place == 0)
        sets.append((extractor, replace(feature_sets, k=extractors.neighbours, references=references)))
    averaged = {m.name: (m.depends, torch.cat(values).numpy()) for m, values in zip(metrics, per_face)}
    suspicion = None
    if isinstance(generation, Generation):
        suspicion = _suspicion(generation, real, torch.from_numpy(thumbnails), faces)
    stylised = None
    if answered:
        assert extractors.art_fid is not None
        assert references is not None
        made, styles, content = (torch.cat(parts).numpy() for parts in zip(*answered))
        stylised = Stylised(made, styles, content, faces, references, extractors.art_fid.describe())
    return CellFeatures(count, sets, averaged, references, suspicion, stylised)


def _suspicion(generation: Generation, real: RealSet, pictures: Tensor, faces: np.ndarray) -> Suspicion:
    """Whether the pictures (M, D), as thumbnails, are those of the release or of what the method was given."""
    draws = generation.draws
    restyles, follows = generation.method.face == "image", generation.guidance == "reference"
    photographs = real.thumbnails(list(draws.face_rows))
    references = None
    if follows:
        rows = sorted({row for face in draws.style_rows for row in face})
        place = {row: k for k, row in enumerate(rows)}
        references = real.thumbnails(rows)[[place[row] for face in draws.style_rows for row in face]]
    own = photographs.repeat_interleave(draws.styles, 0) if restyles else None
    # A method that is given the photographs may leave them much as they are; one that invents its faces has none to leave.
    return suspect(pictures, faces, real.works(None if restyles else photographs), own, references)


def _stylised(
    generation: Generation | ControlGeneration, extractors: Extractors
) -> Callable[[Block], tuple[Tensor, Tensor, Tensor]] | None:
    """A block -> features of its pictures and of their references, distances to their faces; None where nobody asks."""
    art_fid = extractors.art_fid
    if art_fid is None or generation.method.face != "image" or generation.guidance != "reference":
        return None
    draws, size = generation.draws, generation.method.resolution
    known = extractors.vectors(art_fid.extractor.name, art_fid.extractor, generation.release, size)

    def of(block: Block) -> tuple[Tensor, Tensor, Tensor]:
        assert block.sources is not None
        rows = [row for face in block.faces for row in draws.style_rows[face]]
        content = art_fid.to_content(block.pictures, block.sources.repeat_interleave(draws.styles, 0))
        return art_fid.extractor(block.pictures), known(rows), content

    return of


def scratch_folder(cache: Path) -> tempfile.TemporaryDirectory[str]:
    """A folder on the cache's disk for one cell's feature files."""
    cache.mkdir(parents=True, exist_ok=True)
    return tempfile.TemporaryDirectory(dir=cache, prefix="cell-")
