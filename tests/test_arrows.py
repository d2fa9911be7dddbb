"""The house's import arrows: nothing imports upwards, and nothing heavy happens at import."""

from __future__ import annotations

import ast
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


@pytest.mark.parametrize("room", ["aahq", "models", "baselines", "benchmark"])
def test_help_needs_no_heavy_library(room: str) -> None:
    code = f"import sys, {room}.cli; print([m for m in ('torch', 'dlib', 'scipy', 'matplotlib') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"
