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
from benchmark.report.tables import NONE, Entry, build, number
from benchmark.run.record import Record
from benchmark.run.record_file import read_all
from benchmark.tasks.paper import BESIDE, TITLES, cells, published
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


def measured() -> dict[str, list[Record]]:
    """Profile -> records of this project's own measurement: of cells of the paper, and of controls."""
    out: dict[str, list[Record]] = {}
    for record in read_all(RECORDS):
        ours = record.table_cell is not None or record.method.control
        if ours and record.provenance.profile in PROFILES and record.trust not in ("published", "self-reported"):
            out.setdefault(record.provenance.profile, []).append(record)
    return out


def shown(entry: Entry) -> str:
    """A number with its interval."""
    value = entry.value
    if value is None:
        return "not measured" if entry.missing else NONE
    if value.low is None or value.high is None:
        return number(value.value)
    return f"{number(value.value)} ({number(value.low)} to {number(value.high)})"


def tables() -> str:
    """Tables 1-3: the paper's figures, and beside them every profile that has records, with the controls.

    Raises:
        SuiteError: two records of one cell and profile.
    """
    known = measured()
    out: list[str] = []
    for table, title in TITLES.items():
        built = {profile: build(table, known[profile]) for profile in PROFILES if profile in known}
        heads = ["guidance", "method", "FID, paper", "LPIPS, paper"]
        heads += [f"{column.metric}, `{profile}`" for profile, one in built.items() for column in one.columns]
        out += [f"**{title}**", "", f"| {' | '.join(heads)} |", "|---|---|" + "--:|" * (len(heads) - 2)]
        rows = {row.cell.key: row for one in built.values() for row in one.rows}
        for cell in dict.fromkeys([*(row.cell for row in rows.values()), *cells((table,))]):
            control = cell.key in rows and rows[cell.key].control
            paper = None if control or cell in BESIDE else published(cell)
            line = [cell.guidance, cell.label, *((number(paper.fid), number(paper.lpips)) if paper else ("", ""))]
            for one in built.values():
                row = next((row for row in one.rows if row.cell == cell), None)
                line += [shown(entry) for entry in row.entries] if row else ["not measured"] * len(one.columns)
            out.append(f"| {' | '.join(line)} |")
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
        before, marker, rest = text.partition(begin)
        _, closed, after = rest.partition(end)
        if not marker or not closed:
            raise SuiteError(f"{page.name}: no {begin} ... {end}")
        text = f"{before}{begin}\n{render()}\n{end}{after}"
    return text


if __name__ == "__main__":
    for page in PARTS:
        write_whole(page, filled(page))
