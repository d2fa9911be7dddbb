"""Joining the leaderboard: the contract check finds every breach, inputs go out and pictures come in, records are told on."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from PIL import Image

from benchmark.cli import main
from benchmark.leaderboard.check import examine
from benchmark.leaderboard.inputs import read_card
from benchmark.leaderboard.new_method import package_of, write_package
from benchmark.leaderboard.seed import kept_seed, new_seed
from benchmark.leaderboard.submit import file_name, lacking
from benchmark.leaderboard.validate import differences, objections, protocols_of, read_checked
from benchmark.run.record import Record
from benchmark.run.record_file import parse, read, write
from benchmark.tasks.paired_release import join
from benchmark.tasks.protocol import VERSION, Protocol, pool
from models.data.release import open_release
from models.method import Face, seeded_normal
from suite.errors import SuiteError
from tests.benchmark.report.test_records_and_tables import content
from tests.benchmark.toys import InventingToy, ToyMethod, write_release

FACES, STYLES = 4, 3
SMALL = ("--set", f"faces={FACES}", "--set", f"styles={STYLES}")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_release(tmp_path_factory.mktemp("release"))


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(a) for a in arguments])


# --- the contract ---------------------------------------------------------------------------------------------------


def broken(method: ToyMethod) -> dict[str, str]:
    return {finding.clause: finding.why for finding in examine(method) if not finding.holds}


@pytest.mark.parametrize("method", [ToyMethod(), InventingToy()])
def test_a_sound_method_keeps_the_contract(method: ToyMethod) -> None:
    assert broken(method) == {}


class Batchy(ToyMethod):
    """Normalises over the batch: sample i depends on its neighbours."""

    def _mix(self, face, colour):  # type: ignore[no-untyped-def]
        mixed = super()._mix(face, colour)
        return mixed - mixed.mean() / 2


class Moody(ToyMethod):
    """EvalPairs from the global generator instead of its seeds."""

    def _mix(self, face, colour):  # type: ignore[no-untyped-def]
        return super()._mix(face, colour) + 0.1 * torch.randn(1)


class Blind(ToyMethod):
    """Looks at no style."""

    def _mix(self, face, colour):  # type: ignore[no-untyped-def]
        return super()._mix(face, torch.zeros_like(colour))


class Faceless(ToyMethod):
    """Looks at no face."""

    def _mix(self, face, colour):  # type: ignore[no-untyped-def]
        return torch.tanh(colour + torch.zeros_like(face.images))


class Grabby(ToyMethod):
    """Works on the given faces in place."""

    def _mix(self, face, colour):  # type: ignore[no-untyped-def]
        return face.images.mul_(0.5).add_(0.5 * colour)


class OneSeed(ToyMethod):
    """Seeds the whole batch with its first seed."""

    def from_latent(self, face: Face, seeds: Any) -> torch.Tensor:
        return self._mix(face, torch.tanh(torch.cat([seeded_normal(seeds[:1], (3, 1, 1))] * len(seeds))))


@pytest.mark.parametrize(
    ("method", "clause"),
    [
        (Batchy(), "reference: batch size never changes a picture"),
        (Moody(), "reference: the same question has the same answer"),
        (Blind(), "reference: styles have a say"),
        (Faceless(), "reference: faces have a say"),
        (Grabby(), "reference: inputs are left as they were"),
        (OneSeed(), "latent: styles have a say"),
        (OneSeed(), "latent: order never changes a picture"),
        (ToyMethod(lambda x: x.half()), "reference: 4 float32 pictures of side 32, finite"),
        (ToyMethod(lambda x: x * torch.nan), "reference: 4 float32 pictures of side 32, finite"),
        (ToyMethod(lambda x: x[:-1]), "reference: 4 float32 pictures of side 32, finite"),
        (ToyMethod(lambda x: x * 127.5), "latent: values in [-1, 1]; neither the input unchanged nor one picture"),
        (ToyMethod(lambda x: torch.zeros_like(x)), "reference: values in [-1, 1]; neither the input unchanged"),
    ],
)
def test_each_breach_is_found(method: ToyMethod, clause: str) -> None:
    found = broken(method)
    assert any(name.startswith(clause) for name in found), found


def test_a_method_that_raises_is_told_and_not_asked_on() -> None:
    class Raising(ToyMethod):
        def from_latent(self, face: Face, seeds: Any) -> torch.Tensor:
            raise RuntimeError("mat1 and mat2 shapes\ncannot be multiplied")

    found = broken(Raising())
    assert list(found) == ["latent: 4 float32 pictures of side 32, finite"]
    assert found.popitem()[1] == "raised RuntimeError: mat1 and mat2 shapes cannot be multiplied"


# --- the template ---------------------------------------------------------------------------------------------------


def test_the_template_is_a_package_that_keeps_the_contract(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = run("new-method", "Ink-Wash+", "-o", tmp_path / "ink")
    assert done.exit_code == 0, done.output
    assert (
        'aahq_bench.methods"]\n"Ink-Wash+" = "ink_washp.method:load"' in (tmp_path / "ink/pyproject.toml").read_text()
    )
    monkeypatch.syspath_prepend(str(tmp_path / "ink" / "src"))
    from ink_washp.method import load  # type: ignore[import-not-found]

    assert broken(load(None, "cpu")) == {}
    with pytest.raises(SuiteError, match="holds something"):
        write_package("Other", tmp_path / "ink")


@pytest.mark.parametrize("name", ["", "../x", "a b", "<b>", "9lives", "dritpp", "MUNIT", "x" * 41, "naïve", 'a"b'])
def test_names_that_cannot_be_are_refused(name: str) -> None:
    with pytest.raises(SuiteError, match="NAME"):
        package_of(name)


def test_a_keyword_becomes_a_package() -> None:
    assert package_of("class") == "class_method"


# --- inputs out, pictures in ----------------------------------------------------------------------------------------


def answer(inputs: Path, out: Path) -> None:
    """What a stranger's framework does: half the face, half the reference's mean colour."""
    out.mkdir()
    for path in sorted((inputs / "styles").iterdir()):
        face = np.asarray(Image.open(inputs / "faces" / f"{path.stem[:5]}.png"), dtype=float)
        colour = np.asarray(Image.open(path), dtype=float).mean((0, 1))
        Image.fromarray((0.5 * face + 0.5 * colour).round().astype(np.uint8)).save(out / path.name)


@pytest.fixture(scope="module")
def answered(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("answered")
    done = run("inputs", root / "inputs", "--data", data, *SMALL)
    assert done.exit_code == 0, done.output
    answer(root / "inputs", root / "pictures")
    return root


def scored(root: Path, data: Path, out: Path, *more: object) -> Result:
    common = ["--inputs", root / "inputs", "--data", data, *SMALL, "--work", root / "work"]
    return run("score-images", root / "pictures", *common, "--method", "Half", "-o", out, *more)


@pytest.fixture(scope="module")
def record(answered: Path, data: Path) -> Record:
    done = scored(answered, data, answered / "record.json")
    assert done.exit_code == 0, done.output
    assert "to hand in, add method.train_data" in done.output
    return read(answered / "record.json")


@pytest.mark.slow
def test_the_whole_way_from_two_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Inputs, scores, a record to hand in and its check, with photographs and artistic faces apart."""
    monkeypatch.setattr("benchmark.run.cell.commit", lambda: "a" * 40)
    art, faces = write_release(tmp_path / "aahq"), write_release(tmp_path / "ffhq", seed=5)
    places = ["--faces", faces, "--art", art]
    assert run("inputs", tmp_path / "inputs", *places, *SMALL).exit_code == 0
    known = {open_release(faces).image(row).tobytes() for row in pool(open_release(faces), "test", "photo")}
    for path in (tmp_path / "inputs/faces").iterdir():
        assert np.asarray(Image.open(path)).tobytes() in known
    answer(tmp_path / "inputs", tmp_path / "pictures")
    common = ["--inputs", tmp_path / "inputs", *places, *SMALL, "--work", tmp_path / "work"]
    done = run("score-images", tmp_path / "pictures", *common, "--method", "Half", "-o", tmp_path / "half.json")
    assert done.exit_code == 0, done.output
    assert read(tmp_path / "half.json").provenance.manifest == join(art, faces).digest
    stated = ["--version", "1", "--code", "https://example.org/half", "--train-data", "nothing"]
    handed = run("submit", "--record", tmp_path / "half.json", *stated, "-o", tmp_path / "board")
    assert handed.exit_code == 0, handed.output
    (path,) = (tmp_path / "board").glob("*.json")
    (tmp_path / "empty").mkdir()
    again = ["--pictures", tmp_path / "pictures", *common, "--board", tmp_path / "empty", "--new-protocol"]
    checked = run("validate", path, *again)
    assert checked.exit_code == 0, checked.output
    assert "measured again: agrees" in checked.output
    assert "--faces and --art" in str(run("inputs", tmp_path / "x", "--art", art).output)


