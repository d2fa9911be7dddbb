"""A reference pack scores as the pictures do, for people who have none of them; what does not fit is one line."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from click.testing import CliRunner, Result
from PIL import Image
from safetensors.numpy import save_file

from aahq.cli import main as aahq
from benchmark.cli import main
from benchmark.metrics.frechet import frechet_distance
from benchmark.metrics.gaussian import Gaussian, fit
from benchmark.reference.pack import (
    MOST_BYTES,
    DrawCard,
    ExtractorCard,
    PackCard,
    packed_moments,
    read_pack,
    write_pack,
)
from benchmark.run.instruments import Extractors
from benchmark.run.real_set import KERNEL_ROWS
from benchmark.run.record import Record
from benchmark.run.record_file import read
from benchmark.site.board import build_board, read_records
from models.data.release import open_release
from suite.errors import SuiteError
from suite.files import sha256_file, write_json
from tests.benchmark.toys import Means, write_release

SMALL = ("--set", "faces=4", "--set", "styles=3", "--set", "real_split=train", "--set", "real_pictures=0")


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(a) for a in arguments])


def answer(inputs: Path, out: Path, share: float = 0.5) -> Path:
    """What a stranger's framework does: a share of the face, the rest the reference's mean colour."""
    out.mkdir()
    for path in sorted((inputs / "styles").iterdir()):
        face = np.asarray(Image.open(inputs / "faces" / f"{path.stem[:5]}.png"), dtype=float)
        colour = np.asarray(Image.open(path), dtype=float).mean((0, 1))
        Image.fromarray((share * face + (1 - share) * colour).round().astype(np.uint8)).save(out / path.name)
    return out


@pytest.fixture(autouse=True)
def no_networks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if "networks" in request.fixturenames:
        return
    # The second takes the first's when it is imported.
    for place in ("benchmark.reference.scoring", "benchmark.run.cell"):
        monkeypatch.setattr(f"{place}.open_extractors", lambda *_: Extractors(fd=(Means(),)))


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """What a maintainer gives away: inputs and a pack; and the release, which stays at home."""
    data = write_release(tmp_path / "home", count=90)
    assert run("inputs", tmp_path / "inputs", "--data", data, *SMALL).exit_code == 0
    done = pack(tmp_path, "pack.safetensors")
    assert done.exit_code == 0, done.output
    answer(tmp_path / "inputs", tmp_path / "pictures")
    return tmp_path


@pytest.fixture
def networks() -> None:
    """The real extractors."""


def pack(root: Path, name: str, *more: object, data: str = "home") -> Result:
    return run("reference", root / name, "--data", root / data, *SMALL, "--work", root / "work", *more)


def score(root: Path, out: str, *source: object, pictures: str = "pictures", inputs: str = "inputs") -> Result:
    common = ("--inputs", root / inputs, *SMALL, "--work", root / "stranger", "--method", "Half")
    return run("score-images", root / pictures, *common, *source, "-o", root / out)


def same(one: Record, other: Record, *lacking: str) -> None:
    assert {v.metric for v in one.values} - {v.metric for v in other.values} == set(lacking)
    for value in other.values:
        twin = one.get(value.metric)
        assert twin is not None
        assert value.protocol == twin.protocol
        assert value.value == pytest.approx(twin.value, rel=1e-8, abs=1e-12), value.metric
        if value.low is not None:
            assert (value.low, value.high) == pytest.approx((twin.low, twin.high), rel=1e-8), value.metric
        assert (value.rankable, value.n_real, value.n_fake) == (twin.rankable, twin.n_real, twin.n_fake)


def test_scores_from_the_pack_are_those_from_the_pictures(published: Path) -> None:
    assert score(published, "with.json", "--data", published / "home").exit_code == 0
    done = score(published, "without.json", "--reference", published / "pack.safetensors")
    assert done.exit_code == 0, done.output
    assert "it is not signed; --signers FILE checks whose it is" in done.output
    first, second = read(published / "with.json"), read(published / "without.json")
    assert {"FD-means", "KD-means", "coverage (means)", "copies (means)"} <= {v.metric for v in second.values}
    same(first, second)
    assert first.provenance.manifest == second.provenance.manifest
    assert first.provenance.draws == second.provenance.draws
    assert first.controls == second.controls
    assert any("reference pack version 1" in note for note in second.notes)


def test_copies_of_the_works_are_found_out_with_the_pack(published: Path) -> None:
    release = open_release(published / "home")
    works = [release.image(int(row)) for row in release.split("train", "art")]
    for number, path in enumerate(sorted((published / "pictures").iterdir())):
        noise = np.random.default_rng(number).integers(-6, 7, works[0].shape)
        copy = works[number][:, :: 1 - 2 * (number % 2)] + noise
        Image.fromarray(copy.clip(0, 255).astype(np.uint8)).save(path)
    for name, source in (("with", ("--data", "home")), ("without", ("--reference", "pack.safetensors"))):
        done = score(published, f"{name}.json", source[0], published / source[1])
        assert done.exit_code == 0, done.output
        values = read(published / f"{name}.json").values
        assert not any(value.rankable for value in values)
        assert any("pictures of the data" in value.why for value in values)


def test_what_has_no_room_is_left_out_by_name(published: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmark.reference.make.MOST_BYTES", 3000)
    monkeypatch.setattr("benchmark.run.real_set.KERNEL_ROWS", 20)
    done = pack(published, "small.safetensors")
    assert "without coverage (means): its features of real pictures are not in the pack" in done.output
    assert score(published, "with.json", "--data", published / "home").exit_code == 0
    said = score(published, "without.json", "--reference", published / "small.safetensors").output
    assert "not measured: copies (means): its features" in said
    first, second = read(published / "with.json"), read(published / "without.json")
    names = ("precision", "recall", "density", "coverage", "nearest-neighbour ratio", "copies")
    same(first, second, *(f"{name} (means)" for name in names))
    distance = second.get("KD-means")
    assert distance is not None
    assert distance.n_real == 20
    assert pack(published, "large.safetensors", "--neighbours").exit_code == 0
    assert score(published, "large.json", "--reference", published / "large.safetensors").exit_code == 0
    same(first, read(published / "large.json"))


def test_a_person_with_none_of_the_pictures_is_ranked(
    published: Path, ssh_key: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmark.run.cell.commit", lambda: "a" * 40)
    key = ssh_key("ada")
    signed = pack(published, "signed.safetensors", "--key", key)
    assert "signed.safetensors.sig" in signed.output
    shutil.rmtree(published / "home")
    shutil.rmtree(published / "work")
    board = published / "board"
    board.mkdir()
    answer(published / "inputs", published / "other", 0.35)
    reference = ("--reference", published / "signed.safetensors", "--signers", key.with_suffix(".pub"))
    for pictures in ("pictures", "other"):
        done = score(published, f"{pictures}.json", *reference, pictures=pictures)
        assert done.exit_code == 0, done.output
        assert "signed by key (SHA256:" in done.output
        stated = ("--version", "1", "--code", f"https://example.org/{pictures}", "--train-data", "nothing")
        handed = run("submit", "--record", published / f"{pictures}.json", *stated, "-o", board)
        assert handed.exit_code == 0, handed.output
    for path in board.glob("*.json"):
        pictures = read(path).method.code.rpartition("/")[2]
        again = ("--pictures", published / pictures, "--inputs", published / "inputs", *reference, *SMALL)
        checked = run("validate", path, "--board", board, "--new-protocol", *again, "--work", published / "stranger")
        assert checked.exit_code == 0, checked.output
        assert "measured again: agrees" in checked.output
    rows = [row for group in build_board(read_records(board)).groups for row in group.rows if row.record is not None]
    assert len(rows) == 2
    for row in rows:
        numbers = {key.partition("\x1f")[0]: number for key, number in row.numbers.items()}
        assert numbers["KD-means"].rankable
        assert numbers["KD-means"].rank


@pytest.mark.slow
@pytest.mark.usefixtures("networks")
def test_painted_portraits_score_from_the_pack_with_the_networks_of_the_demo(tmp_path: Path) -> None:
    """Retrieval and the painter's answers too: the pack knows the factors of the drawn pictures."""
    paint = ("portraits", tmp_path / "home", "--domain", "both", "--count", "48", "--size", "64", "--world", "small")
    assert CliRunner().invoke(aahq, [str(word) for word in paint]).exit_code == 0
    assert run("inputs", tmp_path / "inputs", "--data", tmp_path / "home", *SMALL).exit_code == 0
    assert pack(tmp_path, "pack.safetensors").exit_code == 0
    answer(tmp_path / "inputs", tmp_path / "pictures")
    assert score(tmp_path, "with.json", "--data", tmp_path / "home").exit_code == 0
    shutil.rmtree(tmp_path / "home")
    done = score(tmp_path, "without.json", "--reference", tmp_path / "pack.safetensors")
    assert done.exit_code == 0, done.output
    first, second = read(tmp_path / "with.json"), read(tmp_path / "without.json")
    named = {value.metric for value in second.values}
    assert {"FD-lite0", "identity retrieval", "style retrieval", "distance to the painted answer"} <= named
    same(first, second)


