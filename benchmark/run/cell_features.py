"""One pass over a cell's pictures through every extractor: vectors stay, pictures do not."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from torch import Tensor

from benchmark.metrics.answers import Sketches, Suspicion, Thumbnails, suspect
from benchmark.metrics.art_fid import ArtFid, Stylised
from benchmark.metrics.extractors.features import Extractor, FeatureCache
from benchmark.metrics.extractors.lite0 import Lite0Diversity
from benchmark.metrics.extractors.reader import Reader
from benchmark.metrics.gaussian import Gaussian, Moments, fit
from benchmark.metrics.lpips import Diversity
from benchmark.metrics.measured import FeatureSets
from benchmark.metrics.panel import Instrument
from benchmark.metrics.retrieval import CANDIDATES, RowVectors, share_right
from benchmark.run.generate import Block, Generation, blocks, in_order, read_rows
from benchmark.tasks.protocol import EvalPairs, content_digest, pool, seed_of
from models.data.release import Release
from suite.errors import SuiteError

if TYPE_CHECKING:
    from benchmark.run.control_pictures import ControlGeneration

READ = 64
# Answers whose vectors are kept for the next cell, of 74 KB each; those of larger draws are read again.
KEPT_ANSWERS = 1000
# Real pictures that kernel distances look at, at most: as many as a reference pack can carry.
KERNEL_ROWS = 2000


@dataclass(frozen=True)
class Extractors:
    """Everything that measures.

    Attributes:
        fd: extractors of the Fréchet and kernel distances; the first one also serves the neighbour metrics.
        diversity: the perceptual distance of the diversity protocol.
        panel: instruments that compare pictures with their faces or references.
        art_fid: ArtFID, of pictures that answer both.
        reader: embeds styles and people of painted portraits, for retrieval.
        world: the painter's world that the release is of, which the reader must have been judged on.
        answers: digest of a draw -> the painter's answers to it.
        neighbours: k of precision, recall, density and coverage.
        embedded: vectors of the release's rows, by (what, size), shared by all cells.
        answered: vectors of the painter's answers, by (draw, size, faces), shared by all cells of a small draw.
    """

    fd: tuple[Extractor, ...]
    diversity: Diversity | None = None
    panel: tuple[Instrument, ...] = ()
    art_fid: ArtFid | None = None
    reader: Reader | None = None
    world: str = ""
    answers: dict[str, Release] = field(default_factory=dict)
    neighbours: int = 5
    embedded: dict[tuple[str, int], RowVectors] = field(default_factory=dict)
    answered: dict[tuple[str, int, range], list[Tensor]] = field(default_factory=dict)

    def rows(self, what: Literal["style", "identity"], release: Release, size: int) -> RowVectors:
        """The reader's embeddings of the release's pictures at a size."""
        assert self.reader is not None
        return self.vectors(what, getattr(self.reader, what), release, size)

    def vectors(self, what: str, embed: Callable[[Tensor], Tensor], release: Release, size: int) -> RowVectors:
        """What `embed`, known as `what`, gives of the release's pictures at a size."""
        return self.embedded.setdefault((what, size), RowVectors(lambda rows: read_rows(release, rows, size), embed))


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
        taken = set(rows)
        held = pool(release, "test", "art")
        spare = tuple(row for row in everything if row not in taken)
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


