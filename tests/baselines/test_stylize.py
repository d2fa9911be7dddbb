"""`baselines stylize`: memory flat in the faces, names never shared, odd options one line."""

from __future__ import annotations

import json
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from baselines.cli import main
from baselines.commands import stylize

SMALL = ["--set", "width=32", "--size", "32"]


def painted(path: Path, seed: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 255, (4, 4, 3), np.uint8)
    Image.fromarray(np.kron(pixels, np.ones((8, 8, 1), np.uint8))).save(path)
    return path


def run(*words: Any) -> Result:
    return CliRunner().invoke(main, ["stylize", *map(str, words)])


def test_two_inputs_of_one_name_are_two_results(tmp_path: Path) -> None:
    faces = [painted(tmp_path / f"f{number}" / "x.png", number) for number in range(2)]
    styles = [painted(tmp_path / f"s{number}" / "art.png", 9 + number) for number in range(2)]
    words = [word for style in styles for word in ("--style", style)]
    done = run("adain", *faces, *words, *SMALL, "-o", tmp_path / "out", "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)["pictures"]
    assert len(set(told)) == 4
    names = ["x--art.png", "x--art-2.png", "x-2--art.png", "x-2--art-2.png"]
    assert sorted(Path(file).name for file in told) == sorted(names)
    assert len({Path(file).read_bytes() for file in told}) == 4


@pytest.mark.parametrize(("faces", "styles"), [(12, 1), (1, 20), (3, 20)])
def test_memory_grows_neither_with_faces_nor_with_styles(
    faces: int, styles: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No more than a batch's faces and a style are held: each is read, shown, written, and gone, tiles of sheets too."""
    for number in range(faces):
        painted(tmp_path / "faces" / f"{number:02d}.png", number)
    for number in range(styles):
        painted(tmp_path / "art" / f"{number:02d}.png", 50 + number)
    most = dict.fromkeys(("pictures", "tiles"), 0)

    def watched(module: Any, name: str, what: str) -> None:
        real = getattr(module, name)
        refs: list[weakref.ref[Any]] = []

        def counted(*given: Any, **named: Any) -> Any:
            found = real(*given, **named)
            refs.append(weakref.ref(found))
            most[what] = max(most[what], sum(ref() is not None for ref in refs))
            return found

        monkeypatch.setattr(module, name, counted)

    watched(stylize, "read_picture", "pictures")
    watched(stylize, "_tile", "tiles")
    out = tmp_path / "out"
    done = run("adain", tmp_path / "faces", "--style", tmp_path / "art", *SMALL, "--batch", 2, "-o", out)
    assert done.exit_code == 0, done.output
    # A batch being read while the last one's variables are still there; a style, and the one before it.
    assert most["pictures"] <= 5
    assert most["tiles"] <= 2
    assert len(list(out.glob("*--*.png"))) == faces * styles
    # Eight faces and sixteen styles to a sheet.
    assert len(list(out.glob("sheet-*"))) == -(-faces // 8) * -(-styles // 16)


def test_a_face_that_cannot_be_read_is_named_and_skipped(tmp_path: Path) -> None:
    for number in range(3):
        painted(tmp_path / "faces" / f"{number}.png", number)
    (tmp_path / "faces" / "1.png").write_bytes(b"junk")
    style = painted(tmp_path / "art.png", 99)
    done = run("adain", tmp_path / "faces", "--style", style, *SMALL, "-o", tmp_path / "out")
    assert done.exit_code == 2
    assert "1.png: not a picture" in done.output
    assert "1 of 3 faces could not be used" in done.output
    written = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert written == ["0--art.png", "2--art.png", "sheet-0001.png"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["adain", "--option", "alpha=much"], "--option, of adain: alpha: Input should be a valid number"),
        (["adain", "--option", "alpha=nan"], "alpha: Input should be a finite number"),
        (["adain", "--option", "mix=[]"], "mix: List should have at least 1 item"),
        (["adain", "--option", "beta=1"], "beta: Extra inputs are not permitted; known: alpha, preserve_colour, mix"),
        (["munit", "--profile", "demo", "--option", "beta=1"], "beta: Extra inputs are not permitted; it has none"),
        (["gatys", "--option", "lr=fast"], "lr: Input should be a valid number"),
        (["gatys", "--option", "steps=0"], "steps: Input should be greater than or equal to 1"),
        (["gatys", "--option", "size=47"], "size: Input should be a multiple of 4"),
        (["stargan2", "--profile", "demo", "--option", "target=one"], "target: Input should be a valid integer"),
        (["stargan2", "--profile", "demo", "--option", "target=9"], "this model has domains 0 to"),
        (["adain", "--option", "alpha"], "expected key=value"),
        (["adain", "--device", "mps"], "PyTorch sees no Apple GPU here"),
        (["adain", "--latent", str(2**64)], "--latent"),
    ],
)
def test_odd_options_are_one_line_and_write_nothing(words: list[str], said: str, tmp_path: Path) -> None:
    face = painted(tmp_path / "x.png", 0)
    method, *rest = words
    done = run(method, face, "--style", face, *rest, "-o", tmp_path / "out")
    assert done.exit_code == 2, done.output
    assert said in done.output
    assert done.output.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_toonify_refuses_a_side_that_is_no_power_of_two(tmp_path: Path) -> None:
    face = painted(tmp_path / "x.png", 0)
    done = run("toonify", face, "--latent", "1", "--option", "size=48", "-o", tmp_path / "out")
    assert done.exit_code == 2
    assert "size: Input should be 32, 64" in done.output


def test_shipped_weights_say_what_they_have_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    # A folder of portraits by the same name, as README makes one.
    face, art = painted(tmp_path / "painted" / "x.png", 0), painted(tmp_path / "art.png", 1)
    done = run("munit", face, "--style", art, "--weights", "painted", "-o", "out")
    assert done.exit_code == 0, done.output
    assert "trained for minutes on painted portraits" in done.stderr
    assert Image.open(tmp_path / "out" / "x--art.png").size == (64, 64)