def test_a_take_down_raises_the_version_and_says_what_moved(published: Path, tmp_path: Path) -> None:
    before = open_release(published / "home")
    manifest = pd.read_parquet(published / "home" / "manifest.parquet")
    gone = manifest[(manifest["domain"] == "art") & (manifest["split"] == "train")].index[:7]
    smaller = Path(shutil.copytree(published / "home", published / "after"))
    manifest.drop(index=gone).to_parquet(smaller / "manifest.parquet")
    card = json.loads((smaller / "release.json").read_text())
    write_json(smaller / "release.json", card | {"manifest_sha256": sha256_file(smaller / "manifest.parquet")})
    old = published / "pack.safetensors"
    done = pack(published, "second.safetensors", "--supersedes", old, data="after")
    assert done.exit_code == 0, done.output
    assert "supersedes version 1" in done.output
    found = read_pack(published / "second.safetensors").card
    assert found.version == 2
    assert found.superseded is not None
    assert (found.superseded.manifest, found.superseded.sha256) == (before.digest, sha256_file(old))

    def features(release: object, domain: str, split: str) -> Gaussian:
        rows = release.split(split, domain)  # type: ignore[attr-defined]
        pictures = np.stack([release.image(int(row)) for row in rows]).transpose(0, 3, 1, 2)  # type: ignore[attr-defined]
        return fit(Means()(torch.from_numpy(pictures)))

    first = next(one for one in found.superseded.moved if one.metric == "FD-means")
    one, other = features(before, "art", "train"), features(open_release(smaller), "art", "train")
    assert first.between == pytest.approx(frechet_distance(one, other), rel=1e-8)
    assert first.before != first.after
    # Inputs and pack of one release alone go together.
    done = score(published, "x.json", "--reference", published / "second.safetensors")
    assert "version 2 is of manifest" in done.output
    assert "get the pack and the inputs of one release" in done.output
    same_release = pack(published, "third.safetensors", "--supersedes", old)
    assert "is of this very release" in same_release.output
    other_draw = pack(published, "third.safetensors", "--supersedes", old, "--set", "faces=5", data="after")
    assert "was made with faces = 4, not 5" in other_draw.output
    assert not (published / "third.safetensors").exists()


