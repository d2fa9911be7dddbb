"""A run's folder that holds somebody else's files is neither cleared nor written into."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmark.run.reproduction import Reproduction
from benchmark.run.snapshot_scores import BEST, score_checkpoint
from benchmark.run.snapshots import Run
from benchmark.run.training import BEGUN, train_step
from benchmark.tasks.settings import MethodSettings, Reproduce, Step
from models.training.run_folder import WRITTEN, RunFolder
from suite.errors import SuiteError


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


STEP = Step(name="x", command=("no_such_module", "{run}"))


def work(out: Path) -> Reproduction:
    methods = (MethodSettings(name="X", steps=(STEP,)),)
    settings = Reproduce(faces=2, styles=2, features="inception", methods=methods)
    return Reproduction(settings, "x", out, weights_folder=out, offline=True)


@pytest.mark.parametrize(
    ("name", "begun"),
    [("thesis.tex", False), ("thesis.tex", True), ("checkpoints/mine.pt", False), ("notes/2026.md", True)],
)
def test_a_reproductions_training_clears_only_what_one_made(tmp_path: Path, name: str, begun: bool) -> None:
    given = work(tmp_path / "out")
    run = given.run(STEP)
    (run / name).parent.mkdir(parents=True)
    (run / name).write_bytes(b"my only copy")
    if begun:
        (run / BEGUN).write_text(json.dumps({"command": "of another one"}))
    before = files(run)
    with pytest.raises(SuiteError, match=f"{name.split('/')[0]}.*that no training here wrote"):
        train_step(given, STEP)
    assert files(run) == before


def test_a_link_in_the_runs_place_is_refused(tmp_path: Path) -> None:
    given = work(tmp_path / "out")
    (tmp_path / "mine").mkdir()
    given.run(STEP).parent.mkdir(parents=True)
    given.run(STEP).symlink_to(tmp_path / "mine")
    with pytest.raises(SuiteError, match="is a link"):
        train_step(given, STEP)


@pytest.mark.parametrize("name", WRITTEN)
def test_a_run_begins_in_no_folder_that_has_its_names_already(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    (tmp_path / name / "mine").write_bytes(b"my only copy")
    run = RunFolder(tmp_path, writes=True)
    with pytest.raises(SuiteError, match=f"holds '{name}' that no run here wrote"):
        run.begin("x", {}, {}, resumed=False)
    assert files(tmp_path) == {f"{name}/mine": b"my only copy"}


def test_a_best_of_ones_own_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text("{}")
    (tmp_path / BEST).mkdir()
    (tmp_path / BEST / "mine.safetensors").write_bytes(b"my only copy")
    run = object.__new__(Run)
    object.__setattr__(run, "folder", tmp_path)
    with pytest.raises(SuiteError, match="was not kept by this command"):
        score_checkpoint(run, tmp_path, None)  # type: ignore[arg-type]
    assert (tmp_path / BEST / "mine.safetensors").read_bytes() == b"my only copy"
