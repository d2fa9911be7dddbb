"""The leaderboard's content before rendering: records grouped so that no two protocols ever share a column."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmark.leaderboard.submit import name_fits
from benchmark.leaderboard.validate import agree, measurement
from benchmark.metrics.confidence import Interval
from benchmark.metrics.paired import Ranked, ranks
from benchmark.metrics.table import metric_of
from benchmark.run.record import Influence, PictureCost, Record, Trust, Value
from benchmark.run.record_file import read
from benchmark.tasks.paper import CITATION, Guidance, cells, published, slug
from benchmark.tasks.protocol import VERSION, version_of
from suite.errors import SuiteError

ORDER = ("FID", "FD", "LPIPS", "diversity", "identity", "style", "distance", "KID", "KD", "CMMD")
PAPER = "as printed in the paper"


@dataclass(frozen=True)
class Committed:
    """A record and the file that it came from."""

    path: Path
    record: Record


@dataclass(frozen=True)
class Number:
    """One number of a row: measured, or printed in the paper and without interval."""

    value: float
    low: float | None = None
    high: float | None = None
    rankable: bool = True
    why: str = ""
    rank: str = ""
    influence: Influence | None = None


@dataclass(frozen=True)
class Column:
    """One metric under one protocol.

    Attributes:
        protocol: its id; `as printed in the paper` for published figures.
        higher: whether higher is better; None where neither is.
    """

    metric: str
    protocol: str

    @property
    def higher(self) -> bool | None:
        return metric_of(self.metric).higher

    @property
    def key(self) -> str:
        return f"{self.metric}\x1f{self.protocol}"


@dataclass(frozen=True)
class Row:
    """One record, or one printed cell.

    Attributes:
        stem: the record's file name without suffix; "" for a printed row. Sample pictures lie under it.
        doubt: why nothing of it is ranked.
    """

    method: str
    indicator: int | None
    trust: Trust
    numbers: dict[str, Number]
    stem: str = ""
    record: Record | None = None
    doubt: str = ""

    @property
    def control(self) -> bool:
        """Whether it is a picture set whose place is known beforehand: shown, never ranked."""
        return self.record is not None and self.record.method.control

    @property
    def cost(self) -> PictureCost | None:
        """Seconds and memory a picture, where the record says them."""
        return self.record.provenance.picture if self.record is not None else None

    @property
    def label(self) -> str:
        if self.control:
            return f"control: {self.method}"
        return self.method if self.indicator is None else f"{self.method} (i = {self.indicator})"


@dataclass
class Group:
    """Rows that may stand beside each other: one guidance, one way of measuring.

    Attributes:
        protocol: id of the first column's protocol, which all rows share.
        facts: what the protocol says, in words: (name, value) pairs.
    """

    guidance: Guidance
    protocol: str
    facts: list[tuple[str, str]]
    columns: list[Column] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)

    @property
    def printed(self) -> bool:
        return self.protocol == PAPER

    @property
    def timed(self) -> bool:
        """Whether any row says what a picture cost."""
        return any(row.cost for row in self.rows)

    @property
    def version(self) -> int:
        return VERSION if self.printed else version_of(self.protocol)

    @property
    def old(self) -> bool:
        return self.version < VERSION

    @property
    def anchor(self) -> str:
        return f"{self.guidance}-" + ("paper" if self.printed else self.protocol.replace(":", "-"))

    @property
    def family(self) -> str:
        return "the paper" if self.printed else self.protocol.partition(":")[0]


@dataclass(frozen=True)
class Board:
    """Everything that the pages show."""

    groups: list[Group]
    committed: list[Committed]

    @property
    def methods(self) -> dict[str, list[Row]]:
        """Method -> its rows, by name."""
        out: dict[str, list[Row]] = {}
        for group in self.groups:
            for row in group.rows:
                out.setdefault(row.method, []).append(row)
        return dict(sorted(out.items(), key=lambda item: (item[0].casefold(), item[0])))


def read_records(folder: Path) -> list[Committed]:
    """Every record under a folder, sorted by path; links are refused, sample pictures left aside.

    Raises:
        SuiteError: the first record that does not fit, with its field.
    """
    if not folder.is_dir():
        raise SuiteError(f"RECORDS {folder}: no such folder")
    out = []
    for path in sorted(folder.rglob("*.json")):
        if path.is_symlink():
            raise SuiteError(f"{path}: a link; records are files of the repository")
        record = read(path)
        if not name_fits(path, record):
            raise SuiteError(f"{path}: digest: not the one in the file's name; it was changed")
        if record.trust == "published":
            raise SuiteError(f"{path}: trust: the paper's figures come from tables-paper.csv, not from records")
        out.append(Committed(path, record))
    stems = [entry.path.stem for entry in out]
    for entry in out:
        if stems.count(entry.path.stem) > 1:
            raise SuiteError(f"{entry.path}: another record has this file name; names are the records' addresses")
    return out


def build_board(committed: Sequence[Committed]) -> Board:
    """Printed rows and records in groups: current protocols first, latent before reference, printed ones first."""
    groups = [*_measured(committed), *_printed()]
    groups.sort(key=lambda g: (g.old, g.guidance, not g.printed, -len(g.rows), g.protocol))
    for group in groups:
        _rank(group)
        _sort(group)
    return Board(groups, list(committed))


def _printed() -> Iterable[Group]:
    for guidance in ("latent", "reference"):
        facts = [("source", CITATION), ("faces", "1000"), ("styles", "10"), ("intervals", "none printed")]
        group = Group(guidance, PAPER, facts, [Column("FID", PAPER), Column("LPIPS", PAPER)])
        measured = set()
        for cell in cells():
            if cell.guidance == guidance and cell.measured_as not in measured:
                measured.add(cell.measured_as)
                figures = published(cell)
                why = "the paper prints no interval"
                numbers = {
                    column.key: Number(value, rankable=False, why=why)
                    for column, value in zip(group.columns, (figures.fid, figures.lpips))
                }
                group.rows.append(Row(cell.method, cell.indicator, "published", numbers))
        yield group


def _measured(committed: Sequence[Committed]) -> list[Group]:
    groups: dict[tuple[str, str], Group] = {}
    # One cell may stand in two tables: the same pictures are one row. Where they differ, both are shown and neither is ranked.
    by_measurement: dict[tuple[str, ...], list[Committed]] = {}
    for entry in committed:
        if not any(
            agree(entry.record, other.record) for other in by_measurement.setdefault(measurement(entry.record), [])
        ):
            by_measurement[measurement(entry.record)].append(entry)
    for entry in (one for same in by_measurement.values() for one in same):
        record = entry.record
        cell = record.cell
        same = [one.path.name for one in by_measurement[measurement(record)]]
        dispute = f"a conflict: {' and '.join(same)} are of one measurement and differ" if len(same) > 1 else ""
        first = sorted(record.values, key=_place)[0]
        key = (cell.guidance, first.protocol)
        if key not in groups:
            groups[key] = Group(cell.guidance, first.protocol, _facts(record, first))
        group = groups[key]
        numbers = {}
        for value in sorted(record.values, key=_place):
            column = Column(value.metric, value.protocol)
            if column not in group.columns:
                group.columns.append(column)
            numbers[column.key] = _number(value, record, dispute)
        row = Row(
            record.method.name, cell.indicator, record.trust, numbers, entry.path.stem, record, dispute or record.doubt
        )
        group.rows.append(row)
    for group in groups.values():
        group.columns.sort(key=lambda c: (_metric_place(c.metric), c.metric, c.protocol))
    return list(groups.values())


def _number(value: Value, record: Record, dispute: str) -> Number:
    doubt = dispute or record.doubt
    ranked = value.rankable and not doubt and record.trust != "self-reported" and not record.method.control
    why = doubt or value.why or "a control" * record.method.control
    return Number(value.value, value.low, value.high, ranked, why, influence=value.influence)


def _place(value: Value) -> tuple[int, str]:
    return _metric_place(value.metric), value.metric


def _metric_place(metric: str) -> int:
    place = next((k for k, start in enumerate(ORDER) if metric.startswith(start)), len(ORDER))
    return place if "infinity" not in metric and "legacy" not in metric else len(ORDER) + place


def _facts(record: Record, value: Value) -> list[tuple[str, str]]:
    says = record.protocols[value.protocol].parameters
    made = record.provenance
    facts = [
        ("profile", made.profile or "of its own"),
        ("release", f"{made.release or 'unnamed'}, manifest {made.manifest[:12]}"),
        ("faces", str(says.get("faces", "?"))),
        ("styles", str(says.get("styles", "?"))),
        ("real pictures", str(value.n_real)),
        ("generated pictures", str(value.n_fake)),
        ("sampling seeds", ", ".join(map(str, made.sampling_seeds))),
    ]
    return [(name, text[:120]) for name, text in facts]


def _rank(group: Group) -> None:
    for column in group.columns:
        if column.higher is None:
            continue
        values = [_ranked(row.numbers.get(column.key)) for row in group.rows]
        if sum(one.interval is not None for one in values) < 2:
            continue
        for row, rank in zip(group.rows, ranks(values, column.higher)):
            if rank:
                row.numbers[column.key] = Number(**{**vars(row.numbers[column.key]), "rank": rank})


def _ranked(number: Number | None) -> Ranked:
    if number is None or not number.rankable or number.low is None or number.high is None:
        return Ranked(0.0 if number is None else number.value, None)
    pulls = None if number.influence is None else number.influence.pulls()
    return Ranked(number.value, Interval(number.low, number.high, ""), pulls)


def _sort(group: Group) -> None:
    first = group.columns[0]

    def place(row: Row) -> tuple[float, str, int, str]:
        number = row.numbers.get(first.key)
        value = float("inf") if number is None else number.value * (-1 if first.higher else 1)
        return value, row.method, row.indicator if row.indicator is not None else -1, row.stem

    group.rows.sort(key=place)


def main_columns(group: Group) -> tuple[Column, Column | None]:
    """The distance and the diversity that plots show; the second may be absent."""
    first = group.columns[0]
    second = next((c for c in group.columns if metric_of(c.metric).column == "LPIPS" and c != first), None)
    return first, second


def page_names(methods: Iterable[str]) -> dict[str, str]:
    """Method -> file name of its page; plain ASCII whatever the name holds, and never two alike."""
    out: dict[str, str] = {}
    for name in methods:
        plain = re.sub(r"[^a-z0-9]+", "-", slug(name)).strip("-")[:40].strip("-")
        if not plain or not name.isascii() or plain in out.values():
            plain = f"{plain or 'method'}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
        out[name] = plain
    return out
