"""requirements.lock fits pyproject.toml, names no package index, and `make setup` goes on where it cannot be installed."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
LOCK = (ROOT / "requirements.lock").read_text()
PINNED = re.compile(r"^([a-z0-9-]+)==(\S+?)(?: ;.*?)?((?: \\\n +--hash=sha256:[0-9a-f]{64})+)$", re.MULTILINE)


def wanted() -> list[Requirement]:
    """Everything that the project and its extra `dev` name, but itself and PyTorch."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = [*project["dependencies"], *(line for extra in project["optional-dependencies"].values() for line in extra)]
    found = [Requirement(line) for line in lines]
    return [one for one in found if one.name not in (project["name"], "torch", "torchvision")]


@pytest.mark.parametrize("requirement", wanted(), ids=str)
def test_what_is_needed_is_pinned_at_a_version_that_is_allowed(requirement: Requirement) -> None:
    versions = {name: version for name, version, _ in PINNED.findall(LOCK)}
    name = canonicalize_name(requirement.name)
    assert name in versions, "run: make lock"
    assert requirement.specifier.contains(versions[name]), f"{versions[name]}; run: make lock"


def test_every_line_is_a_pin_with_its_hashes_and_no_address() -> None:
    rest = PINNED.sub("", LOCK).split("\n", 1)[1]
    assert rest.strip() == ""
    assert "://" not in LOCK
    assert not re.search(r"^(torch|torchvision|triton|nvidia-.*|cuda-.*)==", LOCK, re.MULTILINE)


def test_pytorch_is_left_out_and_nothing_else() -> None:
    spec = importlib.util.spec_from_file_location("make_lock", ROOT / "docs" / "make_lock.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    pin = "{}==1.0 ; sys_platform == 'linux' \\\n    --hash=sha256:00 \\\n    --hash=sha256:01\n"
    names = ("numpy", "torch", "nvidia-cudnn-cu13", "torchmetrics", "cuda-toolkit", "zstandard")
    kept = module.without_pytorch("".join(pin.format(name) for name in names))
    assert kept == "".join(pin.format(name) for name in ("numpy", "torchmetrics", "zstandard"))


PIP = """#!/bin/sh
echo "$*" >> {log}
case "$*" in *--require-hashes*) exit {status};; esac
"""


@pytest.mark.parametrize(("status", "said"), [(0, False), (1, True)])
def test_setup_takes_the_lock_and_goes_on_without_it_where_it_fails(tmp_path: Path, status: int, said: bool) -> None:
    log = tmp_path / "log"
    python = tmp_path / "venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(PIP.format(log=log, status=status))
    python.chmod(0o755)
    words = ["make", "--silent", "setup", f"VENV={tmp_path / 'venv'}", f"PYTHON={sys.executable}"]
    done = subprocess.run(
        words, cwd=ROOT, capture_output=True, text=True, check=True, env={**os.environ, "MAKEFLAGS": ""}
    )
    asked = log.read_text().splitlines()
    assert [line for line in asked if "--require-hashes --no-deps -r requirements.lock" in line]
    assert asked[-1].endswith("-e .[dev]")
    assert ("taking the newest versions instead" in done.stdout) == said
    log.unlink()
    (tmp_path / "venv" / ".installed").unlink()
    subprocess.run([*words, "LOCK="], cwd=ROOT, check=True, env={**os.environ, "MAKEFLAGS": ""})
    assert "--require-hashes" not in log.read_text()
