"""Tables 1-3 from records alone: published, ours, difference, interval, rank. A hole says why; protocols never mix."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmark.metrics.confidence import Interval
from benchmark.metrics.paired import Ranked, ranks
from benchmark.metrics.table import metric_of
from benchmark.run.record import PictureCost, Record, Value
from benchmark.tasks.controls import CONTROLS, key_of
from benchmark.tasks.controls import TABLES as WITH_CONTROLS
from benchmark.tasks.paper import BESIDE, CITATION, TITLES, Cell, Guidance, every_cell, published
from suite.errors import SuiteError

PAPER_METRICS = ("FID", "LPIPS")
CONTROL = "control"
NONE = "-"
# What says whether face and reference were answered, where the pictures are painted.
ANSWERED = ("identity retrieval", "style retrieval", "distance to the painted answer")


@dataclass(frozen=True)
class Entry:
    """One number in a table: measured, or missing with its reason. `published` and `difference` may be absent."""

    value: Value | None
    missing: str = ""
    published: float | None = None
    comparable: bool = True
    rank: str = ""

    @property
    def difference(self) -> float | None:
        if self.value is None or self.published is None or not self.comparable:
            return None
        return self.value.value - self.published


@dataclass(frozen=True)
class Row:
    """A cell and its entries, one a column group; a control stands beside the methods' cells and is never ranked."""

    cell: Cell
    entries: tuple[Entry, ...]
    control: bool = False
    cost: PictureCost | None = None


@dataclass(frozen=True)
class Column:
    """One metric of a table.

    Attributes:
        metric: as measured.
        paper: `FID` or `LPIPS` where the paper prints a figure of this kind, else "".
        protocols: guidance -> the id under which every number of the column with this guidance was measured.
        controls: reference values to read beside it (real pictures, noise).
    """

    metric: str
    paper: str
    protocols: Mapping[str, str]
    controls: Mapping[str, float]


@dataclass(frozen=True)
class Table:
    """A finished table."""

    number: int
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...]

    @property
    def title(self) -> str:
        return TITLES[self.number]

    @property
    def holes(self) -> list[str]:
        """`cell: why`, for every missing number."""
        return [
            f"{row.cell.key}: {entry.missing}"
            for row in self.rows
            if not row.control
            for entry in row.entries
            if entry.missing
        ]


def build(
    number: int, records: Sequence[Record], missing: Mapping[str, str] | None = None, metrics: Sequence[str] = ()
) -> Table:
    """Table `number` from records.

    Args:
        records: any; those of other tables are left aside.
        missing: cell key -> why it was not measured.
        metrics: which metrics to show, by exact name; by default the two that stand beside the paper's columns.

    Raises:
        SuiteError: two protocols in one column, or two records of one cell.
    """
    by_cell: dict[Cell, Record] = {}
    for record in records:
        cell = record.table_cell
        if cell is None or cell.table != number:
            continue
        if cell in by_cell:
            raise SuiteError(f"{cell.key}: two records of one cell; keep one")
        by_cell[cell] = record
    for record in records:
        for cell in record.same_cells:
            if cell.table == number:
                by_cell.setdefault(cell, record)
    names = list(metrics) or _default_metrics(list(by_cell.values()))
    beside = [record for record in records if record.method.control] if number in WITH_CONTROLS else []
    columns = tuple(_column(metric, [*by_cell.values(), *beside]) for metric in names)
    why = dict(missing or {})
    # A method that the paper lacks has a row where it was measured, or was to be.
    wanted = [cell for cell in every_cell((number,)) if cell not in BESIDE or cell in by_cell or cell.key in why]
    groups: dict[Guidance, list[Cell]] = {}
    for cell in wanted:
        groups.setdefault(cell.guidance, []).append(cell)
    entries: dict[Cell, list[Entry]] = {cell: [] for cell in wanted}
    for column in columns:
        for group in groups.values():
            values = [(cell, by_cell[cell].get(column.metric) if cell in by_cell else None) for cell in group]
            fit = [None if cell in by_cell and by_cell[cell].doubt else value for cell, value in values]
            for (cell, value), rank in zip(values, _ranks(column, fit)):
                print_value = _published(cell, column)
                # A method that invents its faces keeps nobody's identity: a dash, not a hole.
                dash = cell in by_cell and column.metric in ANSWERED
                reason = "" if value or dash else why.get(cell.key) or "not measured"
                comparable = column.metric == column.paper
                entries[cell].append(Entry(value, reason, print_value, comparable, rank))
    rows = []
    for guidance, group in groups.items():
        rows += [Row(cell, tuple(entries[cell]), cost=_cost(by_cell.get(cell))) for cell in group]
        rows += _control_rows(number, guidance, beside, columns, why)
    return Table(number, columns, tuple(rows), _notes(columns, [*by_cell.values(), *beside]))


def _cost(record: Record | None) -> PictureCost | None:
    return record.provenance.picture if record else None


