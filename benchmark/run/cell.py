"""One cell measured: the networks and features of a reproduction, opened once, and the way through them."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark.metrics.art_fid import ArtFid
from benchmark.metrics.extractors import open_extractor
from benchmark.metrics.extractors.features import Extractor, FeatureCache, checked_weights, inception
from benchmark.metrics.extractors.lite0 import Lite0, Trunk, diversity
from benchmark.metrics.extractors.reader import load_reader
from benchmark.metrics.lpips import Diversity, alex
from benchmark.metrics.measured import Measured
from benchmark.metrics.panel import Instrument, open_row
from benchmark.run.cell_features import extract, scratch_folder
from benchmark.run.control_pictures import ControlGeneration, paint_answers
from benchmark.run.controls import controls
from benchmark.run.face_metrics import unjudged
from benchmark.run.generate import Generation
from benchmark.run.instruments import Extractors
from benchmark.run.measure import combine, measure
from benchmark.run.methods import load
from benchmark.run.real_set import RealSet
from benchmark.run.record import (
    MEASURE_VERSION,
    CellInfo,
    MethodInfo,
    PictureCost,
    ProtocolInfo,
    Provenance,
    Record,
    Trust,
)
from benchmark.run.reproduction import Reproduction
from benchmark.tasks.paper import Cell
from benchmark.tasks.protocol import EvalPairs, sample_pairs
from models.data.release import Release
from models.training import parallel
from ops.dispatch import record as ran
from suite.files import digest
from suite.progress import progress
from suite.provenance import commit, versions


@dataclass
class Bench:
    """What all cells of a reproduction share."""

    work: Reproduction
    release: Release
    extractors: Extractors
    real: RealSet
    draws: list[EvalPairs]
    controls: dict[str, float]

    @classmethod
    def open(cls, work: Reproduction, seeds: Sequence[str] = ()) -> Bench:
        """Open the release, the extractors and the real side, and draw faces and styles from the seeds.

        Args:
            seeds: in place of the profile's sampling seeds, by which records still name the draws.
        """
        settings = work.settings
        release = work.open()
        extractors = open_extractors(work, release)
        real = RealSet.of(release, settings.real_split, FeatureCache(work.folder / "cache"), settings.real_pictures)
        draws = [
            sample_pairs(release, settings.faces, settings.styles, seed, settings.face_split, settings.style_split)
            for seed in seeds or settings.sampling_seeds
        ]
        paint(extractors, release, draws, work)
        return cls(work, release, extractors, real, draws, controls(extractors, real, draws[0]))

    def measure(self, generation: Generation | ControlGeneration, title: str) -> list[Measured]:
        """The numbers of one generation; its features lie on the cache's disk meanwhile."""
        cache = self.work.folder / "cache"
        with scratch_folder(cache) as scratch, progress(None, title, total=generation.draws.faces, unit="face") as bar:
            block = self.work.settings.faces_a_block
            return measure(extract(generation, self.extractors, self.real, Path(scratch), block, bar.update))

    def record(
        self,
        cell: Cell,
        generations: Sequence[Generation | ControlGeneration],
        method: MethodInfo,
        weights: dict[str, str],
        trust: Trust,
        pictures: Callable[[], str | None] = lambda: None,
        inputs: str = "",
        measured: Sequence[Sequence[Measured]] = (),
    ) -> Record:
        """Measure one generation a sampling seed and write down everything that the numbers depend on.

        Args:
            weights: file name -> SHA-256 of what the method loaded.
            pictures: digest of pictures that were made elsewhere, asked for when all have been read.
            measured: the numbers of the generations, where they are known already.
            inputs: digest over what the measurement depends on; by default over weights, pictures and protocols.

        Raises:
            SuiteError: the pictures are no measurement, with the reason.
        """
        begun = time.perf_counter()
        title = cell.key if cell.table else method.name
        by_seed = measured or [self.measure(one, title) for one in generations]
        values, protocols = combine(by_seed, self.base(cell), self.draws)
        if doubt := self.release.doubt:
            values = [value.model_copy(update={"rankable": False, "why": doubt[:400]}) for value in values]
        made = pictures()
        depends = {"version": MEASURE_VERSION, "weights": weights, "pictures": made, "method": method.name}
        return Record(
            method=method,
            cell=CellInfo(table=cell.table, guidance=cell.guidance, indicator=cell.indicator),
            values=values,
            controls=self.controls,
            protocols={key: ProtocolInfo(metric=p.metric, parameters=p.parameters) for key, p in protocols.items()},
            provenance=Provenance(
                manifest=self.release.digest,
                release=str(self.release.card.get("name", "")),
                weights=weights,
                sampling_seeds=list(self.work.settings.sampling_seeds),
                draws=[draws.digest for draws in self.draws],
                commit=commit(),
                ops=ran(),
                versions=versions(),
                hardware=hardware(self.work.device),
                processes=parallel.world(),
                seconds={"total": round(time.perf_counter() - begun, 2)},
                profile=self.work.profile,
                inputs=inputs or digest({**depends, "protocols": sorted(protocols)}),
                pictures=made,
                size=generations[0].method.resolution,
                picture=picture_cost(generations),
            ),
            trust=trust,
        )

    def base(self, cell: Cell) -> dict[str, Any]:
        """What every number of the cell depends on besides extractor and method."""
        settings = self.work.settings
        return {
            "guidance": cell.guidance,
            "manifest": self.release.digest,
            "real_split": settings.real_split,
            "real_set": self.real.digest,
            "faces": settings.faces,
            "styles": settings.styles,
            "face_split": settings.face_split,
            "style_split": settings.style_split,
            "sampling_seeds": list(settings.sampling_seeds),
            "draws": [d.digest for d in self.draws],
            # Absent for releases, whose manifest says it.
            **({"photographs": said} if (said := self.release.photographs) else {}),
        }