def test_inputs_tell_what_to_make(answered: Path, data: Path) -> None:
    card = read_card(answered / "inputs")
    assert (card.faces, card.styles, card.size) == (FACES, STYLES, 32)
    assert len(list((answered / "inputs/faces").iterdir())) == FACES
    assert len(list((answered / "inputs/styles").iterdir())) == FACES * STYLES
    assert f"{FACES * STYLES} pictures" in (answered / "inputs/README.txt").read_text()
    again = run("inputs", answered / "inputs", "--data", data)
    assert again.exit_code == 2
    assert "holds something" in again.output


@pytest.mark.slow
def test_pictures_made_elsewhere_score_as_the_method_itself_does(
    record: Record, data: Path, answered: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from benchmark.commands.joining import Places, bench_work, settings_of
    from benchmark.leaderboard.rerun import score_method
    from benchmark.leaderboard.seed import Seed
    from benchmark.run.record import MethodInfo

    monkeypatch.setattr("benchmark.leaderboard.rerun.load", lambda *_args, **_more: ToyMethod(name="Half"))
    given = {"work": answered / "work", "weights_folder": None, "device": "cpu", "offline": True}
    work = bench_work(settings_of("demo", SMALL[1::2]), "demo", Places(data, None, None), given)
    rerun, _ = score_method(work, "Half", None, [Seed("0")], "reference", MethodInfo(name="Half"))
    assert record.trust == "re-scored from pictures"
    assert rerun.trust == "re-run from weights"
    assert {v.protocol for v in rerun.values} == {v.protocol for v in record.values}
    for value in record.values:
        # PNG rounds to grey levels, the method to the same levels of its own floats: at most a level apart.
        assert rerun.get(value.metric).value == pytest.approx(value.value, rel=0.02, abs=0.02)  # type: ignore[union-attr]


def spoil_link(folder: Path) -> None:
    (folder / "f0001-s01.png").unlink()
    (folder / "f0001-s01.png").symlink_to("/etc/passwd")


def spoil_size(folder: Path) -> None:
    Image.new("RGB", (16, 16)).save(folder / "f0003-s02.png")


def spoil_pipe(folder: Path) -> None:
    (folder / "f0001-s01.png").unlink()
    os.mkfifo(folder / "f0001-s01.png")


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda f: (f / "f0002-s00.png").unlink(), "f0002-s00.png is missing, 1 of 12"),
        (lambda f: (f / "f0000-s00.jpg").write_bytes(b""), "JPEG changes pixels"),
        (lambda f: (f / "sub").mkdir(), "'sub' is not asked for"),
        (lambda f: (f / "a\u202e\n.png").write_bytes(b""), r"'a\u202e\n.png' is not asked for"),
        (lambda f: (f / "f0001-s01.png").write_bytes(b"<html>"), "not a readable PNG"),
        (lambda f: Image.new("RGBA", (32, 32)).save(f / "f0001-s01.png"), "mode RGBA"),
        (lambda f: Image.new("RGB", (32, 30)).save(f / "f0001-s01.png"), "32 x 30"),
        (lambda f: Image.new("RGB", (32, 32)).save(f / "f0001-s01.png", "JPEG"), "not a readable PNG"),
        (spoil_link, "no plain file"),
        (spoil_pipe, "no plain file"),
        (spoil_size, "sizes must agree"),
    ],
)
def test_picture_folders_are_not_trusted(
    spoil: Callable[[Path], Any], said: str, answered: Path, data: Path, tmp_path: Path
) -> None:
    root = tmp_path / "root"
    root.mkdir()
    answer(answered / "inputs", root / "pictures")
    (root / "inputs").symlink_to(answered / "inputs")
    spoil(root / "pictures")
    done = scored(root, data, tmp_path / "record.json")
    assert done.exit_code == 2
    assert done.output.count("\n") == 1
    assert said in done.output
    assert not (tmp_path / "record.json").exists()


