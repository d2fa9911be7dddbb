"""The wheel outside of the checkout: every data file is inside, and the four programs answer."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("aahq", "models", "baselines", "benchmark", "ops", "suite")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds the unpacked wheel, as site-packages would."""
    place = tmp_path_factory.mktemp("wheel")
    source = place / "source"
    for name in (*PACKAGES, "pyproject.toml", "README.md", "LICENSE"):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        source.mkdir(exist_ok=True)
        copy(ROOT / name, source / name)
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", str(place)]
    subprocess.run([*build, str(source)], check=True, capture_output=True, timeout=280)
    (wheel,) = place.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(place / "site")
    return place / "site"


@pytest.mark.slow
def test_every_file_of_the_packages_is_in_the_wheel(site: Path) -> None:
    tracked = subprocess.run(["git", "ls-files", *PACKAGES], cwd=ROOT, check=True, capture_output=True, text=True)
    # The board's records, and pictures that pages show, stay in the repository.
    wanted = {
        name
        for name in tracked.stdout.split("\n")
        if name and not name.startswith("benchmark/records/") and not name.endswith(".png")
    }
    missing = sorted(name for name in wanted if not (site / name).is_file())
    assert missing == []


@pytest.mark.slow
@pytest.mark.parametrize("program", ["aahq", "blendgan", "baselines", "aahq-bench"])
def test_the_programs_answer_from_the_wheel(program: str, site: Path, tmp_path: Path) -> None:
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    module, _, function = scripts[program].partition(":")
    code = f"import sys, {module} as m; assert m.__file__.startswith({str(site)!r}); sys.argv[0] = {program!r}; m.{function}()"
    done = subprocess.run(
        [sys.executable, "-c", code, "--help"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert f"Usage: {program}" in done.stdout
