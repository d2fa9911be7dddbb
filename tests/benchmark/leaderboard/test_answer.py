"""A method's pictures for handed-out inputs: those that a measurement makes, whole or not at all, with who made them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from PIL import Image

from benchmark.cli import main
from benchmark.leaderboard.handed import open_handed
from benchmark.leaderboard.inputs import draw_for, hand_out, pair_name
from benchmark.leaderboard.method_pictures import Answered, read_answered, write_answers
from benchmark.leaderboard.picture_folder import list_pictures
from benchmark.leaderboard.seed import Seed
from benchmark.run.generate import Generation
from benchmark.run.record import MethodInfo
from benchmark.tasks.settings import Reproduce
from models.data.release import open_release
from models.inference.blendgan_method import BlendGANOfFaces
from models.inference.pretrained import random_blendgan
from models.method import Face
from suite.errors import SuiteError
from tests.benchmark.toys import InventingToy, ToyMethod, write_release

SETTINGS = Reproduce(faces=3, styles=2, methods=())
TOY = Answered(method=MethodInfo(name="Toy"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("answer")
    hand_out(place / "inputs", open_release(write_release(place / "data")), SETTINGS, "demo", Seed("7"))
    return place


@pytest.mark.parametrize("method", [ToyMethod(), InventingToy()], ids=["restyles", "invents"])
@pytest.mark.parametrize("guidance", ["reference", "latent"])
def test_the_pictures_are_those_that_a_measurement_makes(
    folder: Path, tmp_path: Path, method: ToyMethod, guidance: Any
) -> None:
    """Without the release: the inputs alone give every face, style and seed."""
    release = open_release(folder / "data")
    draws = draw_for(SETTINGS, release, Seed("7"))
    wanted = Generation(method, guidance, draws, release, batch=2).block(range(3)).pictures
    _, inputs, pairs = open_handed(folder / "inputs")
    assert write_answers(tmp_path / "out", Generation(method, guidance, pairs, inputs, batch=3), TOY, 2) == 6
    assert list_pictures(tmp_path / "out", 3, 2)
    found = [np.array(Image.open(tmp_path / "out" / pair_name(f, k))) for f in range(3) for k in range(2)]
    np.testing.assert_array_equal(np.stack(found), wanted.permute(0, 2, 3, 1).numpy())


def test_a_method_that_fails_leaves_nothing(folder: Path, tmp_path: Path) -> None:
    _, inputs, pairs = open_handed(folder / "inputs")
    broken = ToyMethod(lambda x: x * torch.nan if float(x.sum()) != 0 else x)
    with pytest.raises(SuiteError, match="NaN"):
        write_answers(tmp_path / "out", Generation(broken, "reference", pairs, inputs, batch=2), TOY, 2)
    assert list(tmp_path.iterdir()) == []


def run(*words: object) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words], prog_name="aahq-bench")


def test_the_command_says_who_made_them(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmark.run.methods.load", lambda *_a, **_k: ToyMethod(name="MUNIT"))
    done = run("answer", "munit", "--inputs", folder / "inputs", "-o", tmp_path / "munit", "--json")
    assert done.exit_code == 0, done.output
    about = read_answered(tmp_path / "munit")
    assert about is not None
    assert about.method.train_data.startswith("MUNIT, 64 px, trained by this project on painted portraits")
    assert (about.method.code, list(about.weights)) == ("baselines/munit", ["munit-painted-64.safetensors"])
    assert about.method.version
    # What is there already stays as it is, and is told of before any work.
    kept = {path.name: path.read_bytes() for path in (tmp_path / "munit").iterdir()}
    again = run("answer", "munit", "--inputs", folder / "inputs", "-o", tmp_path / "munit")
    assert "--out" in again.output
    assert "give a new or an empty folder" in again.output
    assert {path.name: path.read_bytes() for path in (tmp_path / "munit").iterdir()} == kept
    gone = run("answer", "munit", "--inputs", folder / "inputs", "-o", tmp_path / "x", "--weights", tmp_path / "none")
    assert "none: not there" in gone.output
    assert not (tmp_path / "x").exists()


def test_what_a_folder_says_wrongly_is_told_in_a_line(tmp_path: Path) -> None:
    assert read_answered(tmp_path) is None
    for text, words in (
        ("{", "not JSON"),
        ("[]", "valid dictionary"),
        ('{"method": {}}', "method.name: Field required"),
    ):
        (tmp_path / "method.json").write_text(text)
        with pytest.raises(SuiteError, match=words):
            read_answered(tmp_path)


def test_inputs_that_are_not_whole_are_refused(folder: Path, tmp_path: Path) -> None:
    card = json.loads((folder / "inputs" / "inputs.json").read_text())
    (tmp_path / "inputs.json").write_text(json.dumps(card))
    with pytest.raises(SuiteError, match=r"f0000\.png is missing, 9 in all"):
        open_handed(tmp_path)
    card["seeds"]["style"][1].pop()
    for path in (folder / "inputs").rglob("*.png"):
        copy = tmp_path / path.relative_to(folder / "inputs")
        copy.parent.mkdir(exist_ok=True)
        copy.write_bytes(path.read_bytes())
    (tmp_path / "inputs.json").write_text(json.dumps(card))
    with pytest.raises(SuiteError, match="its seeds are not one a face and one a style"):
        open_handed(tmp_path)


def test_blendgan_of_given_faces_inverts_each_by_itself() -> None:
    networks = random_blendgan(16, 0, width=4)
    draw = torch.Generator().manual_seed(0)
    faces, styles = (torch.rand(3, 3, 16, 16, generator=draw) * 2 - 1 for _ in range(2))
    method = BlendGANOfFaces(networks.generator, networks.style_codes, i=2, steps=2)
    with torch.inference_mode():
        together = method.from_reference(Face(images=faces), styles, [0, 1, 2])
        alone = [method.from_reference(Face(images=faces[[k]]), styles[[k]], [k]) for k in (2, 0)]
    # Convolutions of another batch size sum in another order.
    torch.testing.assert_close(together[[2, 0]], torch.cat(alone), rtol=1e-3, atol=1e-4)
    assert float((together[0] - together[1]).abs().mean()) > 1e-3
    natural = BlendGANOfFaces(networks.generator, networks.style_codes, i=networks.generator.n_latent, steps=2)
    one, two = (natural.from_reference(Face(images=faces[:1]), style[None], [0]) for style in styles[:2])
    torch.testing.assert_close(one, two)
    with pytest.raises(ValueError, match="given seeds; expected pictures"):
        method.from_latent(Face(seeds=(1,)), [1])
