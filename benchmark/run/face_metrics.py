"""Numbers that are averaged over faces: diversity, nearness to face or reference, retrieval, distance to the painted answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor

from benchmark.metrics.extractors.lite0 import Lite0Diversity
from benchmark.metrics.panel import Instrument
from benchmark.metrics.retrieval import CANDIDATES, share_right
from benchmark.run.generate import Block, Generation, read_rows
from benchmark.run.instruments import Extractors
from benchmark.tasks.protocol import EvalPairs, seed_of
from models.data.release import Release
from suite.errors import SuiteError

if TYPE_CHECKING:
    from benchmark.run.control_pictures import ControlGeneration

# Answers whose vectors are kept for the next cell, of 74 KB each; those of larger draws are read again.
KEPT_ANSWERS = 1000


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
    factors = release.factors(row)
    assert factors is not None, "a world is known, so all pictures have factors"
    return int(factors[what])
