"""The numbers of one cell: streams its pictures once through every extractor, then the pure metrics."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmark import intervals, neighbours
from benchmark.features import Extractor, FeatureCache
from benchmark.frechet import Gaussian, Moments, fit, frechet_distance, frechet_infinity, frechet_influence, too_few
from benchmark.generate import Block, Generation, blocks, in_order, read_rows
from benchmark.intervals import Interval
from benchmark.kernels import SCALE, SIGMA, gaussian_influence, kernel_influence
from benchmark.lpips_diversity import Diversity
from benchmark.protocol import Draws, Protocol, content_digest, pool
from benchmark.record import Value, limits
from benchmark.truth import TruthReader
from models.release import Release

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


@dataclass(frozen=True)
class Measured:
    """One number before it becomes a record's value."""

    metric: str
    value: float
    interval: Interval | None
    n_real: int
    n_fake: int
    why: str = ""
    rankable: bool = True
    depends: dict[str, Any] = field(default_factory=dict)


def measure(seen: Seen, lens: Lens, real: RealSet) -> list[Measured]:
    """Every number of one cell and one sampling seed."""
    out: list[Measured] = []
    count = len(seen.faces)
    for place, extractor in enumerate(lens.fd):
        out += _distances(seen, extractor, real)
        if place == 0:
            out += _neighbours(seen, extractor, real, lens.neighbours)
    for name, values in seen.per_face.items():
        depends = _depends(name, lens)
        out.append(Measured(name, float(values.mean()), intervals.bootstrap(values), 0, count, depends=depends))
    return out


def _depends(name: str, lens: Lens) -> dict[str, Any]:
    if lens.diversity is not None and name == lens.diversity.name:
        return dict(lens.diversity.describe())
    for extractor in (*lens.identity, *lens.style):
        if name.endswith(f"({extractor.name})"):
            return dict(extractor.describe())
    return dict(lens.truth.describe()) if lens.truth is not None else {}


def _distances(seen: Seen, extractor: Extractor, real: RealSet) -> list[Measured]:
    if extractor.kernel == "gaussian":
        return [_kernel_distance(seen, extractor, real)]
    features, moments = seen.features[extractor.name], seen.moments[extractor.name]
    truth, made = real.gaussian(extractor), moments.gaussian()
    depends = dict(extractor.describe())
    short = too_few(truth.count, made.count, extractor.dim)
    distance = frechet_distance(truth, made)
    interval = None
    if short is None:
        influence = frechet_influence(truth, made, features)
        interval = intervals.from_influence(distance, influence.numpy(), seen.faces)
    sizes = (truth.count, made.count)
    out = [Measured(extractor.fd_name, distance, interval, *sizes, short or "", short is None, depends)]
    if made.count >= 4 * extractor.dim:
        endless = frechet_infinity(truth, features)
        why = "an extrapolation: one sampling seed gives it no interval"
        out.append(Measured(f"{extractor.fd_name}-infinity", endless, None, *sizes, why, False, depends))
    return [*out, _kernel_distance(seen, extractor, real)]


def _kernel_distance(seen: Seen, extractor: Extractor, real: RealSet) -> Measured:
    known, features = real.features(extractor), seen.features[extractor.name]
    gaussian = extractor.kernel == "gaussian"
    distance, pull = (gaussian_influence if gaussian else kernel_influence)(known, features)
    interval = intervals.from_influence(distance, pull, seen.faces)
    depends = dict(extractor.describe()) | ({"sigma": SIGMA, "scale": SCALE} if gaussian else {})
    return Measured(extractor.kernel_name, distance, interval, len(known), len(features), depends=depends)


def _neighbours(seen: Seen, extractor: Extractor, real: RealSet, k: int) -> list[Measured]:
    features, known = seen.features[extractor.name], real.features(extractor)
    counted = neighbours.count(known, features, min(k, len(known) - 1, len(features) - 1), seen.faces)
    depends = {**extractor.describe(), "k": k}
    why = "one sampling seed gives it no interval"
    found = vars(counted.fidelity())
    out = []
    for name, without in counted.without_each_face().items():
        interval = intervals.jackknife(found[name], without)
        named = f"{name} ({extractor.name})"
        out.append(Measured(named, found[name], interval, len(known), len(features), depends=depends))
    if real.train_rows and real.held_rows:
        train, held = real.features(extractor, real.train_rows), real.features(extractor, real.held_rows)
        copied = neighbours.memorisation(features, train, held)
        for name, value in (("nearest-neighbour ratio", copied.ratio), ("copies", copied.copies)):
            named = f"{name} ({extractor.name})"
            out.append(Measured(named, value, None, len(train), len(features), why, False, dict(extractor.describe())))
    return out


