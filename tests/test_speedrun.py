"""examples/speedrun.py runs from portraits to a score, in a size that takes seconds."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
SPEEDRUN = (ROOT / "examples" / "speedrun.py").read_text()


@pytest.mark.slow
def test_the_speedrun_ends_with_a_score_and_a_sheet(tmp_path: Path) -> None:
    small = ["--portraits", "16", "--encoder-steps", "1", "--warmup-steps", "1", "--steps", "17", "--score", "16"]
    done = subprocess.run(
        [sys.executable, str(ROOT / "examples" / "speedrun.py"), *small, "--out", str(tmp_path / "sheet.png")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stderr
    score = re.search(r"score (\d+\.\d)  \(natural \d+\.\d, art \d+\.\d\)", done.stdout)
    assert score
    assert float(score[1]) > 100  # 17 steps from nothing are far from real pictures
    assert Image.open(tmp_path / "sheet.png").size == (8 * 64, 3 * 64)


def test_the_file_stays_one_that_can_be_read_at_once() -> None:
    assert len((ROOT / "examples" / "speedrun.py").read_text().splitlines()) <= 300


def test_records_are_dated_and_ordered_by_score() -> None:
    rows = re.findall(
        r"^\| (\d{4}-\d\d-\d\d) \| ([\d.]+) \| ([\d.]+) \| .+ \| [0-9a-f]{7} \| .+ \|$", SPEEDRUN, re.MULTILINE
    )
    assert rows
    assert [float(score) for _, score, _ in rows] == sorted((float(score) for _, score, _ in rows), reverse=True)
