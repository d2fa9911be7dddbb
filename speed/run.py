"""`python -m speed.run [--peers DIR] [NAME ...]`: run every file that measures and write `docs/speed.md` from the rows.

Each has `rows() -> list[Row]`. A row compares two ways to do the same work in one run, in turn, so that a noisy
machine slows both; the median of the pairwise ratios is what counts. With `--peers`, a folder of published code
(`docs/measuring.md`), files whose `rows` takes it measure beside that code too.
"""

from __future__ import annotations

import argparse
import importlib
import inspect
import json
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from suite.cli import run_script
from suite.errors import SuiteError, did_you_mean
from suite.files import write_json, write_whole

HERE = Path(__file__).parent
RESULTS = HERE / "results"
SPEED_PAGE = HERE.parent / "docs" / "speed.md"


@dataclass(frozen=True)
class Row:
    """One line of the page.

    Attributes:
        what: the work, with its size ("align 27 faces, 1024 px").
        value: the measured figure.
        unit: of the value ("x faster", "pictures/s", "MB", "s").
        target: what was aimed at, in words ("at least 3"), or "".
        note: what it is compared with, and anything a reader must know.
        met: whether the target was met; None where there is no target.
    """

    what: str
    value: float
    unit: str
    target: str = ""
    note: str = ""
    met: bool | None = None


def seconds(work: Callable[[], object]) -> float:
    """Wall seconds of one call."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def ratio(ours: Callable[[], object], other: Callable[[], object], rounds: int = 5) -> tuple[float, float, float]:
    """How many times faster `ours` is than `other`: (median pairwise ratio, median seconds of ours, of other).

    One uncounted round first; then the two in turn.
    """
    ours()
    other()
    pairs = [(seconds(ours), seconds(other)) for _ in range(rounds)]
    return (
        statistics.median(b / a for a, b in pairs),
        statistics.median(a for a, _ in pairs),
        statistics.median(b for _, b in pairs),
    )


def machine() -> str:
    """This machine in words: processor, cores, and the versions that speed depends on."""
    import os

    import torch

    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        cpu = next(
            (line.split(":", 1)[1].strip() for line in info.read_text().splitlines() if "model name" in line), cpu
        )
    gpu = torch.cuda.get_device_name(0) if torch.cuda.is_available() else "no GPU"
    return f"{cpu}, {os.cpu_count()} cores, {gpu}; Python {platform.python_version()}, PyTorch {torch.__version__}"


def names() -> list[str]:
    """The names of the files that measure."""
    return sorted(
        path.stem for path in HERE.glob("*.py") if path != Path(__file__) and "\ndef rows(" in path.read_text()
    )


def main(arguments: list[str]) -> None:
    """Run the wanted files (all without names), keep each one's rows, and draw the page from all that is kept."""
    parser = argparse.ArgumentParser(prog="python -m speed.run", description="Measure speed and memory as ratios.")
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"what to measure: {', '.join(names())}; all by default"
    )
    parser.add_argument("--peers", type=Path, metavar="DIR", help="a folder of published code (docs/measuring.md)")
    options = parser.parse_args(arguments)
    known = names()
    for name in options.names:
        if name not in known:
            raise SuiteError(f"bench: no {name!r}{did_you_mean(name, known)}")
    peers = None
    if options.peers:
        from speed.published.loading import Peers

        peers = Peers(options.peers)
    for name in options.names or known:
        print(f"== {name}", flush=True)
        measure = importlib.import_module(f"speed.{name}").rows
        if "peers" not in inspect.signature(measure).parameters:
            rows = measure()
        elif peers is not None:
            rows = measure(peers)
        elif options.names:
            raise SuiteError(f"{name}: measures beside published code; give --peers DIR (docs/measuring.md)")
        else:
            print("left out, and its kept rows stay: it needs --peers DIR (docs/measuring.md)")
            continue
        for row in rows:
            mark = {True: "met", False: "NOT MET", None: ""}[row.met]
            print(f"{row.what:60} {row.value:10.3g} {row.unit:14} {row.target:16} {mark}", flush=True)
        write_json(RESULTS / f"{name}.json", {"machine": machine(), "rows": [asdict(row) for row in rows]})
    write_whole(SPEED_PAGE, page())


def page() -> str:
    """`docs/speed.md` from the kept results."""
    out = [
        "# Speed and memory",
        "",
        "Written by `make bench`; each table names the machine that it was measured on.",
        "",
    ]
    for name in [*names(), "gpu"]:
        kept = RESULTS / f"{name}.json"
        if not kept.exists():
            continue
        result = json.loads(kept.read_text())
        title = "on a GPU (`python -m speed.gpu`)" if name == "gpu" else name
        guesses = any("predicted" in row for row in result["rows"])
        columns = ["work", "measured", *(["predicted"] if guesses else []), "aim", "compared with"]
        out += [f"## {title}", "", result["machine"], "", _line(columns), "|---" * len(columns) + "|"]
        for row in result["rows"]:
            aim = row["target"] + ("" if row["met"] is None else ", met" if row["met"] else ", **not met**")
            cells = [row["what"], f"{row['value']:.3g} {row['unit']}".strip(), aim, row["note"]]
            if guesses:
                cells.insert(2, "" if row["predicted"] is None else f"{row['predicted']:.3g}")
            out.append(_line(cells))
        out += [f"- {work}: {why}" for work, why in result.get("failed", {}).items()]
        out.append("")
    return "\n".join(out)


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    run_script(main)
