"""One record from one way to get pictures: a method that runs here, or folders of pictures made elsewhere."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from benchmark.leaderboard.inputs import draw_for
from benchmark.leaderboard.picture_folder import PictureFolder
from benchmark.leaderboard.seed import Seed
from benchmark.metrics.extractors.features import FeatureCache
from benchmark.metrics.measured import Measured
from benchmark.run.cell import Bench, open_extractors
from benchmark.run.cell_features import RealSet, scratch_folder
from benchmark.run.cell_records import MEASURE_VERSION, hardware
from benchmark.run.controls import controls
from benchmark.run.generate import Generation
from benchmark.run.measure import combine, measure
from benchmark.run.record import CellInfo, MethodInfo, ProtocolInfo, Provenance, Record, Trust
from benchmark.run.reproduction import Work
from benchmark.tasks.paper import Cell, Guidance
from models.training import parallel
from ops.dispatch import record as ran
from suite.files import digest
from suite.progress import progress
from suite.provenance import commit, versions


@dataclass(frozen=True)
class Answer:
    """What is scored.

    Attributes:
        generations: one a sampling seed, in the order of the bench's draws.
        weights: file name -> SHA-256 of what the method loaded.
    """

    generations: Sequence[Generation]
    weights: dict[str, str]
    trust: Trust


def open_bench(work: Work, seeds: Sequence[Seed]) -> Bench:
    """The bench of a profile, drawn from the given seeds; what it writes names only their public form."""
    settings = work.settings.model_copy(update={"sampling_seeds": tuple(seed.public for seed in seeds)})
    shown = Work(**{**vars(work), "settings": settings})
    release = work.open()
    draws = [draw_for(settings, release, seed) for seed in seeds]
    extractors = open_extractors(shown, release)
    real = RealSet.of(release, settings.real_split, FeatureCache(work.folder / "cache"))
    return Bench(shown, release, extractors, real, draws, controls(extractors, real, draws[0]))


def score(bench: Bench, answer: Answer, guidance: Guidance, method: MethodInfo) -> Record:
    """Measure every generation and write down everything that the numbers depend on.

    Raises:
        SuiteError: the pictures are no measurement, with the reason.
    """
    begun = time.perf_counter()
    settings = bench.work.settings
    by_seed: list[list[Measured]] = []
    for generation in answer.generations:
        with ExitStack() as stack:
            scratch = stack.enter_context(scratch_folder(bench.work.folder / "cache"))
            bar = stack.enter_context(progress(None, method.name, total=generation.draws.faces, unit="face"))
            found = bench.extract(generation, Path(scratch), bar.update)
            by_seed.append(measure(found))
    base = bench.base(Cell(0, guidance, method.name, None))
    values, protocols = combine(by_seed, base)
    folders = [g.digest for g in answer.generations if isinstance(g, PictureFolder)]
    pictures = digest(folders) if folders else None
    depends = {"version": MEASURE_VERSION, "weights": answer.weights, "pictures": pictures, "method": method.name}
    return Record(
        method=method,
        cell=CellInfo(table=0, guidance=guidance),
        values=values,
        controls=bench.controls,
        protocols={key: ProtocolInfo(metric=p.metric, parameters=p.parameters) for key, p in protocols.items()},
        provenance=Provenance(
            manifest=bench.release.digest,
            release=str(bench.release.card.get("name", "")),
            weights=answer.weights,
            sampling_seeds=list(settings.sampling_seeds),
            draws=[draws.digest for draws in bench.draws],
            commit=commit(),
            ops=ran(),
            versions=versions(),
            hardware=hardware(bench.work.device),
            processes=parallel.world(),
            seconds={"total": round(time.perf_counter() - begun, 2)},
            profile=bench.work.profile,
            inputs=digest({**depends, "protocols": sorted(protocols)}),
            pictures=pictures,
        ),
        trust=answer.trust,
    )