def _control_rows(
    number: int, guidance: Guidance, beside: Sequence[Record], columns: Sequence[Column], why: Mapping[str, str]
) -> list[Row]:
    """A row for each control that was measured, or that has a reason why not."""
    rows = []
    for control in CONTROLS if number in WITH_CONTROLS else ():
        mine = [r for r in beside if r.method.name == control and r.cell.guidance == guidance]
        reason = why.get(key_of(control, guidance), "")
        if len(mine) > 1:
            raise SuiteError(f"{key_of(control, guidance)}: two records of one control; keep one")
        if not mine and not reason:
            continue
        values = [mine[0].get(column.metric) if mine else None for column in columns]
        # A control that answers no reference has no retrieval: a dash, not a hole.
        entries = (Entry(value, "" if mine else reason, rank=CONTROL) for value in values)
        rows.append(Row(Cell(number, guidance, f"control: {control}", None), tuple(entries), True))
    return rows


def _default_metrics(records: Sequence[Record]) -> list[str]:
    """The first metric of each paper column that the records hold; FID and LPIPS where they hold none."""
    out = []
    for kind in PAPER_METRICS:
        names = dict.fromkeys(v.metric for r in records for v in r.values if metric_of(v.metric).column == kind)
        out.append(kind if kind in names or not names else next(iter(names)))
    return out


def _column(metric: str, records: Sequence[Record]) -> Column:
    protocols: dict[str, str] = {}
    for record in records:
        value, guidance = record.get(metric), record.cell.guidance
        if value and protocols.setdefault(guidance, value.protocol) != value.protocol:
            both = ", ".join(sorted((protocols[guidance], value.protocol)))
            raise SuiteError(f"{metric}: measured under 2 protocols with {guidance} guidance ({both}); they never mix")
    controls = {}
    for record in records:
        controls.update({k: v for k, v in record.controls.items() if k.startswith(f"{metric} of ")})
    return Column(metric, metric_of(metric).column, protocols, controls)


def _published(cell: Cell, column: Column) -> float | None:
    if not column.paper or cell in BESIDE:
        return None
    figures = published(cell)
    return figures.fid if column.paper == "FID" else figures.lpips


def _ranks(column: Column, values: Sequence[Value | None]) -> list[str]:
    higher = metric_of(column.metric).higher
    if higher is None or sum(value is not None for value in values) < 2:
        return [""] * len(values)
    return ranks([ranked(value) for value in values], higher)


def ranked(value: Value | None) -> Ranked:
    """A value as the ranking takes it; without interval, or not rankable, it stays out."""
    if value is None or not value.rankable or value.low is None or value.high is None:
        return Ranked(0.0 if value is None else value.value, None)
    pulls = None if value.influence is None else value.influence.pulls()
    return Ranked(value.value, Interval(value.low, value.high, ""), pulls)


def _notes(columns: Sequence[Column], records: Sequence[Record]) -> tuple[str, ...]:
    notes = [f"published: {CITATION}."]
    for column in columns:
        notes += [f"{column.metric}, {guidance}: protocol {id}." for guidance, id in column.protocols.items()]
        if column.paper and column.metric != column.paper:
            notes.append(f"{column.metric} is not {column.paper}: the two do not compare and no difference is shown.")
        notes += [f"{name}: {value:.4g}." for name, value in column.controls.items()]
        if owed := [v.bias for r in records if (v := r.get(column.metric)) and v.bias is not None]:
            span = f"{number(min(owed))} to {number(max(owed))}"
            notes.append(
                f"{column.metric}: {span} of each value is owed to the finite number of pictures; no interval holds it."
            )
        notes += _unranked(column.metric, records)
    sure = {v.interval for r in records for c in columns if (v := r.get(c.metric)) and v.interval}
    notes += [f"95% intervals: {how}." for how in sorted(sure)]
    return tuple(notes)


def _unranked(metric: str, records: Sequence[Record]) -> list[str]:
    """Why numbers of a column are not ranked, and whose where it is not everybody's."""
    reasons: dict[str, list[str]] = {}
    measured = [record for record in records if record.get(metric)]
    for record in measured:
        value = record.get(metric)
        if value and (record.doubt or not value.rankable):
            reasons.setdefault(record.doubt or value.why, []).append(record.method.name)
    return [
        f"{metric} is not ranked{'' if len(names) == len(measured) else ' of ' + ', '.join(dict.fromkeys(names))}: {reason}."
        for reason, names in sorted(reasons.items())
    ]


def number(value: float | None) -> str:
    """A number as the paper prints its own: two decimals from 1 up, three below; smaller ones in three digits.

    What is left of a sum of equal numbers (1e-23) is a 0.
    """
    if value is None:
        return ""
    if abs(value) < 1e-9:
        return "0"
    return f"{value:.2f}" if 1 <= abs(value) < 1e6 else f"{value:.3f}" if 0.001 <= abs(value) < 1 else f"{value:.3g}"
