"""A reproduction's records for the board: named by digest, each set of pictures once, with samples from its weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmark.leaderboard.samples import write_samples
from benchmark.leaderboard.submit import save, with_method
from benchmark.run.generate import Generation
from benchmark.run.methods import BUILT_IN, load
from benchmark.run.record import Record
from benchmark.run.record_file import read_all
from benchmark.run.reproduction import Reproduction
from benchmark.run.training import find_weights, weight_digests
from benchmark.tasks.protocol import sample_pairs
from suite.errors import SuiteError

CONTROL_CODE = "benchmark/run/control_pictures.py"


@dataclass(frozen=True)
class Adopted:
    """The files written, and why any record was left out."""

    written: list[Path]
    left: dict[str, str]


def adopt(
    work: Reproduction,
    out: Path,
    version: str,
    code: str | None,
    samples: bool,
    say: Callable[[str], None] = lambda _: None,
) -> Adopted:
    """Write every record of a reproduction's work folder into `out`.

    Args:
        work: the reproduction.
        out: the board's folder.
        version: of the code that was reproduced.
        code: where the code of methods is that are not the tables' own.
        samples: write a few small pictures of each.
        say: hears every path written.

    Raises:
        SuiteError: no records there, or a method whose code is not said.
    """
    records = read_all(work.records) if work.records.is_dir() else []
    if not records:
        raise SuiteError(f"--from {work.folder}: no records in it; run 'aahq-bench reproduce' first")
    written: list[Path] = []
    left: dict[str, str] = {}
    seen: set[tuple[str, str]] = set()
    for record in records:
        # One cell may stand in two tables; its pictures, and so its row, are the same.
        row = (record.provenance.inputs, record.cell.guidance)
        if row in seen:
            continue
        seen.add(row)
        own = CONTROL_CODE if record.method.control else BUILT_IN.get(record.method.name)
        where = record.method.code or own or code
        if not where:
            raise SuiteError(f"--code: say where the code of {record.method.name} is", exit_code=1)
        complete = with_method(record, version, where, None, None)
        try:
            path = save(out, complete)
        except SuiteError as error:
            left[f"{record.method.name} {record.cell.guidance} {record.cell.indicator}"] = str(error)
            continue
        written.append(path)
        say(str(path))
        if samples and not record.method.control:
            write_samples(out, path.stem, generation_of(work, complete))
    return Adopted(written, left)


def generation_of(work: Reproduction, record: Record) -> Generation:
    """The pictures of a record again, from the weights in the work folder that it names.

    Raises:
        SuiteError: weights or release are not the record's.
    """
    entry = work.method(record.method.name)
    weights, why = find_weights(work, entry)
    if weights is None and why:
        raise SuiteError(f"{entry.name}: {why}")
    if weight_digests(weights) != record.provenance.weights:
        raise SuiteError(f"{entry.name}: weights of {weights} are not those of its record")
    release = work.open()
    if release.digest != record.provenance.manifest:
        raise SuiteError(f"{work.release}: manifest is not that of the record of {entry.name}")
    settings = work.settings
    draws = sample_pairs(
        release,
        settings.faces,
        settings.styles,
        record.provenance.sampling_seeds[0],
        settings.face_split,
        settings.style_split,
    )
    method = load(entry.name, weights, work.device, **work.options(entry.name, record.cell.indicator))
    return Generation(method, record.cell.guidance, draws, release, settings.batch, work.device)
