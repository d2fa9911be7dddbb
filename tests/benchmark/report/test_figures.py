"""The figures from the model that comes with the package, on a toy release: what stands where, and what is missing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from benchmark.commands.figures import command
from benchmark.report.figure_context import LABEL, FigureContext
from benchmark.report.figures import FIGURES, draw_figures
from benchmark.run.generate import read_rows
from benchmark.run.reproduction import Reproduction
from benchmark.tasks.settings import MethodSettings, Reproduce
from models.weights.download import find
from tests.benchmark.toys import write_release

pytestmark = pytest.mark.slow
SIZE = 32


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> FigureContext:
    folder = tmp_path_factory.mktemp("figures")
    methods = (MethodSettings(name="BlendGAN", published="painted"), MethodSettings(name="MUNIT"))
    settings = Reproduce(faces=4, styles=3, methods=methods)
    work = Reproduction(settings, "toy", folder, data=write_release(folder / "data"), offline=True)
    painted = find("painted")
    assert painted is not None
    picture = folder / "style.png"
    Image.fromarray(np.full((40, 40, 3), (200, 30, 60), dtype=np.uint8)).save(picture)
    # Neither an ablation nor a finetuning is at hand; the way of their figures is the same with the model itself.
    return FigureContext.open(work, SIZE, 3, gram_codes=painted, finetuned=((painted, picture),))


def tile(sheet: Image.Image, row: int, column: int) -> np.ndarray:
    top, left = row * (SIZE + LABEL) + LABEL, column * SIZE
    return np.asarray(sheet.crop((left, top, left + SIZE, top + SIZE)))


@pytest.mark.parametrize(("number", "columns", "rows"), [(1, 3, 3), (4, 8, 3), (5, 11, 3), (13, 7, 3), (14, 7, 3)])
def test_figures_of_the_paper_itself(context: FigureContext, number: int, columns: int, rows: int) -> None:
    sheet = FIGURES[number][1](context)
    assert sheet.size == (columns * SIZE, rows * (SIZE + LABEL))
    assert tile(sheet, rows - 1, 1).std() > 5


def test_the_sweep_goes_from_the_style_to_the_natural_face(context: FigureContext) -> None:
    sheet = FIGURES[5][1](context)
    natural = FIGURES[13][1](context)
    # The last column is i = 18, where styles have no say: but for its noise the face that figure 13 begins its rows with.
    far = [np.abs(tile(sheet, 1, column).astype(int) - tile(natural, 1, 0)).mean() for column in (1, 10)]
    assert far[0] > 2 * far[1]


@pytest.mark.parametrize("number", [9, 10])
def test_given_faces_are_inverted_and_restyled(
    context: FigureContext, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmark.report.appendix_figures.STEPS", 90)
    sheet = FIGURES[number][1](context)
    first = number - 9  # figure 10 has its references above
    sources = read_rows(context.release, list(context.draws.face_rows), SIZE).permute(0, 2, 3, 1).numpy()
    gaps = []
    for row, source in enumerate(sources):
        np.testing.assert_array_equal(tile(sheet, first + row, 0), source)
        gaps.append([np.abs(tile(sheet, first + row, 1).astype(int) - other).mean() for other in sources])
    # Each inversion is nearer to its own face than to the two others.
    assert np.argmin(gaps, axis=1).tolist() == [0, 1, 2]
    if number == 10:
        reference = read_rows(context.release, [context.draws.style_rows[0][0]], SIZE)[0].permute(1, 2, 0).numpy()
        np.testing.assert_array_equal(tile(sheet, 0, 2), reference)


def test_ablation_and_one_shot_figures(context: FigureContext) -> None:
    sheet = FIGURES[11][1](context)
    assert sheet.size == (3 * SIZE, 5 * (SIZE + LABEL))
    # The same network twice here, so that both halves must be equal; i = 18 and i = 0 must not.
    np.testing.assert_array_equal(tile(sheet, 1, 0), tile(sheet, 3, 0))
    assert (tile(sheet, 1, 0) != tile(sheet, 2, 0)).any()
    sheet = FIGURES[12][1](context)
    assert sheet.size == (4 * SIZE, 2 * (SIZE + LABEL))
    # Read as 200 / 255 * 2 - 1 and back; the resize of one colour is that colour.
    assert np.abs(tile(sheet, 1, 0).astype(int) - (200, 30, 60)).max() <= 1


def test_what_cannot_be_drawn_is_said_plainly(context: FigureContext, tmp_path: Path) -> None:
    bare = FigureContext.open(context.work, SIZE, 3)
    drawn, missing = draw_figures(bare, [7, 11, 12], tmp_path)
    assert list(drawn) == [7]  # of BlendGAN alone
    assert "--gram-codes" in missing[11]
    assert "blendgan finetune" in missing[12]


def test_options_that_do_not_fit_are_refused() -> None:
    said = CliRunner().invoke(command, ["--figure", "2"])
    assert "--figure: no 2" in str(said.exception)
    said = CliRunner().invoke(command, ["--figure", "12", "--finetuned", "x"])
    assert "WEIGHTS=PICTURE" in str(said.exception)
