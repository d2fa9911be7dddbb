"""One pass over a cell's pictures through every extractor: vectors stay, pictures do not."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmark.metrics.extractors.features import Extractor, FeatureCache
from benchmark.metrics.factor_metrics import TruthReader
from benchmark.metrics.frechet import Gaussian, Moments, fit
from benchmark.metrics.lpips import Diversity
from benchmark.run.generate import Block, Generation, blocks, in_order, read_rows
from benchmark.tasks.protocol import Draws, content_digest, pool
from models.data.release import Release

READ = 64


@dataclass(frozen=True)
class Lens:
    """Everything that measures.

    Attributes:
        fd: extractors of the Fréchet and kernel distances; the first one also serves the neighbour metrics.
        diversity: the perceptual distance of the diversity protocol.
        identity, style: extractors whose cosine similarity says how much of a face or a style is kept.
        truth: reader of painted portraits' known factors.
        neighbours: k of precision, recall, density and coverage.
    """

    fd: tuple[Extractor, ...]
    diversity: Diversity | None = None
    identity: tuple[Extractor, ...] = ()
    style: tuple[Extractor, ...] = ()
    truth: TruthReader | None = None
    neighbours: int = 5


@dataclass
class RealSet:
    """The real side of every cell: read once, its features kept on disk.

    Attributes:
        rows: which pictures of the release the generated ones are compared with.
        train_rows, held_rows: the training and the held-out artistic faces, for the memorisation check.
    """

    release: Release
    rows: list[int]
    train_rows: list[int]
    held_rows: list[int]
    cache: FeatureCache
    _gaussians: dict[str, Gaussian] = field(default_factory=dict)

    @classmethod
    def of(cls, release: Release, split: str, cache: FeatureCache) -> RealSet:
        """The artistic faces of `split` (`all` for every split)."""
        held = pool(release, "test", "art")
        return cls(release, pool(release, split, "art"), pool(release, "train", "art"), held, cache)

    def features(self, extractor: Extractor, rows: list[int] | None = None) -> np.ndarray:
        """(N, dim) float32, memory-mapped."""
        chosen = self.rows if rows is None else rows

        def work(run: range) -> Tensor:
            return extractor(read_rows(self.release, chosen[run.start : run.stop]))

        def batches() -> Iterator[Tensor]:
            return in_order(blocks(len(chosen), READ), work)

        return self.cache.features(content_digest(self.release, chosen), extractor, len(chosen), batches)

    def gaussian(self, extractor: Extractor) -> Gaussian:
        """The Gaussian of the real features, with its factor kept: all cells share it."""
        if extractor.name not in self._gaussians:
            self._gaussians[extractor.name] = fit(self.features(extractor))
        return self._gaussians[extractor.name]


@dataclass
class Seen:
    """What one pass over a cell's pictures leaves: vectors, never pictures."""

    faces: np.ndarray
    features: dict[str, np.ndarray]
    moments: dict[str, Moments]
    per_face: dict[str, np.ndarray]


def look(generation: Generation, lens: Lens, scratch: Path, faces_a_block: int, step: Callable[[int], Any]) -> Seen:
    """Generate and embed one cell. Features go to memory-mapped files in `scratch`: memory does not grow with N."""
    draws = generation.draws
    count = draws.faces * draws.styles
    stores = {
        e.name: np.lib.format.open_memmap(scratch / f"{e.name}.npy", "w+", np.float32, (count, e.dim)) for e in lens.fd
    }
    moments = {e.name: Moments(e.dim) for e in lens.fd}
    per_face: dict[str, list[Tensor]] = {}
    runs = blocks(draws.faces, faces_a_block)
    for run, vectors in zip(runs, in_order(runs, lambda run: embed_block(generation, lens, run))):
        for name, store in stores.items():
            store[run.start * draws.styles : run.stop * draws.styles] = vectors[name].numpy()
            moments[name].update(vectors[name])
        for name, values in vectors.items():
            if name not in stores:
                per_face.setdefault(name, []).append(values)
        step(len(run))
    faces = np.repeat(np.arange(draws.faces), draws.styles)
    kept = {name: torch.cat(values).numpy() for name, values in per_face.items()}
    return Seen(faces, dict(stores), moments, kept)


def embed_block(generation: Generation, lens: Lens, run: range) -> dict[str, Tensor]:
    """Every vector of a block: features by extractor, and one value a face of everything that is averaged over faces."""
    block = generation.block(run)
    draws = generation.draws
    out = {e.name: e(block.pictures) for e in lens.fd}
    if lens.diversity is not None and draws.styles > 1:
        out[lens.diversity.name] = lens.diversity.of_faces(block.pictures, draws.styles)
    for extractor in lens.identity:
        if block.sources is not None:
            out[f"identity similarity ({extractor.name})"] = _kept(extractor, block.pictures, block.sources)
    references = [row for face in run for row in draws.style_rows[face]]
    if generation.guidance == "reference":
        size = generation.method.resolution
        styles = read_rows(generation.release, references, size) if lens.style else None
        for extractor in lens.style:
            assert styles is not None
            out[f"style similarity ({extractor.name})"] = _cosine(extractor(block.pictures), extractor(styles), draws)
    if lens.truth is not None:
        out |= _truth(generation, lens.truth, block)
    return out


def _kept(extractor: Extractor, pictures: Tensor, sources: Tensor) -> Tensor:
    styles = len(pictures) // len(sources)
    return _mean_by_face(
        torch.cosine_similarity(extractor(pictures), extractor(sources).repeat_interleave(styles, 0)), styles
    )


def _cosine(a: Tensor, b: Tensor, draws: Draws) -> Tensor:
    return _mean_by_face(torch.cosine_similarity(a, b), draws.styles)


def _mean_by_face(values: Tensor, styles: int) -> Tensor:
    return values.double().view(-1, styles).mean(1)


def _truth(generation: Generation, reader: TruthReader, block: Block) -> dict[str, Tensor]:
    """True identity kept and true style followed, where the factors of faces and styles are known."""
    draws, release = generation.draws, generation.release
    out = {}
    if block.sources is not None:
        kept = reader.identity_kept(block.pictures, release, draws, block.faces)
        out["true identity kept"] = _mean_by_face(kept, draws.styles)
    if generation.guidance == "reference":
        followed = reader.style_followed(block.pictures, release, draws, block.faces)
        out["true style followed"] = _mean_by_face(followed, draws.styles)
    return out


def scratch_folder(cache: Path) -> tempfile.TemporaryDirectory[str]:
    """A folder on the cache's disk for one cell's feature files."""
    cache.mkdir(parents=True, exist_ok=True)
    return tempfile.TemporaryDirectory(dir=cache, prefix="cell-")
