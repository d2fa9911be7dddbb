"""Every number of Tables 1-3: data, training, then cell by cell.

A cell that cannot be measured says why in the tables; it never shows a number.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmark.metrics.extractors import check_installed
from benchmark.metrics.panel import check_at_hand
from benchmark.run.cell_records import CellRecords
from benchmark.run.record import Record
from benchmark.run.reproduction import Reproduction
from benchmark.run.training import ensure_starts, ensure_weights
from benchmark.tasks.paper import Cell, cells
from suite.children import run_command
from suite.errors import SuiteError
from suite.files import write_whole
from suite.ownership import claim_file


@dataclass(frozen=True)
class Outcome:
    """What a reproduction did: records by cell key, and why the others are missing."""

    records: dict[str, Record]
    missing: dict[str, str]
    measured: int
    kept: int


def reproduce(work: Reproduction, wanted: Sequence[Cell], say: Callable[[str], None]) -> Outcome:
    """Data, training, generation, measurement; resumed cell by cell.

    Raises:
        SuiteError: only what stops everything (no data); a method that fails is a missing cell with its reason.
    """
    from models.training.parallel import first_alone

    first_alone(lambda: ensure_data(work))
    check_draws(work)
    check_features(work)
    missing = {cell.key: "not asked for (--only)" for cell in cells() if cell not in wanted}
    ready: dict[str, Path | None] = {}
    names = list(dict.fromkeys(cell.method for cell in wanted))
    # What a training starts from is asked for before the first one begins: a later refusal would come after days.
    for get in (ensure_starts, ensure_weights):
        for name in list(names):
            try:
                first_alone(lambda name=name, get=get: get(work, work.method(name), say))  # type: ignore[misc]
                ready[name] = get(work, work.method(name), say)
            except SuiteError as error:
                say(f"{name} has no weights: {error}")
                names.remove(name)
                missing |= {cell.key: str(error) for cell in wanted if cell.method == name}
    cell_records = CellRecords(work, ready)
    records: dict[str, Record] = {}
    counts = {"measured": 0, "kept": 0}
    for cell in wanted:
        if cell.key in missing:
            continue
        try:
            record, fresh = cell_records.record(cell, say)
        except SuiteError as error:
            missing[cell.key] = str(error)
            say(f"{cell.key} not measured: {error}")
            continue
        records[cell.key] = record
        counts["measured" if fresh else "kept"] += 1
    if any(record.provenance.size for record in records.values()):
        missing |= _controls(work, cell_records, records, say)
    return Outcome(records, missing, counts["measured"], counts["kept"])


def _controls(
    work: Reproduction, cell_records: CellRecords, records: dict[str, Record], say: Callable[[str], None]
) -> dict[str, str]:
    """Add the controls' records; returns why some are missing."""
    from benchmark.run.control_records import control_records, methods_size

    records_of_controls, absent = control_records(work, cell_records.bench, methods_size(records.values()), say)
    records |= records_of_controls
    return absent


def ensure_data(work: Reproduction) -> None:
    """Paint the profile's data unless it is there.

    Raises:
        SuiteError: a profile that needs `--data` and got none, or the painter's own last words.
    """
    paint = work.settings.paint
    if work.data is not None or work.release not in work.places or (work.release / "release.json").is_file():
        return
    if paint is None:
        raise SuiteError(f"--data: profile {work.profile} needs {work.settings.data_note}")
    command = [sys.executable, "-m", "aahq", "portraits", str(work.release), "--domain", "both"]
    command += ["--count", str(paint.count), "--size", str(paint.size), "--seed", str(paint.seed)]
    command += ["--styles", str(paint.styles), "--world", paint.world]
    if paint.photos:
        command += ["--photos", str(paint.photos)]
    if paint.identities:
        command += ["--identities", str(paint.identities)]
    done = run_command(command, capture_output=True, text=True)
    if done.returncode:
        words = done.stderr.strip().splitlines()
        raise SuiteError(f"data: 'aahq portraits' failed: {words[-1][:300] if words else done.returncode}")


def check_draws(work: Reproduction) -> None:
    """Fail before hours of training where the release cannot serve the protocol.

    Raises:
        SuiteError: no release, a broken one, or too few pictures in its splits.
    """
    from benchmark.tasks.protocol import sample_pairs

    settings = work.settings
    sample_pairs(work.open(), settings.faces, settings.styles, "check", settings.face_split, settings.style_split)


def check_features(work: Reproduction) -> None:
    """Fail before hours of training where what measures cannot be opened.

    Raises:
        SuiteError: an extra that is not installed, or weights that are neither here nor to be fetched.
    """
    for name in work.settings.others:
        check_installed(name)
    for name in work.settings.panel:
        check_at_hand(name, work.weights_folder, work.offline)


def claim_tables(work: Reproduction, numbers: Sequence[int]) -> None:
    """Refuse, before the work, tables in `tables` that this program did not draw.

    Raises:
        SuiteError: naming the first.
    """
    from benchmark.report.table_formats import FORMATS, is_table

    for number in numbers:
        for suffix in FORMATS:
            claim_file("--out", work.folder / "tables" / f"table{number}.{suffix}", partial(is_table, number))


def write_tables(work: Reproduction, outcome: Outcome, numbers: Sequence[int]) -> list[str]:
    """Render the wanted tables in every format under `tables`; returns them as text."""
    from benchmark.report.table_formats import FORMATS, as_text
    from benchmark.report.tables import build

    texts = []
    for number in numbers:
        table = build(number, list(outcome.records.values()), outcome.missing)
        for suffix, render in FORMATS.items():
            write_whole(work.folder / "tables" / f"table{number}.{suffix}", render(table))
        texts.append(as_text(table))
    return texts
