"""Photographs from one place and artistic faces from another: drawn, trained on and measured as one release."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmark.run.plan import plan
from benchmark.run.record_file import read as read_record
from benchmark.run.reproduce import reproduce
from benchmark.run.reproduction import Reproduction, wanted_cells
from benchmark.tasks.paired_release import PairedRelease, join
from benchmark.tasks.protocol import pool, sample_pairs
from benchmark.tasks.settings import MethodSettings, Reproduce, Step
from models.data.identity import pixel_sha256
from models.data.release import open_release
from suite.errors import SuiteError
from tests.benchmark.toys import ToyMethod, write_release


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    folder = tmp_path / "ffhq"
    (folder / "00000").mkdir(parents=True)
    for k, pixels in enumerate(np.random.default_rng(1).integers(0, 256, (120, 32, 32, 3), dtype=np.uint8)):
        Image.fromarray(pixels).save(folder / "00000" / f"{k:05d}.png")
    return folder


def read(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path))


def test_a_folder_and_a_release_are_one_release(tmp_path: Path, photographs: Path) -> None:
    art = write_release(tmp_path / "aahq")
    both = join(art, photographs)
    known = open_release(art)
    assert (len(both), both.size, both.photographs["split"]) == (24 + 120, 32, "content-1-in-7")
    assert len(pool(both, "test", "photo")) + len(pool(both, "train", "photo")) == 120
    draws = sample_pairs(both, 4, 3, "0")
    pixels = {pixel_sha256(picture): picture for picture in map(read, sorted(photographs.rglob("*.png")))}
    for row in draws.face_rows:
        name = str(both.manifest["id"][row]).removeprefix("photo:")
        assert np.array_equal(both.image(row), pixels[name])
    for row in draws.style_rows[0]:
        twin = int(np.flatnonzero(known.manifest["id"] == both.manifest["id"][row])[0])
        assert np.array_equal(both.image(row), known.image(twin))
        assert known.manifest["domain"][twin] == "art"
    assert both.digest == join(art, photographs).digest != known.digest


def test_two_releases_keep_their_splits(tmp_path: Path) -> None:
    art, faces = write_release(tmp_path / "aahq"), write_release(tmp_path / "ffhq", seed=5)
    both = join(art, faces)
    assert not both.photographs
    row, other = pool(both, "test", "photo")[0], open_release(faces)
    twin = int(np.flatnonzero(other.manifest["id"] == both.manifest["id"][row])[0])
    assert np.array_equal(both.image(row), other.image(twin))


def test_places_that_do_not_go_together_are_refused(tmp_path: Path, photographs: Path) -> None:
    with pytest.raises(SuiteError, match="give both at one size"):
        join(write_release(tmp_path / "aahq", size=64), photographs)
    with pytest.raises(SuiteError, match=r"--faces .*no such file"):
        join(write_release(tmp_path / "other"), tmp_path / "absent")


def test_a_reproduction_of_two_places(tmp_path: Path, photographs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command = ("baselines", "train", "munit", "--data", "{data}", "-o", "{run}")
    method = MethodSettings(name="MUNIT", steps=(Step(name="munit", command=command),))
    settings = Reproduce(faces=4, styles=3, methods=(method,))
    art, weights = write_release(tmp_path / "aahq"), tmp_path / "munit.safetensors"
    work = Reproduction(settings, "x", tmp_path / "out", faces=photographs, art=art, offline=True)
    wanted = wanted_cells(["t3-reference-munit"])
    steps = {step.what: step for step in plan(work, wanted)}
    train = steps["MUNIT: train munit"]
    assert steps["data"].state == "have"
    assert f"--faces {photographs} --art {art}" in train.detail
    assert "--data" not in train.detail
    weights.write_bytes(b"munit")
    work.weights["MUNIT"] = weights
    monkeypatch.setattr("benchmark.run.cell.load", lambda *_args, **_options: ToyMethod(name="MUNIT"))
    assert reproduce(work, wanted, lambda _: None).measured == 1
    record = read_record(work.records / "t3-reference-munit.json")
    opened = work.open()
    assert isinstance(opened, PairedRelease)
    assert record.provenance.manifest == opened.digest
    assert all("photographs of an unknown form" in value.why for value in record.values)
