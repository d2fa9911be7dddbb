"""Everything that measures a cell: the networks, and vectors that cells share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from torch import Tensor

from benchmark.metrics.art_fid import ArtFid
from benchmark.metrics.extractors.features import Extractor
from benchmark.metrics.extractors.reader import Reader
from benchmark.metrics.lpips import Diversity
from benchmark.metrics.panel import Instrument
from benchmark.metrics.retrieval import RowVectors
from benchmark.run.generate import read_rows
from models.data.release import Release


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