@dataclass(frozen=True)
class FaceMetric:
    """A number that is averaged over faces.

    Attributes:
        depends: what it depends on besides the pictures, for the protocol.
        of: a block's pictures -> (faces,) float64, or (faces, styles) where each picture has a value of its own.
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
        per_face: metric -> (what it depends on, one value a face (F,) or a picture (F, K)).
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
        found = real.beside(extractor, store, faces, moment, copies=place == 0)
        sets.append((extractor, replace(found, k=extractors.neighbours, references=references)))
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


def face_metrics(generation: Generation | ControlGeneration, extractors: Extractors) -> list[FaceMetric]:
    """What is averaged over faces for this method and guidance; records keep the order."""
    draws, size = generation.draws, generation.method.resolution
    restyles, follows = generation.method.face == "image", generation.guidance == "reference"
    out: list[FaceMetric] = []

    def over_styles(values: Tensor) -> Tensor:
        return values.double().view(-1, draws.styles)

    def with_face(one: Instrument, block: Block) -> Tensor:
        assert block.sources is not None
        wanted = one.vectors(block.sources).repeat_interleave(draws.styles, 0)
        return over_styles(one.compare(one.vectors(block.pictures), wanted))

    def with_reference(one: Instrument, block: Block) -> Tensor:
        known = extractors.vectors(one.metric, one.vectors, generation.release, size)
        rows = [row for face in block.faces for row in draws.style_rows[face]]
        return over_styles(one.compare(one.vectors(block.pictures), known(rows)))

    diversity = extractors.diversity
    if diversity is not None and draws.styles > 1:
        parts = diversity.of_pictures
        out.append(FaceMetric(diversity.name, dict(diversity.describe()), lambda b: parts(b.pictures, draws.styles)))
    for one in extractors.panel:
        if one.against == "face" and restyles:
            out.append(FaceMetric(one.metric, one.depends, partial(with_face, one)))
        if one.against == "reference" and follows:
            out.append(FaceMetric(one.metric, one.depends, partial(with_reference, one)))
    if extractors.reader is not None and not unjudged(extractors, size):
        out += _retrieval(generation, extractors, restyles, follows)
    answers = extractors.answers.get(draws.digest)
    if isinstance(diversity, Lite0Diversity) and answers is not None and restyles and follows:
        out.append(_answer_distance(diversity, answers, draws, size, extractors.answered))
    return out


def unjudged(extractors: Extractors, size: int) -> str:
    """Why the reader must not read pictures of this size and world; "" where it may, or where there is no reader."""
    if extractors.reader is None:
        return ""
    try:
        extractors.reader.check(size, extractors.world)
    except SuiteError as error:
        return str(error)
    return ""


def _retrieval(
    generation: Generation | ControlGeneration, extractors: Extractors, restyles: bool, follows: bool
) -> list[FaceMetric]:
    """Whether the nearest of ten photographs is the face's, and the nearest of its references the picture's own."""
    draws, release, size = generation.draws, generation.release, generation.method.resolution
    reader = extractors.reader
    assert reader is not None
    depends = dict(reader.describe()) | {"candidates": CANDIDATES, "chance": 1 / CANDIDATES}

    def right(rows: Sequence[int], vectors: Tensor, what: Literal["style", "identity"], own: Sequence[int]) -> Tensor:
        keys = extractors.rows(what, release, size)(rows)
        names = [known_factor(release, row, what) for row in rows]
        return share_right(vectors, keys, names, [known_factor(release, row, what) for row in own])

    def identity(block: Block) -> Tensor:
        values, vectors = [], reader.identity(block.pictures).split(draws.styles)
        for face, part in zip(block.faces, vectors, strict=True):
            rows = [draws.face_rows[rival] for rival in rivals(draws, face)]
            values.append(right(rows, part, "identity", rows[:1] * draws.styles))
        return torch.stack(values)

    def style(block: Block) -> Tensor:
        values, vectors = [], reader.style(block.pictures).split(draws.styles)
        for face, part in zip(block.faces, vectors, strict=True):
            rows = draws.style_rows[face]
            values.append(right(rows, part, "style", rows))
        return torch.stack(values)

    out = [FaceMetric("identity retrieval", depends, identity)] if restyles else []
    return out + ([FaceMetric("style retrieval", depends, style)] if follows else [])


def _answer_distance(
    diversity: Lite0Diversity,
    answers: Release,
    draws: EvalPairs,
    size: int,
    answered: dict[tuple[str, int, range], list[Tensor]],
) -> FaceMetric:
    """How far pictures lie from what the painter himself answers, in the diversity's distance."""

    def distance(block: Block) -> Tensor:
        key = (draws.digest, size, block.faces)
        wanted = answered.get(key)
        if wanted is None:
            places = range(block.faces.start * draws.styles, block.faces.stop * draws.styles)
            wanted = diversity.vectors(read_rows(answers, list(places), size))
            if draws.faces * draws.styles <= KEPT_ANSWERS:
                answered[key] = wanted
        # The trunk remembers one set of pictures: the block's come last, for they are measured again.
        return diversity.between(block.pictures, wanted).view(-1, draws.styles)

    return FaceMetric("distance to the painted answer", dict(diversity.describe()), distance)


def rivals(draws: EvalPairs, face: int) -> list[int]:
    """The face and nine others of the draw, the face first; fewer where the draw has fewer."""
    others = sorted((f for f in range(draws.faces) if f != face), key=lambda f: seed_of(draws.seed, "rival", face, f))
    return [face, *others[: CANDIDATES - 1]]


def known_factor(release: Release, row: int, what: str) -> int:
    """Who is painted in a row, or in which style."""
    found = release.factors(row)
    assert found is not None, "a world is known, so all pictures have factors"
    return int(found[what])


def scratch_folder(cache: Path) -> tempfile.TemporaryDirectory[str]:
    """A folder on the cache's disk for one cell's feature files."""
    cache.mkdir(parents=True, exist_ok=True)
    return tempfile.TemporaryDirectory(dir=cache, prefix="cell-")