def paint(extractors: Extractors, release: Release, draws: Sequence[EvalPairs], work: Reproduction) -> None:
    """Give the extractors the painter's answers to every draw, where the release is of one painted world."""
    if work.settings.answers and extractors.world:
        for one in draws:
            extractors.answers[one.digest] = paint_answers(release, one, extractors.world, work.folder / "answers")


def open_extractors(work: Reproduction, release: Release) -> Extractors:
    """The extractors that a profile asks for, weights from local folders first."""
    others = [open_extractor(name, work.weights_folder, work.offline, work.device) for name in work.settings.others]
    opened = [open_row(name, work.weights_folder, work.offline, work.device) for name in work.settings.panel]
    panel = tuple(one for one in opened if isinstance(one, Instrument))
    art_fid = next((one for one in opened if isinstance(one, ArtFid)), None)
    if work.settings.features == "lite0":
        trunk = Trunk(device=work.device)
        world = release.world
        return Extractors(
            fd=(Lite0(trunk), *others),
            diversity=diversity(trunk),
            reader=load_reader(trunk) if world else None,
            world=world,
            panel=panel,
            art_fid=art_fid,
        )
    fd: list[Extractor] = [
        inception(mode, work.weights_folder, work.offline, work.device) for mode in work.settings.fid_modes
    ]
    return Extractors(fd=(*fd, *others), diversity=open_lpips(work), panel=panel, art_fid=art_fid)


def open_lpips(work: Reproduction) -> Diversity:
    """LPIPS with the published AlexNet trunk."""
    import torch

    file, sha256 = checked_weights("alexnet", work.weights_folder, work.offline)
    trunk = torch.load(file, map_location="cpu", weights_only=True)
    return alex(trunk, sha256, verified=True, size=work.settings.lpips_size, device=work.device)


def measure_cell(bench: Bench, cell: Cell, weights: Path | None, digests: dict[str, str], inputs: str) -> Record:
    """Generate and measure one cell of the tables under every sampling seed.

    Raises:
        SuiteError: the method's answer is no measurement, with the reason.
    """
    work = bench.work
    method = load(cell.method, weights, work.device, **work.options(cell.method, cell.indicator))
    generations = [
        Generation(method, cell.guidance, draws, bench.release, work.settings.batch, work.device)
        for draws in bench.draws
    ]
    info = MethodInfo(name=cell.method, train_data=f"manifest {bench.release.digest[:12]}, split train")
    record = bench.record(cell, generations, info, digests, "re-run from weights", inputs=inputs)
    notes = [] if weights is not None else ["no weights"]
    notes += [why] if (why := unjudged(bench.extractors, method.resolution)) else []
    if cell.indicator is not None and (layers := getattr(method, "i", cell.indicator)) != cell.indicator:
        notes.append(f"indicator {cell.indicator} of 18 layers is {layers} in this generator")
    return record.model_copy(update={"notes": notes})


def picture_cost(generations: Sequence[Generation | ControlGeneration]) -> PictureCost | None:
    """What a picture cost the method; None where nothing was generated here."""
    import torch

    timed = [one for one in generations if isinstance(one, Generation) and one.watch.pictures]
    if not timed:
        return None
    seconds, pictures = sum(one.watch.seconds for one in timed), sum(one.watch.pictures for one in timed)
    return PictureCost(
        seconds=round(seconds / pictures, 6), bytes=timed[0].one_picture_bytes(), threads=torch.get_num_threads()
    )


def hardware(device: str) -> str:
    """The device in words."""
    import torch

    if device.startswith("cuda"):
        return f"{torch.cuda.device_count()} x {torch.cuda.get_device_name(0)}"
    return f"{platform.machine()} processor, {torch.get_num_threads()} threads"
