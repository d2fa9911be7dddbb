"""The real side of every cell: which pictures, and their features, read once and kept on disk."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmark.metrics.answers import Sketches, Thumbnails
from benchmark.metrics.extractors.features import Extractor, FeatureCache
from benchmark.metrics.gaussian import Gaussian, Moments, fit
from benchmark.metrics.measured import FeatureSets
from benchmark.run.generate import blocks, in_order, read_rows
from benchmark.tasks.protocol import content_digest, pool, seed_of
from models.data.release import Release

READ = 64

# Real pictures that kernel distances look at, at most: as many as a reference pack can carry.
KERNEL_ROWS = 2000


@dataclass
class RealSet:
    """The real side of every cell: read once, its features kept on disk.

    Attributes:
        rows: which pictures of the release the generated ones are compared with.
        train_rows, held_rows: the training and the held-out artistic faces, for the memorisation check.
        spare: artistic faces that are not among `rows`.
    """

    release: Release
    rows: list[int]
    train_rows: list[int]
    held_rows: list[int]
    cache: FeatureCache
    spare: tuple[int, ...] = ()
    _gaussians: dict[str, Gaussian] = field(default_factory=dict)
    _kept: dict[str, dict[str, Any]] = field(default_factory=dict)

    @classmethod
    def of(cls, release: Release, split: str, cache: FeatureCache, most: int = 0) -> RealSet:
        """The artistic faces of `split` (`all` for every split), at most `most` of them (0: all), chosen by their ids."""
        rows, everything = pool(release, split, "art"), pool(release, "all", "art")
        ids = release.manifest["id"].tolist()
        if most and len(rows) > most:
            rows = sorted(sorted(rows, key=lambda row: (seed_of("real set", ids[row]), ids[row]))[:most])
        compared = set(rows)
        held = pool(release, "test", "art")
        spare = tuple(row for row in everything if row not in compared)
        return cls(release, rows, pool(release, "train", "art"), held, cache, spare)

    @property
    def digest(self) -> str:
        """Of the pixels of the real pictures, for the protocol."""
        return content_digest(self.release, self.rows)

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
        if copies and (split := self.split(extractor)) is not None:
            fits |= {"train": split[0], "held": split[1]}
        kept = self._kept.setdefault(extractor.name, {})
        if "sample" not in kept:
            kept["sample"] = self.sample(extractor)
        return FeatureSets(
            extractor=extractor.name,
            distance=extractor.fd_name,
            kernel_distance=extractor.kernel_name,
            depends=dict(extractor.describe()),
            real=self.neighbours(extractor),
            fake=fake,
            faces=faces,
            sample=kept["sample"],
            kept=kept,
            **fits,
        )

    def gaussian(self, extractor: Extractor) -> Gaussian:
        """The Gaussian of the real features, with its factor kept: all cells share it."""
        if extractor.name not in self._gaussians:
            self._gaussians[extractor.name] = fit(self.features(extractor))
        return self._gaussians[extractor.name]

    def neighbours(self, extractor: Extractor) -> np.ndarray | None:
        """All real features, for the metrics that look at each picture's neighbours."""
        return self.features(extractor)

    def sample(self, extractor: Extractor) -> np.ndarray | None:
        """The features that kernel distances look at, `KERNEL_ROWS` of them chosen by their ids; None: all."""
        if len(self.rows) <= KERNEL_ROWS:
            return None
        ids = self.release.manifest["id"].tolist()
        order = sorted(range(len(self.rows)), key=lambda place: seed_of("kernel sample", ids[self.rows[place]]))
        return np.asarray(self.features(extractor)[np.sort(order[:KERNEL_ROWS])])

    def thumbnails(self, rows: list[int]) -> Tensor:
        """(N, 768) thumbnails of rows of the release."""
        return torch.from_numpy(np.array(self.features(Thumbnails(), rows)))

    def works(self, besides: Tensor | None = None) -> Tensor | Sketches:
        """Thumbnails of all works of art of the release, and of what comes besides."""
        works = self.thumbnails(pool(self.release, "all", "art"))
        return works if besides is None else torch.cat([works, besides])

    def split(self, extractor: Extractor) -> tuple[np.ndarray, np.ndarray] | None:
        """Features of the training and of the held-out artistic faces; None where either are none."""
        if not self.train_rows or not self.held_rows:
            return None
        return self.features(extractor, self.train_rows), self.features(extractor, self.held_rows)