def spoil_nothing(path: Path) -> None:
    pass


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1000])


def other_file(path: Path) -> None:
    save_file({"x": np.zeros(3)}, path)


def not_finite(path: Path) -> None:
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    at = json.loads(data[8 : 8 + length])["means.mean"]["data_offsets"][0] + 8 + length
    path.write_bytes(data[:at] + np.array([np.nan]).tobytes() + data[at + 8 :])


def later_schema(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b'\\"schema_version\\":2', b'\\"schema_version\\":9'))


@pytest.mark.parametrize(
    ("spoil", "more", "said"),
    [
        (truncate, (), "not a whole reference pack"),
        (other_file, (), "no reference pack"),
        (not_finite, (), "means.mean is float64 (12,), or not finite"),
        (later_schema, (), "card: schema_version"),
        (Path.unlink, (), "no such file"),
        (spoil_nothing, ("--seed", "7"), "seed: drawn from '0', measured from '7'"),
        (spoil_nothing, ("--set", "faces=5"), "made with faces = 4, here it is 5"),
        (spoil_nothing, ("--data", "."), "leave out --data"),
    ],
)
def test_what_does_not_fit_is_one_line(
    published: Path, spoil: Callable[[Path], None], more: tuple[str, ...], said: str
) -> None:
    spoil(published / "pack.safetensors")
    done = score(published, "x.json", "--reference", published / "pack.safetensors", *more)
    assert done.exit_code == 2
    assert said in done.output
    assert done.output.count("error:") == 1
    assert "Traceback" not in done.output
    assert not (published / "x.json").exists()


