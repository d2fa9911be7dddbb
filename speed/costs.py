"""`python -m speed.costs [NAME ...]`: what a command costs: wall time, peak memory and disk, each in a process of its own.

Writes `speed/results/costs.json`, from which `python docs/make_readme.py` draws the README's table. A kept row of a
command that is not measured again stays as it was.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from json import loads
from pathlib import Path
from typing import Any

from speed.run import RESULTS, machine
from suite.cli import run_script
from suite.errors import SuiteError, did_you_mean
from suite.files import write_json

COSTS = RESULTS / "costs.json"
SAMPLE_SECONDS = 0.2


@dataclass(frozen=True)
class Command:
    """One row.

    Attributes:
        shown: the command as the README shows it.
        module: the package that `python -m` runs.
        words: its arguments; run in an empty folder that the commands of `after` have worked in before.
        makes: the file or folder whose size is the row's disk.
        after: names of commands that must have run there.
        note: what the README adds to the command.
    """

    shown: str
    module: str
    words: tuple[str, ...]
    makes: str
    after: tuple[str, ...] = ()
    note: str = ""


def _command(shown: str, makes: str, *after: str, note: str = "") -> Command:
    program, *words = shown.split()
    module = {"aahq": "aahq", "blendgan": "models", "baselines": "baselines", "aahq-bench": "benchmark"}[program]
    return Command(shown, module, tuple(words), makes, after, note)


COMMANDS: dict[str, Command] = {
    "demo": _command("aahq demo", "demo"),
    "portraits": _command("aahq portraits painted --count 1000 --size 64 --domain both", "painted"),
    "verify": _command("aahq verify painted", "painted/manifest.parquet", "portraits"),
    "encoder": _command(
        "blendgan train-encoder --profile demo --data painted -o runs/encoder", "runs/encoder", "portraits"
    ),
    "blendgan": _command(
        "blendgan train --profile demo --data painted --encoder runs/encoder/style_encoder.safetensors -o runs/blendgan",
        "runs/blendgan",
        "encoder",
    ),
    "sample": _command(
        "blendgan sample --weights runs/blendgan/blendgan.safetensors --seeds 0-15 -o samples", "samples", "blendgan"
    ),
    "sample-1024": _command(
        "blendgan sample --random-weights 0 --size 1024 --seeds 0-3 -o samples-1024", "samples-1024"
    ),
    "adain": _command("baselines train adain --profile demo --data painted -o runs/adain", "runs/adain", "portraits"),
    "munit": _command("baselines train munit --profile demo --data painted -o runs/munit", "runs/munit", "portraits"),
    "funit": _command("baselines train funit --profile demo --data painted -o runs/funit", "runs/funit", "portraits"),
    "drit": _command("baselines train drit --profile demo --data painted -o runs/drit", "runs/drit", "portraits"),
    "stargan2": _command(
        "baselines train stargan2 --profile demo --data painted -o runs/stargan2", "runs/stargan2", "portraits"
    ),
    "reproduce": _command("aahq-bench reproduce --profile demo", "reproduce-demo"),
    "reproduce-again": _command(
        "aahq-bench reproduce --profile demo", "reproduce-demo/records", "reproduce", note=" again, nothing changed"
    ),
}


def tree_memory(root: int) -> int:
    """Bytes that a process and all below it hold now (proportional set size, so that shared pages count once)."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
            except (OSError, IndexError):
                continue
            children.setdefault(parent, []).append(int(entry.name))
    total, waiting = 0, [root]
    while waiting:
        process = waiting.pop()
        waiting += children.get(process, [])
        try:
            lines = (Path("/proc") / str(process) / "smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        total += next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0) * 1024
    return total


def disk(path: Path) -> int:
    """Bytes of a file, or of all files below a folder."""
    if path.is_file():
        return path.stat().st_size
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file() and not file.is_symlink())


def measure(command: Command, folder: Path) -> dict[str, Any]:
    """Run it in `folder`; its wall seconds, processor seconds, peak memory of all its processes and the disk it took.

    Raises:
        SuiteError: the command's own last line, where it failed.
    """
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[1])}
    before, begun, peak = os.times(), time.perf_counter(), 0
    log = folder / "log.txt"
    with log.open("wb") as words:
        process = subprocess.Popen(
            [sys.executable, "-m", command.module, *command.words], cwd=folder, stdout=words, stderr=words, env=environment
        )  # fmt: skip
        while process.poll() is None:
            peak = max(peak, tree_memory(process.pid))
            time.sleep(SAMPLE_SECONDS)
    seconds, after = time.perf_counter() - begun, os.times()
    if process.returncode:
        last = log.read_text(errors="replace").strip().splitlines()[-1:]
        raise SuiteError(f"costs: {command.shown} ended with {process.returncode}: {' '.join(last)[:300]}")
    used = after.children_user + after.children_system - before.children_user - before.children_system
    return {
        "command": command.shown,
        "seconds": round(seconds, 1),
        "cpu_seconds": round(used, 1),
        "peak_bytes": peak,
        "disk_bytes": disk(folder / command.makes),
    }


def in_order(names: Sequence[str]) -> list[str]:
    """The names with everything that they need before them, each once."""
    out: list[str] = []
    for name in names:
        for one in (*in_order(COMMANDS[name].after), name):
            if one not in out:
                out.append(one)
    return out


def main(wanted: Sequence[str]) -> None:
    """Measure the wanted commands (all without names) and what they need, and keep the rows."""
    if not sys.platform.startswith("linux"):
        raise SuiteError(f"costs: reads /proc of Linux; this is {platform.system()}")
    for name in wanted:
        if name not in COMMANDS:
            raise SuiteError(f"costs: no {name!r}{did_you_mean(name, COMMANDS)}")
    rows: dict[str, Any] = loads(COSTS.read_text())["rows"] if COSTS.is_file() else {}
    folder = Path(tempfile.mkdtemp(prefix="costs-"))
    try:
        for name in in_order(wanted or list(COMMANDS)):
            row = measure(COMMANDS[name], folder)
            rows[name] = {**row, "machine": machine()}
            print(f"{row['command']:90} {row['seconds']:8.1f} s  {row['peak_bytes'] / 1e6:8.0f} MB", flush=True)
            write_json(COSTS, {"rows": {key: rows[key] for key in COMMANDS if key in rows}})
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    run_script(main)
