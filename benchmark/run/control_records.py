"""Records of the controls, one per control and guidance: kept, or measured now in the methods' place."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable

from benchmark.metrics.table import metric_of
from benchmark.run.cell import Bench
from benchmark.run.cell_records import feature_files, readable
from benchmark.run.control_pictures import CONTROLS, Control, ControlGeneration, Stage, missing
from benchmark.run.record import MEASURE_VERSION, MethodInfo, Record
from benchmark.run.record_file import write
from benchmark.run.reproduction import Reproduction
from benchmark.tasks.controls import key_of
from benchmark.tasks.paper import Cell, Guidance
from models.training import parallel
from suite.files import digest

GUIDANCES: tuple[Guidance, ...] = ("latent", "reference")


def methods_size(records: Iterable[Record]) -> int:
    """The side in which most of the measured methods answer: that of the controls. 0 where no record says."""
    sizes = Counter(record.provenance.size for record in records if record.provenance.size)
    return sizes.most_common(1)[0][0] if sizes else 0


def control_records(
    work: Reproduction, bench: Callable[[], Bench], size: int, say: Callable[[str], None]
) -> tuple[dict[str, Record], dict[str, str]]:
    """Records of every control that can be made here, by `key_of`, and why the others are missing."""
    records: dict[str, Record] = {}
    absent: dict[str, str] = {}
    for control in CONTROLS:
        keys = {guidance: key_of(control.name, guidance) for guidance in GUIDANCES}
        inputs = _inputs(work, control, size)
        kept = {key: readable(work.records / f"{key}.json") for key in keys.values()}
        whole = {key: one for key, one in kept.items() if one is not None and one.provenance.inputs == inputs}
        if len(whole) == len(keys):
            records |= whole
            continue
        opened = bench()
        stages = [
            Stage(draws, opened.release, size, opened.extractors.answers.get(draws.digest), opened.real.spare)
            for draws in opened.draws
        ]
        if why := next((why for stage in stages if (why := missing(control, stage))), ""):
            absent |= dict.fromkeys(keys.values(), why)
            say(f"control {control.name!r} not measured: {why}")
            continue
        say(f"measuring the control {control.name!r}")
        for guidance, record in _measured(opened, control, stages, inputs).items():
            records[keys[guidance]] = record
            if parallel.rank() == 0:
                write(work.records / f"{keys[guidance]}.json", record, own_place=True)
    return records, absent


def _inputs(work: Reproduction, control: Control, size: int) -> str:
    settings = work.settings.model_dump(exclude={"methods", "data_note", "cost_note", "batch"})
    what = {"version": MEASURE_VERSION, "control": control.name, "size": size, "manifest": work.open().digest}
    return digest(what | {"settings": settings, "features": feature_files(work)})


def _measured(bench: Bench, control: Control, stages: Iterable[Stage], inputs: str) -> dict[Guidance, Record]:
    """Both guidances' records: the pictures are the same, the protocols are each guidance's own."""
    generations = [ControlGeneration(control, stage) for stage in stages]
    by_seed = [bench.measure(one, control.name) for one in generations]
    info = MethodInfo(name=control.name, train_data="nothing", control=True)
    records: dict[Guidance, Record] = {}
    for guidance in GUIDANCES:
        fitting = [
            [one for one in seed if guidance == "reference" or not _of_references(one.metric)] for seed in by_seed
        ]
        cell = Cell(0, guidance, control.name, None)
        records[guidance] = bench.record(
            cell, generations, info, {}, "re-run from weights", inputs=inputs, measured=fitting
        )
    return records


def _of_references(metric: str) -> bool:
    """Whether only an answer to a reference can have this number."""
    return "reference" in metric_of(metric).against
