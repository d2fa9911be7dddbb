"""What a maintainer runs on a pull request: every reason to refuse a record, each in one line with its field."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

from benchmark.leaderboard.submit import lacking, name_fits
from benchmark.metrics.confidence import interval
from benchmark.metrics.table import metric_of
from benchmark.run.record import Record, Value
from benchmark.run.record_file import read
from benchmark.tasks.protocol import VERSION, version_of
from suite.errors import SuiteError

NEEDED = ("guidance", "manifest", "real_set", "faces", "styles", "sampling_seeds", "draws")
# Thousands of PNG encoders and BLAS builds measure the same pictures; only rounding may differ.
CLOSE = 1e-3
# Pulls are kept as 16-bit numbers: a hundredth of an interval's width is more than that costs.
WIDTH_CLOSE = 0.01


def read_checked(path: Path) -> Record:
    """The record in a file that is not trusted.

    Raises:
        SuiteError: a link, no `.json`, too large, or the first field that does not fit.
    """
    if path.is_symlink():
        raise SuiteError(f"{path.name!a}: a link; hand in the file itself")
    if path.suffix != ".json" or not path.is_file():
        raise SuiteError(f"{path}: expected a record, a .json file")
    record = read(path)
    if not name_fits(path, record):
        raise SuiteError(
            f"{path}: digest: the name says {path.stem[-12:]}, the record's is {record.digest[:12]}; it was changed"
        )
    return record


def objections(record: Record, known: Collection[str] = (), new_protocol: bool = False) -> list[str]:
    """Why a record that parses must not be merged, one line each, the field first.

    Args:
        known: protocol ids that the board holds already.
        new_protocol: whether a protocol that the board does not hold is welcome.
    """
    out = [
        f"method.{missing}" if not missing.startswith(("method", "prov")) else missing for missing in lacking(record)
    ]
    if record.trust == "published":
        out.append("trust: 'published' is for the paper's own figures; state how it was measured")
    out += _protocols(record, known, new_protocol)
    out += [why for value in record.values if (why := _unfounded(value))]
    made = record.provenance
    if len(made.draws) != len(made.sampling_seeds):
        out.append(f"provenance.draws: {len(made.draws)} for {len(made.sampling_seeds)} sampling seeds")
    for value in record.values:
        if value.per_seed and len(value.per_seed) != len(made.sampling_seeds):
            out.append(f"values.{value.metric}.per_seed: {len(value.per_seed)} for {len(made.sampling_seeds)} seeds")
    return out


def _unfounded(value: Value) -> str:
    """Where a stated interval is not the one that the faces' pulls give."""
    if value.influence is None or value.low is None or value.high is None:
        return ""
    kind, span = metric_of(value.metric), interval(value.value, value.influence.pulls())
    ends = max(span.low, kind.low), min(span.high, kind.high)
    width = max(value.high - value.low, ends[1] - ends[0])
    if all(
        abs(stated - found) <= WIDTH_CLOSE * width + CLOSE**2 for stated, found in zip((value.low, value.high), ends)
    ):
        return ""
    return f"values.{value.metric}.low, high: its influence gives [{ends[0]:.6g}, {ends[1]:.6g}]"


def _protocols(record: Record, known: Collection[str], new_protocol: bool) -> Iterable[str]:
    made = record.provenance
    for value in record.values:
        where = f"values.{value.metric}.protocol"
        says = record.protocols[value.protocol].parameters
        if version_of(value.protocol) != VERSION:
            yield f"{where}: version {version_of(value.protocol)}; measure with version {VERSION}"
            continue
        absent = [name for name in NEEDED if name not in says]
        if absent:
            yield f"{where}: its parameters do not say {absent[0]}"
            continue
        counts = [name for name in ("faces", "styles") if type(says[name]) is not int]
        if counts:
            yield f"{where}: its {counts[0]} are {says[counts[0]]!r}; a whole number is expected"
            continue
        wrong = [
            name
            for name, truth in (
                ("guidance", record.cell.guidance),
                ("manifest", made.manifest),
                ("sampling_seeds", made.sampling_seeds),
                ("draws", made.draws),
                ("n_fake", value.n_fake),
                ("n_real", value.n_real),
            )
            if says.get(name, truth) != truth
        ]
        if wrong:
            yield f"{where}: its {wrong[0]} is not the record's"
        elif value.n_fake != says["faces"] * says["styles"]:
            yield f"values.{value.metric}.n_fake: {value.n_fake}, not {says['faces']} faces x {says['styles']} styles"
        elif known and not new_protocol and value.protocol not in known:
            yield f"{where}: {value.protocol} is not on the board; use a profile's inputs, or --new-protocol"


def measurement(record: Record) -> tuple[str, ...]:
    """What was measured: records of one measurement agree, or one of them is false."""
    cell = record.cell
    return record.method.name, cell.guidance, str(cell.indicator), record.provenance.inputs


def agree(one: Record, two: Record) -> bool:
    """Whether two records have the same numbers, but for rounding."""
    numbers = [
        {value.metric: (value.value, value.low, value.high, value.rankable) for value in record.values}
        for record in (one, two)
    ]
    return numbers[0].keys() == numbers[1].keys() and all(
        _alike(a, b) for name, mine in numbers[0].items() for a, b in zip(mine, numbers[1][name], strict=True)
    )


def _alike(a: float | None, b: float | None) -> bool:
    return a == b if a is None or b is None else math.isclose(a, b, rel_tol=CLOSE, abs_tol=CLOSE)


def disputes(record: Record, others: Mapping[str, Record]) -> list[str]:
    """Which records of the board (file name -> record) are of the same measurement and have other numbers."""
    return [
        f"provenance.inputs: {name} is of the same measurement and has other numbers; one of the two is false"
        for name, other in others.items()
        if measurement(other) == measurement(record) and not agree(record, other)
    ]


def differences(claimed: Record, again: Record) -> list[str]:
    """Where a second measurement leaves a record's stated interval (or, without one, its value), one line each."""
    out = []
    for value in claimed.values:
        second = again.get(value.metric)
        if second is None:
            out.append(f"values.{value.metric}: cannot be measured again here")
        elif second.protocol != value.protocol:
            out.append(f"values.{value.metric}.protocol: measured again under {second.protocol}, not {value.protocol}")
        elif not _within(value.low, value.high, value.value, second.value):
            span = "its value" if value.low is None else f"[{value.low:.6g}, {value.high:.6g}]"
            out.append(
                f"values.{value.metric}.value: {value.value:.6g} claimed, {second.value:.6g} again; outside {span}"
            )
    return out


def _within(low: float | None, high: float | None, value: float, again: float) -> bool:
    if low is not None and high is not None and low <= again <= high:
        return True
    return math.isclose(value, again, rel_tol=CLOSE, abs_tol=CLOSE)


def trust_note(record: Record) -> str:
    """What a maintainer can do to confirm the record's trust level."""
    if record.trust == "re-run from weights":
        return "claims 're-run from weights': confirm with --rerun METHOD --weights PATH --data RELEASE"
    if record.trust == "re-scored from pictures":
        return "claims 're-scored from pictures': confirm with --pictures DIR --data RELEASE"
    if record.trust == "judged by people":
        return (
            "claims 'judged by people': ask for the study's folder; 'aahq-bench judge STUDY --report' gives the numbers"
        )
    return "self-reported: shown in grey, never ranked"


def protocols_of(records: Sequence[Record]) -> set[str]:
    """Ids of all protocols that records hold."""
    return {value.protocol for record in records for value in record.values}
