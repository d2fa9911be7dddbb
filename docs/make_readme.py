"""Fill README.md and docs/formats.md between their markers: kept outputs, Tables 1-3 from records, costs, columns.

    <!-- begin NAME -->  ...written here...  <!-- end NAME -->

Everything comes from files of this repository: `docs/outputs/*.txt`, `benchmark/records/*.json`, `speed/results/costs.json`,
`aahq/release/schema.py`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from aahq.release.schema import COLUMNS
from benchmark.metrics.table import metric_of
from benchmark.report.tables import number
from benchmark.run.record import Record, Value, read_all
from benchmark.tasks.paper import TITLES, Cell, cells, published
from speed.costs import COMMANDS
from suite.errors import SuiteError
from suite.files import write_whole

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
FORMATS = ROOT / "docs" / "formats.md"
OUTPUTS = ROOT / "docs" / "outputs"
RECORDS = ROOT / "benchmark" / "records"
COSTS = ROOT / "speed" / "results" / "costs.json"
PROFILES = ("paper", "small", "demo")
WIDEST = 118


def output(name: str) -> str:
    """A kept output as a block, or one sentence where none is kept."""
    kept = OUTPUTS / f"{name}.txt"
    if not kept.is_file():
        return f"No output is kept for this commit; `{name.replace('-', ' ')}` prints its own."
    lines = [line if len(line) <= WIDEST else f"{line[: WIDEST - 3]}..." for line in kept.read_text().splitlines()]
    return "\n".join(["```text", *lines, "```"])


def measured() -> dict[str, dict[Cell, Record]]:
    """Profile -> cell -> record, of the records that were measured and stand in a table of the paper.

    Raises:
        SuiteError: two records of one cell and profile.
    """
    out: dict[str, dict[Cell, Record]] = {}
    for record in read_all(RECORDS):
        cell, profile = record.paper_cell, record.provenance.profile
        if cell is None or profile not in PROFILES or record.trust in ("published", "self-reported"):
            continue
        if cell in out.setdefault(profile, {}):
            raise SuiteError(f"benchmark/records: two records of {cell.key} with profile {profile}; keep one")
        out[profile][cell] = record
    for found in out.values():
        for record in list(found.values()):
            for cell in record.same_cells:
                found.setdefault(cell, record)
    return out


def first_metric(record: Record, kind: str) -> Value | None:
    """The value that stands beside the paper's FID or LPIPS."""
    return next((value for value in record.values if metric_of(value.metric).column == kind), None)


def shown(value: Value | None) -> str:
    """A number with its interval."""
    if value is None:
        return "not measured"
    if value.low is None or value.high is None:
        return number(value.value)
    return f"{number(value.value)} ({number(value.low)} to {number(value.high)})"


def tables() -> str:
    """Tables 1-3: the paper's figures, and beside them every profile that has records."""
    known = measured()
    out: list[str] = []
    for table, title in TITLES.items():
        profiles = [p for p in PROFILES if any(cell.table == table for cell in known.get(p, {}))]
        heads = ["guidance", "method", "FID, paper", "LPIPS, paper"]
        for profile in profiles:
            sample = next(record for cell, record in known[profile].items() if cell.table == table)
            for kind in ("FID", "LPIPS"):
                value = first_metric(sample, kind)
                heads.append(f"{value.metric if value else kind}, `{profile}`")
        out += [f"**{title}**", "", f"| {' | '.join(heads)} |", "|---|---|" + "--:|" * (len(heads) - 2)]
        for cell in cells((table,)):
            paper = published(cell)
            row = [cell.guidance, cell.label, number(paper.fid), number(paper.lpips)]
            for profile in profiles:
                record = known[profile].get(cell)
                row += [shown(first_metric(record, kind) if record else None) for kind in ("FID", "LPIPS")]
            out.append(f"| {' | '.join(row)} |")
        out.append("")
    return "\n".join(out).rstrip()


def costs() -> str:
    """What commands cost, as `python -m speed.costs` measured it."""
    if not COSTS.is_file():
        return "`python -m speed.costs` measures them into `speed/results/costs.json`; no measurement is kept yet."
    kept = json.loads(COSTS.read_text())["rows"]
    rows = [kept[name] | {"note": command.note} for name, command in COMMANDS.items() if name in kept]
    out = ["| command | time | processor time | peak memory | disk |", "|---|--:|--:|--:|--:|"]
    for row in rows:
        memory, disk = row["peak_bytes"] / 2**20, row["disk_bytes"] / 2**20
        times = f"{_time(row['seconds'])} | {_time(row['cpu_seconds'])}"
        out.append(f"| `{row['command']}`{row['note']} | {times} | {memory:.0f} MiB | {disk:.1f} MiB |")
    return "\n".join([*out, "", *sorted({f"Measured on {row['machine']}." for row in rows})])


def _time(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.1f} min"


def columns() -> str:
    """The columns of a release's manifest."""
    out = ["| column | type | what |", "|---|---|---|"]
    return "\n".join([*out, *(f"| `{name}` | {one.type} | {one.what} |" for name, one in COLUMNS.items())])


PARTS: dict[Path, dict[str, Callable[[], str]]] = {
    README: {
        "demo": lambda: output("make-demo"),
        "test": lambda: output("make-test"),
        "tables": tables,
        "costs": costs,
    },
    FORMATS: {"columns": columns},
}


def filled(page: Path) -> str:
    """The page's text with every part written anew.

    Raises:
        SuiteError: a part without its markers.
    """
    text = page.read_text()
    for name, render in PARTS[page].items():
        begin, end = f"<!-- begin {name} -->", f"<!-- end {name} -->"
        before, found, rest = text.partition(begin)
        _, closed, after = rest.partition(end)
        if not found or not closed:
            raise SuiteError(f"{page.name}: no {begin} ... {end}")
        text = f"{before}{begin}\n{render()}\n{end}{after}"
    return text


if __name__ == "__main__":
    for page in PARTS:
        write_whole(page, filled(page))
