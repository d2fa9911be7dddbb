"""An outside method in a package of its own is found, checked and scored without a line of this repository changed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from benchmark.leaderboard.check import blurred
from benchmark.run.generate import to_float
from models.method import Face
from tests.benchmark.toys import write_release

ROOT = Path(__file__).resolve().parents[3]
PACKAGE = ROOT / "examples" / "outside_method"
SCORE = """
import json, sys
from pathlib import Path
from benchmark.commands.joining import Places, bench_work, settings_of
from benchmark.leaderboard.rerun import score_method
from benchmark.leaderboard.seed import Seed
from benchmark.run.record import MethodInfo
given = {"work": Path(sys.argv[2]), "weights_folder": None, "device": "cpu", "offline": True}
settings = settings_of("demo", ("faces=4", "styles=3"))
work = bench_work(settings, "demo", Places(Path(sys.argv[1]), None, None), given)
record, _ = score_method(work, "ColourTransfer", None, [Seed("0")], "reference", MethodInfo(name="ColourTransfer"))
print(json.dumps({v.metric: v.value for v in record.values} | {"trust": record.trust}))
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package installed into a folder, as pip would into an environment."""
    root = tmp_path_factory.mktemp("outside")
    shutil.copytree(PACKAGE, root / "package")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*command, "--target", str(root / "target"), str(root / "package")], check=True, capture_output=True)
    return root / "target"


def python(installed: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    paths = os.pathsep.join([str(installed), str(ROOT)])
    environment = {**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False, env=environment)


@pytest.mark.slow
def test_an_installed_package_is_checked_and_scored(installed: Path, tmp_path: Path) -> None:
    done = python(installed, "-m", "benchmark", "check", "ColourTransfer", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["holds"]
    assert {finding["clause"].split(":")[0] for finding in told["findings"]} == {"latent", "reference"}
    write_release(tmp_path / "data")
    done = python(installed, "-c", SCORE, str(tmp_path / "data"), str(tmp_path / "work"))
    assert done.returncode == 0, done.stderr
    scored = json.loads(done.stdout)
    assert scored["trust"] == "re-run from weights"
    assert 0 < scored["FD-lite0"] < 1e5


@pytest.mark.slow
def test_without_the_package_the_name_is_unknown(tmp_path: Path) -> None:
    done = python(tmp_path, "-m", "benchmark", "check", "ColourTransfer")
    assert done.returncode == 2
    assert done.stderr.startswith("error: --method: no 'ColourTransfer'")


def test_colours_become_the_references(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(PACKAGE / "src"))
    from colour_transfer.method import load  # type: ignore[import-not-found]

    faces, styles = to_float(blurred([1, 2], 64)) * 0.3, to_float(blurred([3, 4], 64)) * 0.3
    made = load(None, "cpu").from_reference(Face(images=faces), styles, [0, 0])
    for picture, style in zip(made.flatten(2), styles.flatten(2)):
        # 5e-3: a multiple 1e-4 of the identity keeps flat colours invertible, and a few pixels are clipped at [-1, 1].
        torch.testing.assert_close(picture.mean(1), style.mean(1), atol=5e-3, rtol=0)
        torch.testing.assert_close(torch.cov(picture), torch.cov(style), atol=5e-3, rtol=0)
