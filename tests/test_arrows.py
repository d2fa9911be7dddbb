"""The house's import arrows: nothing imports upwards or in a circle, and nothing heavy happens at import."""

from __future__ import annotations

import ast
import graphlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MAY_IMPORT = {
    "suite": set(),
    "ops": {"suite"},
    "models": {"suite", "ops"},
    "baselines": {"suite", "ops", "models"},
    "benchmark": {"suite", "ops", "models", "baselines"},
    "aahq": {"suite"},
}


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.add(node.module.split(".")[0])
    return names & set(MAY_IMPORT)


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_imports_run_downwards(room: str) -> None:
    allowed = MAY_IMPORT[room] | {room}
    files = sorted((ROOT / room).rglob("*.py"))
    assert files
    upwards = {str(path.relative_to(ROOT)): wrong for path in files if (wrong := imported(path) - allowed)}
    assert upwards == {}


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imported_modules(path: Path, modules: set[str]) -> set[str]:
    """The house's modules that a file imports anywhere: at its top, inside functions, or for the type checker."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            for full in (f"{node.module}.{alias.name}" for alias in node.names):
                names.add(full if full in modules else node.module)
    return (names & modules) - {module_name(path)}


def test_no_file_imports_in_a_circle() -> None:
    files = {module_name(path): path for room in MAY_IMPORT for path in (ROOT / room).rglob("*.py")}
    graph = {name: imported_modules(path, set(files)) for name, path in files.items()}
    assert sum(map(len, graph.values())) > len(files)
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        pytest.fail(f"import circle: {' -> '.join(error.args[1])}")


MOST_FILES_AT_THE_TOP = 20


def test_the_top_of_a_room_stays_small() -> None:
    # What has a topic belongs into the folder of that topic.
    assert len(list((ROOT / "aahq").glob("*.py"))) <= MOST_FILES_AT_THE_TOP


@pytest.mark.parametrize("room", ["aahq", "models", "baselines", "benchmark"])
def test_help_needs_no_heavy_library(room: str) -> None:
    code = f"import sys, {room}.cli; print([m for m in ('torch', 'dlib', 'scipy', 'matplotlib') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"


LIGHT = {"models": ["weights", "--json"], "benchmark": ["reproduce", "--profile", "paper", "--plan"]}


@pytest.mark.parametrize("room", LIGHT)
def test_a_listing_or_a_plan_never_waits_for_torch(room: str, tmp_path: Path) -> None:
    # Programs end by leaving the interpreter, so the question is put on the way out.
    code = f"import atexit, sys, {room}.cli as c; atexit.register(lambda: print('torch' in sys.modules)); c.main({LIGHT[room]})"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "AAHQ_WEIGHTS": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, env=environment)
    assert done.stdout.splitlines()[-1] == "False", done.stderr
