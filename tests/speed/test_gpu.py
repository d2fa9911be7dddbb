"""`python -m speed.gpu`: the whole of it tiny on the processor, and what holds it together when it is cut or fails."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch

import ops.dispatch
from speed import run as speed_run
from speed.gpu import __main__ as gpu
from speed.gpu import report
from speed.gpu.parts import PARTS
from speed.gpu.record import Run, read
from speed.run import Row
from suite.errors import SuiteError

ROOT = Path(__file__).parents[2]
CPU = torch.device("cpu")


def a_run(tmp_path: Path, seconds: float = 60.0) -> Run:
    return Run(tmp_path, "right", seconds, CPU, True)


def broken() -> list[Row]:
    raise ZeroDivisionError("division by zero")


def test_done_work_is_kept_and_failed_work_is_tried_again(tmp_path: Path) -> None:
    calls: list[str] = []

    def fails() -> list[Row]:
        calls.append("fails")
        raise ValueError("no\nsuch thing")

    def works() -> list[Row]:
        calls.append("works")
        return [Row("figure", 1.0, "s")]

    for _ in range(2):
        run = a_run(tmp_path)
        run.take("a", fails)
        run.take("b", works)
    assert calls == ["fails", "works", "fails"]
    a_run(tmp_path).take("a", works)
    assert [(line["work"], "failed" in line) for line in read(tmp_path / "right.jsonl")] == [("a", False), ("b", False)]


def test_what_the_time_does_not_allow_is_left_for_the_next_call(tmp_path: Path) -> None:
    run = a_run(tmp_path, 0.0)
    run.take("late", lambda: [Row("figure", 1.0, "s")])
    assert run.left == ["late"]
    assert not run.lines.exists()


def test_a_line_that_was_cut_is_no_line(tmp_path: Path) -> None:
    (tmp_path / "right.jsonl").write_text('{"work": "a", "rows": []}\n{"work": "b", "ro')
    assert [line["work"] for line in read(tmp_path / "right.jsonl")] == ["a"]


def test_the_table_has_measured_beside_predicted_and_failures_last(tmp_path: Path) -> None:
    rows = [
        Row("copy bandwidth", 2.9, "TB/s"),
        Row("bias_act, backward, bfloat16, channels last", 70.0, "%", "at least 80", "", False),
        Row("never predicted", 1.0, "s"),
    ]
    run = Run(tmp_path, "kernels", 60.0, CPU)
    run.take("ceilings", lambda: rows)
    run.take("broken", broken)
    lines = report.table(tmp_path, "NVIDIA H200").splitlines()
    assert lines[1].split()[:4] == ["copy", "bandwidth", "2.9", "4.3"]
    assert report.predicted("copy bandwidth", "NVIDIA H100 80GB HBM3") == 3.0
    assert " 90  % at least 80 NOT MET" in lines[2]
    assert " -  s" in lines[3]
    assert lines[4] == "FAILED broken: ZeroDivisionError: division by zero"


def test_every_prediction_says_how_it_was_come_by() -> None:
    for what, entry in report.predictions().items():
        assert len(entry["why"]) > 10, what
        assert "value" in entry or {"h100", "h200"} <= entry.keys(), what


def test_a_kept_record_is_a_block_of_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (speed_run, report):
        monkeypatch.setattr(module, "RESULTS", tmp_path)
        monkeypatch.setattr(module, "SPEED_PAGE", tmp_path / "speed.md")
    run = Run(tmp_path, "kernels", 60.0, CPU)
    run.take("ceilings", lambda: [Row("copy bandwidth", 2.9, "TB/s", "at least 2", "read and written", True)])
    run.take("broken", broken)
    report.write(tmp_path, keep=True)
    page = (tmp_path / "speed.md").read_text()
    assert "## on a GPU (`python -m speed.gpu`)" in page
    assert "| work | measured | predicted | aim | compared with |" in page
    assert "| copy bandwidth | 2.9 TB/s | 3 | at least 2, met | read and written |" in page
    assert "- broken: ZeroDivisionError" in page


def test_a_kernel_that_lost_is_not_chosen_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ops.dispatch, "triton_missing", lambda: None)
    assert ops.dispatch.explain("cuda")["gram"].implementation == "triton"
    monkeypatch.setitem(ops.dispatch.NOT_FASTER, "gram", "0.6 of cuBLAS on an H100")
    choice = ops.dispatch.explain("cuda")["gram"]
    assert choice.implementation == "reference"
    assert "0.6 of cuBLAS on an H100" in choice.reason
    assert ops.dispatch.explain("cuda")["bias_act"].implementation == "triton"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["kernel"], "no 'kernel'; did you mean 'kernels'?"),
        (["--rehearse", "--peers", "nowhere"], "--peers nowhere: no such folder"),
        ([], "no CUDA device is to be seen; --rehearse"),
    ],
)
def test_what_cannot_run_is_one_line_before_the_work(
    arguments: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(SuiteError) as refused:
        gpu.main([*arguments, "-o", str(tmp_path / "out")])
    assert said in str(refused.value)
    assert not (tmp_path / "out").exists()


def test_missing_packages_are_named_before_the_work(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(gpu.NEEDED, "nothing_of_this_name", "nothing-of-this-name")
    with pytest.raises(SuiteError, match="pip install nothing-of-this-name"):
        gpu.main(["--rehearse", "-o", str(tmp_path / "out")])


def test_the_parts_fit_into_twelve_minutes() -> None:
    assert sum(part.seconds for part in PARTS.values() if not part.behind) <= 690


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_whole_run_is_rehearsed(tmp_path: Path) -> None:
    """Every part runs to its end on the processor; every aim and every prediction meets a figure of that name."""
    out, home = tmp_path / "out", tmp_path / "home"
    command = [
        sys.executable,
        "-m",
        "speed.gpu",
        "--rehearse",
        "-o",
        str(out),
        "--bring",
        str(home),
        "--seconds",
        "1700",
    ]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr[-3000:]
    failed = {work: why for work, _, why in report.measured(out) if why}
    assert failed == {}, done.stdout[-3000:]
    rows: dict[str, Any] = {row.what: row for _, rows, _ in report.measured(out) for row in rows}
    unmatched = set(report.predictions()) - {
        key for key in report.predictions() for what in rows if report.matches(key, what)
    }
    assert unmatched == set()
    unpredicted = {what for what, row in rows.items() if row.target and report.predicted(what, "") is None}
    assert {what for what in unpredicted if "waiting" not in what} == set()
    # Right is right at any size.
    assert {what for what, row in rows.items() if row.met is False and row.unit == "of the largest value"} == set()
    assert rows["operators against references"].value == 0
    assert sorted(path.name for path in home.iterdir()) == [
        "cells.zip", "gpu.json", "logs.zip", "pictures.zip", "table.txt", "weights-baselines.zip", "weights-blendgan.zip",
    ]  # fmt: skip
    kept = {
        name: zipfile.ZipFile(home / f"{name}.zip").namelist() for name in ("weights-blendgan", "pictures", "cells")
    }
    assert "blendgan/g_ema.safetensors" in kept["weights-blendgan"]
    assert "blendgan/g.safetensors" not in kept["weights-blendgan"]
    assert any(name.startswith("munit/sheets/") for name in kept["pictures"])
    assert "cells/tables/table3.csv" in kept["cells"]
    assert json.loads((home / "gpu.json").read_text())["failed"] == {}
    again = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=environment)
    assert ": done (" not in again.stdout
