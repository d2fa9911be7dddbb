"""A result's name is made here; a person's picture that has it is not written over."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from PIL import Image, PngImagePlugin

from models.data.pictures import save_png
from suite.errors import SuiteError


def test_own_results_are_written_again_and_others_never(tmp_path: Path) -> None:
    path, picture = tmp_path / "seed000001.png", torch.zeros(3, 8, 8)
    for text in ({"weights": "x"}, None):
        save_png(path, picture, text)
    before = PngImagePlugin.PngInfo()
    before.add_text("weights", "of a release before")
    Image.new("RGB", (8, 8)).save(path, pnginfo=before)
    save_png(path, picture)
    for save in (lambda: Image.new("RGB", (8, 8)).save(path), lambda: path.write_bytes(b"my only copy")):
        save()
        data = path.read_bytes()
        with pytest.raises(SuiteError, match="is there already and not this command's own"):
            save_png(path, picture)
        assert path.read_bytes() == data


def test_a_table_over_notes_is_refused(tmp_path: Path) -> None:
    from benchmark.cli import main
    from benchmark.run.record import write
    from tests.benchmark.report.test_records_and_tables import MUNIT, record

    write(tmp_path / "records" / "munit.json", record(MUNIT))
    words = ["tables", str(tmp_path / "records"), "--table", "2", "-o", str(tmp_path)]
    for _ in range(2):
        assert CliRunner().invoke(main, words).exit_code in (0, 1)
    (tmp_path / "table2.txt").write_text("my notes on the second table of the paper")
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 2
    assert (tmp_path / "table2.txt").read_text().startswith("my notes")
