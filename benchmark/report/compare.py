"""Paired comparison of records: the difference of each number, its interval and its p-value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.metrics.paired import ALPHA, POWER, difference, faces_needed, holm, shown_gap
from benchmark.metrics.table import metric_of
from benchmark.report.tables import number
from benchmark.run.record import Record, Value
from suite.errors import SuiteError, did_you_mean

OLD = "a record holds no pulls of its faces; measure it again"


@dataclass(frozen=True)
class Compared:
    """One number of two records.

    Attributes:
        first, second: their names.
        value: first less second; low, high: its 95 % interval, for this comparison alone.
        p: the chance of so large a difference where there is none; holm: the same, corrected for all that was compared.
        better: the name of the better one, where the corrected chance is below 5 %; else "".
        faces: how many faces show the planned difference with a chance of 80 %; None where none was planned.
    """

    metric: str
    first: str
    second: str
    of_first: float
    of_second: float
    value: float
    low: float
    high: float
    p: float
    holm: float = 1.0
    better: str = ""
    faces: int | None = None


@dataclass(frozen=True)
class Comparison:
    """What was compared, and why the other numbers were not."""

    rows: list[Compared]
    left: dict[str, str]

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def compare(
    records: Mapping[str, Record], metrics: Sequence[str] = (), planned: Mapping[str, float] | None = None
) -> Comparison:
    """Every pair of records in every number that both have under one protocol.

    Args:
        records: by name.
        metrics: exact names; all by default.
        planned: metric -> the difference whose number of faces is asked for.

    Raises:
        SuiteError: fewer than two records, records of other pairs, a metric that nobody has, or nothing to compare.
    """
    if len(records) < 2:
        raise SuiteError("RECORD: give two records or more to compare")
    _same_pairs(records)
    known = list(dict.fromkeys(value.metric for record in records.values() for value in record.values))
    for name in (*metrics, *(planned or {})):
        if name not in known:
            raise SuiteError(f"--metric, --plan {name}: not in these records{did_you_mean(name, known)}")
    rows: list[Compared] = []
    left: dict[str, str] = {}
    for metric in metrics or known:
        for one, two in combinations(records, 2):
            both = records[one].get(metric), records[two].get(metric)
            if why := _why_not(*both):
                left[metric] = why
                continue
            rows.append(_compared(metric, (one, two), both, (planned or {}).get(metric)))  # type: ignore[arg-type]
    if not rows:
        raise SuiteError(
            f"compare: nothing to compare: {'; '.join(f'{name}: {why}' for name, why in left.items())[:400]}"
        )
    return Comparison(_corrected(rows), left)


def _same_pairs(records: Mapping[str, Record]) -> None:
    names = list(records)
    first = records[names[0]]
    for name in names[1:]:
        other = records[name]
        if other.cell.guidance != first.cell.guidance:
            both = f"{first.cell.guidance}- and {other.cell.guidance}-guided"
            raise SuiteError(f"{names[0]}, {name}: {both}; only answers to the same pairs compare")
        for what, mine, theirs in (
            ("release", first.provenance.manifest, other.provenance.manifest),
            ("draw of faces and styles", *(",".join(one.provenance.draws) for one in (first, other))),
        ):
            if mine != theirs:
                raise SuiteError(
                    f"{names[0]}, {name}: another {what} ({mine[:12]}, {theirs[:12]}); only answers to the same pairs compare"
                )


def _why_not(one: Value | None, two: Value | None) -> str:
    if one is None or two is None:
        return "not in all records"
    if one.protocol != two.protocol:
        return f"measured under two protocols, {one.protocol} and {two.protocol}"
    for value in (one, two):
        if value.influence is None:
            return metric_of(value.metric).unpaired or value.why or OLD
    assert one.influence is not None
    assert two.influence is not None
    shapes = one.influence.pulls().shape, two.influence.pulls().shape
    return "" if shapes[0] == shapes[1] else f"pulls of {shapes[0]} and {shapes[1]} faces, references and pictures"


def _compared(metric: str, names: tuple[str, str], both: tuple[Value, Value], gap: float | None) -> Compared:
    pulls = [value.influence.pulls() for value in both if value.influence is not None]
    paired = difference(both[0].value, both[1].value, *pulls)
    faces = None if gap is None else faces_needed(gap, *pulls)
    return Compared(
        metric, *names, both[0].value, both[1].value, paired.value, paired.low, paired.high, paired.p, faces=faces
    )


def _corrected(rows: Sequence[Compared]) -> list[Compared]:
    out = []
    for row, chance in zip(rows, holm([row.p for row in rows])):
        higher = metric_of(row.metric).higher
        sure = chance < ALPHA and higher is not None
        better = (row.first if (row.value > 0) == higher else row.second) if sure else ""
        out.append(Compared(**{**vars(row), "holm": chance, "better": better}))
    return out


def separation(records: Sequence[Record]) -> dict[str, float]:
    """Metric -> the difference that the records' own faces show with a chance of 80 %, the median over pairs of methods."""
    differences: dict[str, list[float]] = {}
    for one, two in combinations(records, 2):
        for value in one.values:
            other = two.get(value.metric)
            if other is None or other.protocol != value.protocol or _why_not(value, other):
                continue
            assert value.influence is not None
            assert other.influence is not None
            differences.setdefault(value.metric, []).append(shown_gap(value.influence.pulls(), other.influence.pulls()))
    return {metric: float(np.median(gaps)) for metric, gaps in differences.items()}


def named(paths: Sequence[Path], records: Sequence[Record]) -> dict[str, Record]:
    """The records by their methods' names, or by their files' where two share one.

    Raises:
        SuiteError: one file twice.
    """
    labels = [
        record.method.name if record.cell.indicator is None else f"{record.method.name} (i = {record.cell.indicator})"
        for record in records
    ]
    names = [label if labels.count(label) == 1 else str(path) for label, path in zip(labels, paths)]
    if len(set(names)) < len(names):
        raise SuiteError(f"RECORD {next(name for name in names if names.count(name) > 1)}: given twice")
    return dict(zip(names, records))


def as_text(comparison: Comparison) -> str:
    """Aligned plain text, notes below."""
    planned = any(row.faces for row in comparison.rows)
    heads = ["metric", "first", "second", "first less second", "95% interval", "p", "p of all", "better"]
    lines = [heads + ["faces needed"] * planned]
    for row in comparison.rows:
        line = [
            row.metric,
            f"{row.first}: {number(row.of_first)}",
            f"{row.second}: {number(row.of_second)}",
            f"{row.value:+.4g}",
            f"{row.low:.4g} to {row.high:.4g}",
            _chance(row.p),
            _chance(row.holm),
            row.better or "-",
        ]
        lines.append(line + ([str(row.faces or "-")] if planned else []))
    widths = [max(len(line[k]) for line in lines) for k in range(len(lines[0]))]
    body = ["  ".join(part.ljust(width) for part, width in zip(line, widths)).rstrip() for line in lines]
    notes = [
        f"paired over the same faces and styles; 'p of all' is corrected for {len(comparison.rows)} comparisons (Holm)."
    ]
    notes += [f"{name}: not compared: {why}." for name, why in comparison.left.items()]
    if planned:
        notes.append(
            f"faces needed: to show the planned difference with a chance of {POWER:.0%}, references growing alike."
        )
    return "\n".join([*body, *notes])


def _chance(p: float) -> str:
    return "<0.0001" if p < 1e-4 else f"{p:.4f}"
