"""A cell's record: kept with a digest over everything it depends on, and measured again only where that has changed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.data_files import READER
from benchmark.metrics import panel
from benchmark.metrics.extractors import row_of
from benchmark.run.record import MEASURE_VERSION, CellInfo, PublishedInfo, Record
from benchmark.run.record_file import read, write
from benchmark.run.reproduction import Reproduction
from benchmark.run.training import weight_digests
from benchmark.tasks.paper import BESIDE, Cell, every_cell, published
from suite.errors import SuiteError
from suite.files import digest, sha256_file

if TYPE_CHECKING:
    from benchmark.run.cell import Bench


class CellRecords:
    """Records of cells, kept or measured now; heavy things are made when the first cell must really be measured."""

    def __init__(self, work: Reproduction, ready: dict[str, Path | None]) -> None:
        self.work, self.ready = work, ready
        self.manifest = work.open().digest
        self._bench: Bench | None = None
        self._digests: dict[str, dict[str, str]] = {}
        self._made: dict[str, Record] = {}

    def record(self, cell: Cell, say: Callable[[str], None]) -> tuple[Record, bool]:
        """The cell's record and whether it was measured now."""
        path = self.work.records / f"{cell.key}.json"
        inputs = self._inputs(cell)
        kept = readable(path)
        if kept is not None and kept.provenance.inputs == inputs:
            return kept, False
        twin = self._twin(cell, inputs)
        if twin is None:
            say(f"measuring {cell.key}")
            twin = self._made[inputs] = self._measure(cell, inputs)
        record = twin.model_copy(
            update={"cell": CellInfo(table=cell.table, guidance=cell.guidance, indicator=cell.indicator)}
            | {"published": _published(cell)}
        )
        if _is_first():
            write(path, record, own_place=True)
        return record, True

    def _twin(self, cell: Cell, inputs: str) -> Record | None:
        """A record of the same pictures in another table; what this process made comes before what lies on disk."""
        if inputs in self._made:
            return self._made[inputs]
        for other in every_cell():
            path = self.work.records / f"{other.key}.json"
            if other != cell and other.measured_as == cell.measured_as:
                kept = readable(path)
                if kept is not None and kept.provenance.inputs == inputs:
                    return kept
        return None

    def _inputs(self, cell: Cell) -> str:
        settings = self.work.settings.model_dump(exclude={"methods", "data_note", "cost_note", "batch"})
        depends = {
            "version": MEASURE_VERSION,
            "pictures": cell.measured_as,
            "weights": self._weights(cell.method),
            "manifest": self.manifest,
            "settings": settings,
            "features": feature_files(self.work),
        }
        options = self.work.options(cell.method)
        return digest(depends | ({"options": options} if options else {}))

    def _weights(self, name: str) -> dict[str, str]:
        if name not in self._digests:
            self._digests[name] = weight_digests(self.ready[name])
        return self._digests[name]

    def bench(self) -> Bench:
        """What all cells share, opened when it is first asked for."""
        from benchmark.run.cell import Bench

        if self._bench is None:
            self._bench = Bench.open(self.work)
        return self._bench

    def _measure(self, cell: Cell, inputs: str) -> Record:
        from benchmark.run.cell import measure_cell

        return measure_cell(self.bench(), cell, self.ready[cell.method], self._weights(cell.method), inputs)


def readable(path: Path) -> Record | None:
    """The record in a file; None where there is none, or one of an older schema or damaged, which is measured again."""
    try:
        return read(path) if path.is_file() else None
    except SuiteError:
        return None


def _is_first() -> bool:
    from models.training import parallel

    return parallel.rank() == 0


def _published(cell: Cell) -> PublishedInfo | None:
    if cell in BESIDE:
        return None
    figures = published(cell)
    return PublishedInfo(fid=figures.fid, lpips=figures.lpips, citation=figures.citation)


def feature_files(work: Reproduction) -> dict[str, str]:
    """Digests of the extractors' weights, without opening the networks."""
    from models.weights.registry import entry

    known = {name: entry(row_of(name).weights) for name in work.settings.others}
    known |= {name: entry(name) for one in work.settings.panel for name in panel.row_of(one).weights}
    others = {name: file.sha256 or file.page for name, file in known.items()}
    if work.settings.features == "lite0":
        return others | {"lite0": entry("lite0").sha256, READER.name: sha256_file(READER)}
    return others | {name: entry(name).sha256 for name in ("inception", "inception-pytorch", "alexnet")}