def test_signatures_that_do_not_fit_are_refused(published: Path, ssh_key: Callable[[str], Path]) -> None:
    ada, bob = ssh_key("ada"), ssh_key("bob")
    path = published / "signed.safetensors"
    unsigned = ("--reference", published / "pack.safetensors", "--signers", ada.with_suffix(".pub"))
    assert "not signed" in score(published, "x.json", *unsigned).output
    assert pack(published, path.name, "--key", ada).exit_code == 0
    wrong = score(published, "x.json", "--reference", path, "--signers", bob.with_suffix(".pub"))
    assert "not by a key that" in wrong.output
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    changed = score(published, "x.json", "--reference", path, "--signers", ada.with_suffix(".pub"))
    assert "does not fit signed.safetensors" in changed.output
    assert {wrong.exit_code, changed.exit_code} == {1}
    assert not (published / "x.json").exists()


def test_inputs_that_were_changed_are_found(published: Path) -> None:
    reference = ("--reference", published / "pack.safetensors")
    kept = published / "inputs/faces/f0001.png"
    Image.fromarray(255 - np.asarray(Image.open(kept))).save(kept)
    assert "f0001.png is not the picture that was drawn" in score(published, "x.json", *reference).output
    kept.unlink()
    assert "f0001.png is missing, 1 in all" in score(published, "x.json", *reference).output


def test_a_pack_is_never_written_over(published: Path) -> None:
    before = sha256_file(published / "pack.safetensors")
    assert "is there already; name a new file" in pack(published, "pack.safetensors").output
    assert sha256_file(published / "pack.safetensors") == before


def test_the_papers_features_take_less_than_60_mb(tmp_path: Path) -> None:
    """Inception 2,048-d and DINOv2 1,024-d with moments, CLIP 768-d without, and a draw for each of five seeds."""
    rng = np.random.default_rng(0)
    fits, arrays, parts = {}, {}, []
    for name, dim, kernel in (
        ("inception-clean", 2048, "polynomial"),
        ("dinov2", 1024, "polynomial"),
        ("clip", 768, "gaussian"),
    ):
        arrays[f"{name}.sample"] = rng.standard_normal((KERNEL_ROWS, dim), np.float32)
        parts.append(ExtractorCard(name=name, describe={}, kernel=kernel, dim=dim, count=33_245, neighbours=False))
        if kernel == "polynomial":
            square = torch.from_numpy(rng.standard_normal((dim, dim)))
            fits[name] = Gaussian(torch.from_numpy(rng.standard_normal(dim)), square + square.T, 33_245)
            arrays |= packed_moments(name, fits[name])
    for place in range(5):
        faces, styles = rng.integers(0, 103_245, 1000), rng.integers(0, 103_245, (1000, 10))
        arrays |= {f"draw-{place}.faces": faces, f"draw-{place}.styles": styles}
        arrays[f"draw-{place}.face-sums"] = rng.integers(0, 256, (1000, 32), np.uint8)
        arrays[f"draw-{place}.style-sums"] = rng.integers(0, 256, (1000, 10, 32), np.uint8)
    arrays["works"] = rng.standard_normal((33_245, 64)).astype(np.float16)
    settings = {
        "manifest": "0" * 64,
        "real_set": "1" * 64,
        "release": "AAHQ",
        "recipe": "ffhq",
        "size": 1024,
        "world": "",
    }
    card = PackCard(
        version=1, profile="paper", settings={}, rows=103_245, photographs={}, doubt="", controls={}, extractors=parts,
        draws=[DrawCard(seed="0", digest="2" * 64)], factors={}, without={}, **settings,
    )  # fmt: skip
    path = tmp_path / "paper.safetensors"
    write_pack(path, card, arrays)
    # Triangles in float64, samples in float32, draws of rows and SHA-256, sketches: 51.7 + 2.2 + 4.3 MB.
    triangles = sum(8 * dim * (dim + 1) // 2 + 8 * dim for dim in (2048, 1024))
    samples, drawn = 4 * KERNEL_ROWS * (2048 + 1024 + 768), 5 * 11_000 * (8 + 32)
    assert (
        triangles + samples + drawn + 33_245 * 128
        == sum(array.nbytes for array in arrays.values())
        < path.stat().st_size
    )
    assert path.stat().st_size < MOST_BYTES
    found = read_pack(path)
    for part in parts[:2]:
        kept = found.gaussian(part)
        assert torch.equal(kept.cov, fits[part.name].cov)
        assert torch.equal(kept.mean, fits[part.name].mean)
    assert np.array_equal(found.features(parts[2], "sample"), arrays["clip.sample"])
    with pytest.raises(SuiteError, match="draw '0' is not what the card says"):
        found.draw("0")
