"""One cell measured: the networks and features of a reproduction, opened once, and the way through them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark.metrics.extractors import factor_net
from benchmark.metrics.extractors.features import Extractor, FeatureCache, checked_weights, inception
from benchmark.metrics.factor_metrics import TruthReader, has_factors
from benchmark.metrics.lpips import Diversity, alex
from benchmark.metrics.measured import Measured
from benchmark.run.cell_features import CellFeatures, Extractors, RealSet, extract, scratch_folder
from benchmark.run.controls import controls
from benchmark.run.generate import Generation
from benchmark.run.measure import combine, measure
from benchmark.run.methods import load
from benchmark.run.record import Value
from benchmark.run.reproduction import Work
from benchmark.tasks.paired_release import Joined
from benchmark.tasks.paper import Cell
from benchmark.tasks.protocol import Draws, Protocol, content_digest, draw
from models.data.release import Release
from models.training import parallel
from ops.dispatch import record as ran
from suite.progress import progress


@dataclass
class Bench:
    """What all cells of a reproduction share."""

    work: Work
    release: Release
    extractors: Extractors
    real: RealSet
    draws: list[Draws]
    controls: dict[str, float]

    @classmethod
    def open(cls, work: Work) -> Bench:
        """Open the release, the extractors and the real side."""
        settings = work.settings
        release = work.open()
        extractors = open_extractors(work, release)
        real = RealSet.of(release, settings.real_split, FeatureCache(work.folder / "cache"))
        draws = [
            draw(release, settings.faces, settings.styles, seed, settings.face_split, settings.style_split)
            for seed in settings.sampling_seeds
        ]
        return cls(work, release, extractors, real, draws, controls(extractors, real, draws[0]))

    def extract(self, generation: Generation, scratch: Path, step: Callable[[int], Any]) -> CellFeatures:
        """The features of one generation, the real ones beside."""
        return extract(generation, self.extractors, self.real, scratch, self.work.settings.faces_a_block, step)

    def base(self, cell: Cell) -> dict[str, Any]:
        """What every number of the cell depends on besides extractor and method."""
        settings = self.work.settings
        return {
            "guidance": cell.guidance,
            "manifest": self.release.digest,
            "real_split": settings.real_split,
            "real_set": content_digest(self.release, self.real.rows),
            "faces": settings.faces,
            "styles": settings.styles,
            "face_split": settings.face_split,
            "style_split": settings.style_split,
            "sampling_seeds": list(settings.sampling_seeds),
            "draws": [d.digest for d in self.draws],
        }


def open_extractors(work: Work, release: Release) -> Extractors:
    """The extractors that a profile asks for, weights from local folders first."""
    if work.settings.others:
        from benchmark.metrics.extractors.transformer_features import open_other

        others = tuple(
            open_other(name, work.weights_folder, work.offline, work.device) for name in work.settings.others
        )
    else:
        others = ()
    if work.settings.features == "factor":
        trained = factor_net.load()
        known = has_factors(release)
        return Extractors(
            fd=(factor_net.FactorFeatures("all", trained), *others),
            diversity=factor_net.diversity(trained),
            identity=(factor_net.FactorFeatures("identity", trained),),
            style=(factor_net.FactorFeatures("style", trained),),
            truth=TruthReader(trained) if known else None,
        )
    fd: list[Extractor] = [
        inception(mode, work.weights_folder, work.offline, work.device) for mode in work.settings.fid_modes
    ]
    identity: tuple[Extractor, ...] = ()
    if work.settings.dlib:
        from benchmark.metrics.extractors.dlib_identity import DlibIdentity

        identity = (DlibIdentity(),)
    return Extractors(fd=(*fd, *others), diversity=open_lpips(work), identity=identity)


def open_lpips(work: Work) -> Diversity:
    """LPIPS with the published AlexNet trunk."""
    import torch

    file, sha256 = checked_weights("alexnet", work.weights_folder, work.offline)
    trunk = torch.load(file, map_location="cpu", weights_only=True)
    return alex(trunk, sha256, verified=True, size=work.settings.lpips_size, device=work.device)


@dataclass(frozen=True)
class CellResult:
    """What a cell's record is made of."""

    values: list[Value]
    controls: dict[str, float]
    protocols: dict[str, Protocol]
    draws: list[str]
    release: str
    ops: dict[str, str]
    processes: int
    notes: list[str]


def measure_cell(bench: Bench, cell: Cell, weights: Path) -> CellResult:
    """Generate and measure one cell under every sampling seed.

    Raises:
        SuiteError: the method's answer is no measurement, with the reason.
    """
    work = bench.work
    options = {} if cell.indicator is None else {"indicator": cell.indicator}
    method = load(cell.method, weights, work.device, **options)
    by_seed: list[list[Measured]] = []
    for draws in bench.draws:
        generation = Generation(method, cell.guidance, draws, bench.release, work.settings.batch, work.device)
        with (
            scratch_folder(work.folder / "cache") as scratch,
            progress(None, cell.key, total=draws.faces, unit="face") as bar,
        ):
            found = bench.extract(generation, Path(scratch), bar.update)
            by_seed.append(measure(found))
    values, protocols = combine(by_seed, bench.base(cell))
    notes = []
    if isinstance(bench.release, Joined) and not bench.release.splits:
        notes.append("the photographs come without splits: training may have seen the faces that were restyled")
    if cell.indicator is not None and (layers := getattr(method, "i", cell.indicator)) != cell.indicator:
        notes.append(f"indicator {cell.indicator} of 18 layers is {layers} in this generator")
    return CellResult(
        values=values,
        controls=bench.controls,
        protocols=protocols,
        draws=[d.digest for d in bench.draws],
        release=str(bench.release.card.get("name", "")),
        ops=ran(),
        processes=parallel.world(),
        notes=notes,
    )
