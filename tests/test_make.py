"""The Makefile's targets: what they run is what the tests run, and `make demo`'s own commands work in a small form."""

from __future__ import annotations

import importlib
import re
import shlex
import tomllib
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from PIL import Image

from suite.cli import SuiteGroup

ROOT = Path(__file__).resolve().parents[1]
PROGRAMS = {"aahq": "aahq", "blendgan": "models", "baselines": "baselines", "aahq-bench": "benchmark"}


def recipe(target: str) -> list[str]:
    """The commands of a target, variables of the Makefile filled in."""
    text = (ROOT / "Makefile").read_text()
    found = re.search(rf"^{target}:.*\n((?:\t.*\n)+)", text, re.MULTILINE)
    assert found, target
    variables = dict(re.findall(r"^(\w+)\s*[?:]?=\s*(.*)$", text, re.MULTILINE))
    lines = [line.strip().lstrip("@-") for line in found[1].splitlines()]
    for _ in range(3):
        lines = [re.sub(r"\$\((\w+)\)", lambda m: variables.get(m[1], m[0]), line) for line in lines]
    return lines


@pytest.mark.parametrize("target", ["demo", "test", "test-fast", "lint", "bench", "docs", "audit"])
def test_make_runs_the_commands_that_are_tested(target: str) -> None:
    for line in recipe(target):
        program, *rest = shlex.split(line)
        name = program.rpartition("/")[2]
        if name in PROGRAMS:
            group: SuiteGroup = importlib.import_module(f"{PROGRAMS[name]}.cli").main
            with click.Context(group, info_name=name) as context:
                verb, command, given = group.resolve_command(context, rest)
                assert command is not None, line
                command.make_context(verb, list(given), parent=context)
        elif name == "python" and rest[0] != "-m":
            assert (ROOT / rest[0]).is_file(), line
        elif name == "python":
            assert rest[1] in ("pytest", "pip") or importlib.util.find_spec(rest[1]), line
        else:
            assert name in ("ruff", "mypy", "pip-audit"), line


def test_an_audit_writes_its_bill_of_materials_whatever_it_finds() -> None:
    """pip-audit ends with 1 where it finds a hole; the bill is written first, and the last line decides."""
    text = (ROOT / "Makefile").read_text().partition("\naudit:")[2].partition("\n\n")[0]
    bill, verdict = (line for line in text.splitlines() if "/pip-audit " in line)
    assert bill.startswith("\t-")
    assert bill.endswith("--output sbom.json")
    assert verdict.startswith("\t$(BIN)/pip-audit")
    assert "sbom.json" in (ROOT / ".gitignore").read_text().split()


def test_the_container_has_what_people_use_and_takes_no_environment_along() -> None:
    text = (ROOT / "Containerfile").read_text()
    named = re.search(r'"/src\[([a-z,]+)\]"', text)
    assert named
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    # `review` is a name of before; a cluster, fuzzing and development are no container's.
    assert set(named[1].split(",")) == set(extras) - {"review", "cluster", "fuzz", "dev"}
    assert "COPY . /src" in text
    left = (ROOT / ".dockerignore").read_text().split()
    ignored = (ROOT / ".gitignore").read_text().split()
    assert {".git", *(name.strip("/") for name in ignored)} - set(left) <= {
        "__pycache__",
        "*.part",
        ".pytest_cache",
        ".ruff_cache",
        ".mypy_cache",
    }


def test_the_demos_samples_are_painted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (line,) = [line for line in recipe("demo") if "blendgan sample" in line]
    words = shlex.split(line)[1:]
    words[words.index("--seeds") + 1] = "0-1"
    words[words.index("-o") + 1] = "samples"
    done = CliRunner().invoke(importlib.import_module("models.cli").main, words)
    assert done.exit_code == 0, done.output
    faces = [Image.open(path) for path in sorted(Path("samples").glob("seed*.png"))]
    assert len(faces) == 2
    assert all(max(high - low for low, high in face.convert("RGB").getextrema()) > 60 for face in faces)
