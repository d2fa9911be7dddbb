"""One pass over a cell's pictures through every extractor: vectors stay, pictures do not."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmark.metrics.extractors.features import Extractor, FeatureCache
from benchmark.metrics.factor_metrics import TruthReader
from benchmark.metrics.gaussian import Gaussian, Moments, fit
from benchmark.metrics.lpips import Diversity
from benchmark.metrics.measured import FeatureSets
from benchmark.run.generate import Block, Generation, blocks, in_order, read_rows
from benchmark.tasks.protocol import content_digest, pool
from models.data.release import Release

READ = 64


@dataclass(frozen=True)
class Extractors:
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
    _kept: dict[str, dict[str, Any]] = field(default_factory=dict)

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

    def beside(
        self, extractor: Extractor, fake: np.ndarray, faces: np.ndarray, moments: Moments, copies: bool
    ) -> FeatureSets:
        """The real features beside generated ones; with `copies` those of training and held-out pictures too."""
        fits: dict[str, Any] = {}
        if extractor.kernel == "polynomial":
            fits |= {"real_fit": self.gaussian(extractor), "fake_fit": moments.gaussian()}
        if copies and self.train_rows and self.held_rows:
            fits |= {
                "train": self.features(extractor, self.train_rows),
                "held": self.features(extractor, self.held_rows),
            }
        return FeatureSets(
            extractor=extractor.name,
            distance=extractor.fd_name,
            kernel_distance=extractor.kernel_name,
            depends=dict(extractor.describe()),
            real=self.features(extractor),
            fake=fake,
            faces=faces,
            kept=self._kept.setdefault(extractor.name, {}),
            **fits,
        )

    def gaussian(self, extractor: Extractor) -> Gaussian:
        """The Gaussian of the real features, with its factor kept: all cells share it."""
        if extractor.name not in self._gaussians:
            self._gaussians[extractor.name] = fit(self.features(extractor))
        return self._gaussians[extractor.name]


@dataclass(frozen=True)
class FaceMetric:
    """A number that is averaged over faces.

    Attributes:
        depends: what it depends on besides the pictures, for the protocol.
        of: a block's pictures -> (faces,) float64.
    """

    name: str
    depends: dict[str, Any]
    of: Callable[[Block], Tensor]


@dataclass
class CellFeatures:
    """What one pass over a cell's pictures leaves: vectors, never pictures.

    Attributes:
        pictures: how many were generated.
        sets: real and generated features, one an extractor.
        per_face: metric -> (what it depends on, one value a face).
    """

    pictures: int
    sets: list[tuple[Extractor, FeatureSets]]
    per_face: dict[str, tuple[dict[str, Any], np.ndarray]]


def extract(
    generation: Generation,
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

    def work(run: range) -> tuple[list[Tensor], list[Tensor]]:
        block = generation.block(run)
        return [e(block.pictures) for e in extractors.fd], [metric.of(block) for metric in metrics]

    runs = blocks(draws.faces, faces_a_block)
    for run, (vectors, values) in zip(runs, in_order(runs, work)):
        for store, moment, part in zip(stores, moments, vectors):
            store[run.start * draws.styles : run.stop * draws.styles] = part.numpy()
            moment.update(part)
        for kept, value in zip(per_face, values):
            kept.append(value)
        step(len(run))
    faces = np.repeat(np.arange(draws.faces), draws.styles)
    sets = []
    for place, (extractor, store, moment) in enumerate(zip(extractors.fd, stores, moments)):
        found = real.beside(extractor, store, faces, moment, copies=place == 0)
        sets.append((extractor, replace(found, k=extractors.neighbours)))
    kept = {m.name: (m.depends, torch.cat(values).numpy()) for m, values in zip(metrics, per_face)}
    return CellFeatures(count, sets, kept)


def face_metrics(generation: Generation, extractors: Extractors) -> list[FaceMetric]:
    """What is averaged over faces for this method and guidance; records keep the order."""
    draws, release = generation.draws, generation.release
    out: list[FaceMetric] = []

    def add(name: str, depends: dict[str, object], of: Callable[[Block], Tensor]) -> None:
        out.append(FaceMetric(name, dict(depends), of))

    def over_styles(values: Tensor) -> Tensor:
        return values.double().view(-1, draws.styles).mean(1)

    def identity(extractor: Extractor, block: Block) -> Tensor:
        assert block.sources is not None
        sources = extractor(block.sources).repeat_interleave(draws.styles, 0)
        return over_styles(torch.cosine_similarity(extractor(block.pictures), sources))

    def style(extractor: Extractor, block: Block) -> Tensor:
        rows = [row for face in block.faces for row in draws.style_rows[face]]
        references = extractor(read_rows(release, rows, generation.method.resolution))
        return over_styles(torch.cosine_similarity(extractor(block.pictures), references))

    restyles, follows = generation.method.face == "image", generation.guidance == "reference"
    diversity, truth = extractors.diversity, extractors.truth
    if diversity is not None and draws.styles > 1:
        add(diversity.name, diversity.describe(), lambda block: diversity.of_faces(block.pictures, draws.styles))
    for one in extractors.identity if restyles else ():
        add(f"identity similarity ({one.name})", one.describe(), partial(identity, one))
    for one in extractors.style if follows else ():
        add(f"style similarity ({one.name})", one.describe(), partial(style, one))
    if truth is not None and restyles:
        kept = truth.identity_kept
        add("true identity kept", truth.describe(), lambda b: over_styles(kept(b.pictures, release, draws, b.faces)))
    if truth is not None and follows:
        followed = truth.style_followed
        add(
            "true style followed",
            truth.describe(),
            lambda b: over_styles(followed(b.pictures, release, draws, b.faces)),
        )
    return out


def scratch_folder(cache: Path) -> tempfile.TemporaryDirectory[str]:
    """A folder on the cache's disk for one cell's feature files."""
    cache.mkdir(parents=True, exist_ok=True)
    return tempfile.TemporaryDirectory(dir=cache, prefix="cell-")
