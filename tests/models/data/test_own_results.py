"""A result's name is made here; a person's picture that has it is not written over."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from PIL import Image, PngImagePlugin

from models.data.pictures import save_png
from models.inference.animation import check_target, write_frames
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
    from benchmark.run.record_file import write
    from tests.benchmark.report.test_records_and_tables import MUNIT, record

    write(tmp_path / "records" / "munit.json", record(MUNIT))
    words = ["tables", str(tmp_path / "records"), "--table", "2", "-o", str(tmp_path)]
    for _ in range(2):
        assert CliRunner().invoke(main, words).exit_code in (0, 1)
    (tmp_path / "table2.txt").write_text("my notes on the second table of the paper")
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 2
    assert (tmp_path / "table2.txt").read_text().startswith("my notes")


# The person's file in the folder `t`, and the command whose result would have its name. {art} is a picture.
BEFORE_THE_WORK = {
    "a face": ("seed000002.png", "blendgan sample --seeds 0-2 -o {t}"),
    "a sheet of faces": ("sheet.png", "blendgan sample --seeds 0-2 -o {t}"),
    "a stylised face": ("me__art.png", "blendgan stylize {art} --style {art} -o {t}"),
    "a sheet of stylised faces": ("sheet-0001.png", "blendgan stylize {art} --style {art} -o {t}"),
    "a face by a style": ("me--art.png", "baselines stylize adain {art} --style {art} -o {t}"),
    "a face by a seed": ("me--seed7.png", "baselines stylize munit {art} --latent 7 -o {t}"),
    "an animation": ("walk.gif", "blendgan interpolate --seeds 1-3 -o {t}/walk.gif"),
    "a video's frame": ("frame00003.png", "blendgan interpolate --seeds 1-3 -o {t}"),
    "a table": ("tables/table2.html", "aahq-bench reproduce --profile demo -o {t}"),
    "a table in LaTeX": ("tables/table1.tex", "aahq-bench reproduce --profile demo --only t1 -o {t}"),
    "a figure": ("figures/figure04-the-dataset.png", "aahq-bench figures --profile demo --figure 4 -o {t}"),
    "a reader": ("reader.safetensors", "aahq-bench train-reader --work {t}/work -o {t}/reader.safetensors"),
    "a record": ("ink.json", "aahq-bench score-images {t} --inputs {t} --data {t} --method x -o {t}/ink.json"),
    "weights": ("mine.safetensors", "blendgan convert {art} {t}/mine.safetensors"),
    "the checkpoint itself": ("mine.pt", "blendgan convert {t}/mine.pt {t}/mine.pt"),
}


@pytest.mark.parametrize("case", BEFORE_THE_WORK)
def test_a_persons_file_is_refused_before_any_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str) -> None:
    from importlib import import_module

    def begun(*_: object, **__: object) -> None:
        raise AssertionError("the work has begun")

    for place in (
        "models.commands.options.ModelOptions.load",
        "baselines.commands.stylize.open_method",
        "benchmark.commands.reproduce.reproduce",
        "benchmark.report.figure_context.FigureContext.open",
        "benchmark.run.train_reader.paint",
        "models.weights.convert.read_checkpoint",
    ):
        monkeypatch.setattr(place, begun)
    name, command = BEFORE_THE_WORK[case]
    path, art = tmp_path / "t" / name, tmp_path / "art.png"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"my only copy")
    Image.new("RGB", (32, 32)).save(art)
    program, *words = (word.format(t=tmp_path / "t", art=art) for word in command.split())
    room = {"blendgan": "models", "baselines": "baselines", "aahq-bench": "benchmark"}[program]
    done = CliRunner().invoke(import_module(f"{room}.cli").main, words)
    assert done.exit_code == 2, (done.output, done.exception)
    assert path.name in done.stderr
    assert {file.name: file.read_bytes() for file in (tmp_path / "t").rglob("*") if file.is_file()} == {
        path.name: b"my only copy"
    }


@pytest.mark.parametrize(
    "command",
    [
        "blendgan stylize {t} --style {art} -o {t}",
        "blendgan stylize {art} --style {t} -o {link}",
        "baselines stylize adain {t} --style {art} -o {t}/../t",
        "aahq-bench reproduce --profile demo --data {t} -o {t}",
        "aahq-bench reproduce --profile demo --faces {t} -o {link}/work",
        "aahq-bench figures --profile demo --art {t} -o {t}/figures",
    ],
)
def test_results_do_not_lie_among_what_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    from importlib import import_module

    def begun(*_: object, **__: object) -> None:
        raise AssertionError("the work has begun")

    for place in (
        "models.commands.options.ModelOptions.load",
        "baselines.commands.stylize.open_method",
        "benchmark.commands.reproduce.reproduce",
        "benchmark.report.figure_context.FigureContext.open",
    ):
        monkeypatch.setattr(place, begun)
    (tmp_path / "t").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "t")
    for path in (tmp_path / "t" / "me.png", tmp_path / "art.png"):
        Image.new("RGB", (32, 32)).save(path)
    places = {"t": tmp_path / "t", "art": tmp_path / "art.png", "link": tmp_path / "link"}
    program, *words = (word.format(**places) for word in command.split())
    room = {"blendgan": "models", "baselines": "baselines", "aahq-bench": "benchmark"}[program]
    done = CliRunner().invoke(import_module(f"{room}.cli").main, words)
    assert done.exit_code == 2, (done.output, done.exception)
    assert "give another place" in done.stderr
    assert [path.name for path in (tmp_path / "t").iterdir()] == ["me.png"]


@pytest.mark.parametrize("name", ["walk.webp", "walk.gif", "walk.apng", "frames"])
def test_an_animation_of_ones_own_is_made_again(tmp_path: Path, name: str) -> None:
    for _ in range(2):
        check_target(tmp_path / name)
        assert write_frames(tmp_path / name, iter([Image.new("RGB", (8, 8), (n, 0, 0)) for n in (0, 90)]), 5) == 2


def test_what_was_converted_is_converted_again(tmp_path: Path) -> None:
    from models.weights.convert import convert
    from models.weights.loading import save_weights

    save_weights(tmp_path / "a.safetensors", {"x": {"weight": torch.zeros(2)}})
    for _ in range(2):
        convert(tmp_path / "a.safetensors", tmp_path / "b.safetensors")
