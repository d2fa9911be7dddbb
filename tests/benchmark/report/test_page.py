"""The page over a reproduction: wall, strength, tables, curves; and what is missing."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner
from PIL import Image

from benchmark.commands.page import command
from benchmark.report.figure_context import LABEL, FigureContext
from benchmark.report.page import draw_logs, losses_of, shipped_logs, write_page
from benchmark.report.wall import wall
from benchmark.run.record_file import write
from benchmark.run.reproduction import Reproduction
from benchmark.tasks.settings import MethodSettings, Reproduce
from suite.errors import SuiteError
from tests.benchmark.report.test_records_and_tables import MUNIT, record
from tests.benchmark.toys import write_release

SIZE = 32


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Reproduction:
    folder = tmp_path_factory.mktemp("page")
    methods = (MethodSettings(name="BlendGAN", published="painted"), MethodSettings(name="MUNIT"))
    settings = Reproduce(faces=4, styles=3, methods=methods)
    return Reproduction(settings, "toy", folder, data=write_release(folder / "data"), offline=True)


def test_losses_without_what_is_none() -> None:
    log = [{"step": 1, "g_loss": 2.0, "seconds_per_step": 1.0, "d_face_real_sign": 0.1}, {"step": 2, "g_loss": 1.5}]
    assert losses_of(log) == {"g_loss": [(1, 2.0), (2, 1.5)]}


def test_every_shipped_network_has_its_curve(tmp_path: Path) -> None:
    logs = shipped_logs()
    assert "blendgan-painted-64" in logs
    draw_logs(logs, tmp_path / "curves.png")
    with Image.open(tmp_path / "curves.png") as picture:
        assert picture.width > 400


def test_a_page_without_records_is_refused(work: Reproduction, tmp_path: Path) -> None:
    with pytest.raises(SuiteError, match="no records; run aahq-bench reproduce"):
        write_page(Reproduction(work.settings, "toy", tmp_path, data=work.data, offline=True))


@pytest.mark.slow
def test_the_wall_holds_methods_and_controls_and_says_what_is_missing(work: Reproduction) -> None:
    context = FigureContext.open(work, SIZE, 3)
    sheet, missing = wall(context)
    # Face, style, painted answer, colour transfer, unchanged input, BlendGAN; MUNIT has no weights.
    assert sheet.size == (6 * SIZE, 6 * (SIZE + LABEL))
    assert "MUNIT" in missing


@pytest.mark.slow
def test_the_page_is_whole(work: Reproduction, tmp_path: Path) -> None:
    work.records.mkdir(parents=True, exist_ok=True)
    write(work.records / "one.json", record(MUNIT))
    dataset = tmp_path / "dataset"
    with pytest.raises(SuiteError, match="--dataset"):
        write_page(work, dataset)
    dataset.mkdir()
    (dataset / "report.html").write_text("<p>report</p>")
    page, missing = write_page(work, dataset)
    text = page.read_text()
    for name in ("wall.png", "strength.png", "training.png"):
        assert (page.parent / name).is_file()
        assert f'src="{name}"' in text
    assert text.count("<table>") == 3
    assert (page.parent / text.split('<a href="')[1].split('"')[0]).resolve() == (dataset / "report.html").resolve()
    assert all(name in text for name in missing)
    assert not CliRunner().invoke(command, ["--help"]).exception