def combine(by_seed: Sequence[Sequence[Measured]], base: dict[str, Any]) -> tuple[list[Value], dict[str, Protocol]]:
    """One value a metric from one measurement a sampling seed, and the protocols that name them.

    Args:
        by_seed: the measurements, one list a seed, with the same metrics.
        base: what every number depends on: real set, draws, seeds.
    """
    values, protocols = [], {}
    for first in by_seed[0]:
        same = [m for seed in by_seed for m in seed if m.metric == first.metric]
        numbers = [m.value for m in same]
        mean = float(np.mean(numbers))
        interval, why, rankable = _interval(same, numbers)
        least, most, _ = limits(first.metric)
        parameters = {**base, **first.depends, "n_real": first.n_real, "n_fake": first.n_fake}
        protocol = Protocol(first.metric, parameters)
        protocols[protocol.id] = protocol
        values.append(
            Value(
                metric=first.metric,
                protocol=protocol.id,
                value=mean,
                low=None if interval is None else min(max(interval.low, least), mean),
                high=None if interval is None else max(min(interval.high, most), mean),
                interval=None if interval is None else interval.how,
                per_seed=numbers,
                n_real=first.n_real,
                n_fake=first.n_fake,
                rankable=rankable,
                why=why,
            )
        )
    return values, protocols


def _interval(same: Sequence[Measured], numbers: list[float]) -> tuple[Interval | None, str, bool]:
    first = same[0]
    if len(numbers) >= 3:
        found = intervals.over_seeds(numbers)
        short = first.why.startswith("N too small")
        return found, first.why if short else "", not short
    known = [m.interval for m in same if m.interval is not None]
    if len(known) < len(same):
        return None, first.why, first.rankable
    low, high = min(i.low for i in known), max(i.high for i in known)
    return Interval(low, high, known[0].how), first.why, first.rankable


def truth_controls(reader: TruthReader, real: RealSet, draws: Draws, faces: int = 20) -> dict[str, float]:
    """What the reader says of the faces and references themselves: the most that a method can be expected to reach."""
    run = range(min(faces, draws.faces))
    sources = read_rows(real.release, [draws.face_rows[f] for f in run]).repeat_interleave(draws.styles, 0)
    references = read_rows(real.release, [row for f in run for row in draws.style_rows[f]])
    kept = reader.identity_kept(sources, real.release, draws, run)
    followed = reader.style_followed(references, real.release, draws, run)
    return {
        "true identity kept of the faces themselves": float(kept.mean()),
        "true style followed of the references themselves": float(followed.mean()),
    }


def controls(lens: Lens, real: RealSet, draws: Draws, groups: int = 20) -> dict[str, float]:
    """What to read beside the figures: diversity of real artistic faces and of noise, and the truth reader's own ceiling."""
    out = truth_controls(lens.truth, real, draws) if lens.truth is not None else {}
    return out | (_diversity_controls(lens.diversity, real, draws.styles, groups) if lens.diversity else {})


def _diversity_controls(diversity: Diversity, real: RealSet, styles: int, groups: int) -> dict[str, float]:
    name = diversity.name
    rows = real.held_rows or real.rows
    groups = min(groups, len(rows) // styles)
    out = {f"{name} of noise": diversity.noise(groups or 1, styles)}
    if groups:
        values = [
            float(diversity.of_faces(read_rows(real.release, rows[i * styles : (i + 1) * styles]), styles).mean())
            for i in range(groups)
        ]
        out[f"{name} of real pictures"] = float(np.mean(values))
    return out


def scratch_folder(cache: Path) -> tempfile.TemporaryDirectory[str]:
    """A folder on the cache's disk for one cell's feature files."""
    cache.mkdir(parents=True, exist_ok=True)
    return tempfile.TemporaryDirectory(dir=cache, prefix="cell-")