@pytest.mark.slow
def test_the_inputs_unchanged_are_refused(answered: Path, data: Path, tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    (tmp_path / "inputs").symlink_to(answered / "inputs")
    for name in sorted(p.name for p in (answered / "inputs/styles").iterdir()):
        (tmp_path / "pictures" / name).write_bytes((answered / "inputs/faces" / f"{name[:5]}.png").read_bytes())
    done = scored(tmp_path, data, tmp_path / "record.json")
    assert done.exit_code == 2
    assert "input unchanged" in done.output


@pytest.mark.slow
def test_a_hidden_draw_is_told_to_nobody(data: Path, tmp_path: Path, answered: Path) -> None:
    secret = tmp_path / "seed"
    done = run("inputs", tmp_path / "inputs", "--data", data, *SMALL, "--new-seed", secret)
    assert done.exit_code == 0, done.output
    assert secret.stat().st_mode & 0o077 == 0
    value = secret.read_text().strip()
    card = read_card(tmp_path / "inputs")
    assert card.seed.startswith("hidden:")
    assert card.draws != read_card(answered / "inputs").draws
    answer(tmp_path / "inputs", tmp_path / "pictures")
    assert scored(tmp_path, data, tmp_path / "no.json").exit_code == 2
    done = scored(tmp_path, data, tmp_path / "record.json", "--hidden-seed", secret)
    assert done.exit_code == 0, done.output
    for path in tmp_path.rglob("*"):
        if path.is_file() and path != secret:
            assert value.encode() not in path.read_bytes(), path
    assert read(tmp_path / "record.json").provenance.sampling_seeds == [card.seed]
    with pytest.raises(SuiteError, match="is there already"):
        new_seed(secret)
    (tmp_path / "short").write_text("1234")
    with pytest.raises(SuiteError, match="can be guessed"):
        kept_seed(tmp_path / "short")


def test_inputs_of_another_draw_or_release_are_refused(answered: Path, tmp_path: Path, data: Path) -> None:
    other = write_release(tmp_path / "other", seed=1)
    done = scored(answered, other, tmp_path / "r.json")
    assert "--inputs: manifest" in done.output
    done = scored(answered, data, tmp_path / "r.json", "--seed", "7")
    assert "--inputs: seed: drawn from '0', measured from '7'" in done.output
    done = scored(answered, data, tmp_path / "r.json", "--set", "styles=2")
    assert "--inputs: draws" in done.output


# --- handing in -----------------------------------------------------------------------------------------------------


def clean(record: Record) -> Record:
    """The record as a clean clone would have written it."""
    made = record.provenance.model_copy(update={"commit": "a" * 40})
    return record.model_copy(update={"provenance": made})


def complete(record: Record) -> Record:
    method = record.method.model_copy(
        update={"version": "1", "code": "https://example.org/half", "train_data": "nothing"}
    )
    return clean(record).model_copy(update={"method": method})


def test_submit_says_what_is_missing_then_writes_one_file(record: Record, tmp_path: Path) -> None:
    write(tmp_path / "half.json", clean(record))
    done = run("submit", "--record", tmp_path / "half.json", "-o", tmp_path / "out")
    assert done.exit_code == 1
    assert done.output.startswith("error: missing: method.train_data: say what it was trained on")
    assert not (tmp_path / "out").exists()
    said = ["--train-data", "nothing", "--version", "1", "--code", "https://example.org/half"]
    done = run("submit", "--record", tmp_path / "half.json", "-o", tmp_path / "out", *said)
    assert done.exit_code == 0, done.output
    [path] = (tmp_path / "out").iterdir()
    made = read(path)
    assert made == complete(record)
    assert path.name == file_name(made) == f"half-reference-demo-{made.digest[:12]}.json"
    done = run("validate", path, "--board", tmp_path / "out")
    assert done.exit_code == 0, done.output
    assert "confirm with --pictures" in done.output


def test_figures_of_ones_own_are_marked_so(record: Record, tmp_path: Path) -> None:
    write(tmp_path / "like.json", record)
    said = ["--train-data", "AAHQ train", "--version", "1", "--code", "https://example.org/x"]
    common = ["submit", "Mine", "--like", tmp_path / "like.json", *said, "-o", tmp_path / "out", "--value"]
    done = run(*common, "FD-lite0=12.5")
    assert done.exit_code == 0, done.output
    [path] = (tmp_path / "out").iterdir()
    made = read(path)
    assert made.trust == "self-reported"
    assert not made.values[0].rankable
    assert objections(made) == []
    for value, told in (("FD-lite0=-3", "impossible"), ("FD-lite0=x", "METRIC=NUMBER"), ("FID=3", "not in --like")):
        done = run(*common, value)
        assert done.exit_code == 2
        assert told in done.output
        assert done.output.count("\n") == 1
    assert run("submit").exit_code == 2


def test_a_changed_record_does_not_fit_its_name(record: Record, tmp_path: Path) -> None:
    path = tmp_path / file_name(complete(record))
    write(path, complete(record))
    changed = json.loads(path.read_text())
    changed["method"]["version"] = "2"
    path.write_text(json.dumps(changed))
    done = run("validate", path, "--board", tmp_path / "none")
    assert done.exit_code == 2
    (tmp_path / "board").mkdir()
    done = run("validate", path, "--board", tmp_path / "board")
    assert done.exit_code == 1
    assert "digest: the name says" in done.output


def test_records_that_are_no_files_are_refused(record: Record, tmp_path: Path) -> None:
    write(tmp_path / "a.json", complete(record))
    (tmp_path / "b.json").symlink_to(tmp_path / "a.json")
    with pytest.raises(SuiteError, match="a link"):
        read_checked(tmp_path / "b.json")
    with pytest.raises(SuiteError, match="expected a record"):
        read_checked(tmp_path / "missing.json")
    huge = tmp_path / "huge.json"
    with huge.open("wb") as file:
        file.truncate(1 << 30)
    with pytest.raises(SuiteError, match="at most 1048576"):
        read_checked(huge)


def test_wrong_protocols_are_named(record: Record) -> None:
    good = complete(record)
    known = protocols_of([good])
    assert objections(good, known) == []
    assert objections(good, {"aahq-fid-v1:000000000000"})[0].startswith("values.FD-lite0.protocol: aahq-fd-lite0-v1:")
    assert objections(good, {"aahq-fid-v1:000000000000"}, new_protocol=True) == []
    made = good.provenance
    for change, said in (
        ({"manifest": "1" * 64}, "its manifest is not the record's"),
        ({"draws": ["1" * 64]}, "its draws is not the record's"),
        ({"sampling_seeds": ["9"]}, "its sampling_seeds is not the record's"),
    ):
        wrong = good.model_copy(update={"provenance": made.model_copy(update=change)})
        assert any(said in line for line in objections(wrong, known)), said
    fewer = [value.model_copy(update={"n_fake": 11}) for value in good.values]
    assert "its n_fake is not the record's" in objections(good.model_copy(update={"values": fewer}))[0]


def test_an_earlier_version_reads_but_cannot_be_handed_in() -> None:
    from benchmark.tasks.paper import cells

    given = content(cells((2,))[0])
    for value in given["values"]:
        old = Protocol(value["metric"], given["protocols"][value["protocol"]]["parameters"], VERSION + 1)
        given["protocols"][old.id] = given["protocols"].pop(value["protocol"])
        value["protocol"] = old.id
    known = parse(json.dumps(given))
    assert any(f"version {VERSION + 1}; measure with version {VERSION}" in line for line in objections(known))


def test_what_is_missing_is_said_in_words() -> None:
    from benchmark.tasks.paper import cells

    given = content(cells((2,))[0]) | {"trust": "re-run from weights"}
    given["provenance"] |= {"weights": {}, "commit": "abc+"}
    said = lacking(parse(json.dumps(given)))
    assert [line.split(":")[0] for line in said] == [
        "method.train_data", "method.code", "method.version", "provenance.weights", "provenance.commit",
    ]  # fmt: skip


@pytest.mark.slow
def test_measuring_again_finds_a_claim_out(record: Record, answered: Path, data: Path, tmp_path: Path) -> None:
    good = complete(record)
    assert differences(good, record) == []
    (tmp_path / "board").mkdir()
    write(tmp_path / "good.json", good)
    rescore = ["--data", data, "--pictures", answered / "pictures", "--inputs", answered / "inputs", *SMALL]
    common = ["--board", tmp_path / "board", "--work", answered / "work", *rescore]
    done = run("validate", tmp_path / "good.json", *common)
    assert done.exit_code == 0, done.output
    assert "measured again: agrees" in done.output
    value = good.values[0]
    better = value.model_copy(update={"value": 1.0, "low": 0.9, "high": 1.1, "interval": "x", "per_seed": [1.0]})
    write(tmp_path / "false.json", good.model_copy(update={"values": [better, *good.values[1:]]}))
    done = run("validate", tmp_path / "false.json", *common)
    assert done.exit_code == 1
    assert "values.FD-lite0.value: 1 claimed" in done.output
    made = good.provenance.model_copy(update={"pictures": "1" * 64})
    write(tmp_path / "others.json", good.model_copy(update={"provenance": made}))
    assert "provenance.pictures" in run("validate", tmp_path / "others.json", *common).output


@pytest.mark.slow
def test_a_reproductions_records_are_taken_over_with_samples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from benchmark.leaderboard.publish_records import adopt
    from benchmark.run.reproduce import reproduce
    from benchmark.run.reproduction import wanted_cells
    from benchmark.site.build import render
    from tests.benchmark.run.test_cells import work

    toys = {"MUNIT": ToyMethod(name="MUNIT"), "BlendGAN": InventingToy(name="BlendGAN")}
    for place in ("benchmark.run.cell.load", "benchmark.leaderboard.publish_records.load"):
        monkeypatch.setattr(place, lambda name, *_args, **_options: toys[name])
    monkeypatch.setattr("benchmark.run.cell.commit", lambda: "a" * 40)
    given = work(tmp_path)
    wanted = wanted_cells(["t3-reference-munit", "t1-latent-blendgan-i06", "t2-latent-blendgan-i06"])
    reproduce(given, wanted, lambda _: None)
    done = adopt(given, tmp_path / "board", "1", "https://example.org/suite", samples=True)
    # The cell that stands in two tables is taken once; a control stands beside both guidances, without samples.
    assert sorted(path.name.rpartition("-")[0] for path in done.written) == [
        "blendgan-latent-i06-toy",
        *(f"{control}-{guidance}-toy" for control in ("colour-transfer",) for guidance in ("latent", "reference")),
        "munit-reference-toy",
        *(
            f"{control}-{guidance}-toy"
            for control in ("noise", "unchanged-input")
            for guidance in ("latent", "reference")
        ),
    ]
    assert done.left == {}
    files = render(tmp_path / "board")
    for path in done.written:
        record = read_checked(path)
        assert record.trust == "re-run from weights"
        assert (f"samples/{path.stem}/f0002-s02.webp" in files) != record.method.control
    given.weights["MUNIT"].write_bytes(b"other weights")
    with pytest.raises(SuiteError, match="not those of its record"):
        adopt(given, tmp_path / "again", "1", "https://example.org/suite", samples=True)
