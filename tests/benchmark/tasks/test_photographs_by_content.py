"""Plain photographs are known by their pixels: any copy and form is one set, one draw, one protocol, one distance."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pandas as pd
import pytest

from benchmark.run.cell import Bench
from benchmark.run.generate import Generation
from benchmark.run.instruments import Extractors
from benchmark.run.record import MethodInfo, Record
from benchmark.run.reproduction import Reproduction
from benchmark.tasks.paired_release import PairedRelease, join
from benchmark.tasks.paper import Cell
from benchmark.tasks.protocol import pool, sample_pairs
from benchmark.tasks.settings import Reproduce
from models.data import ffhq, identity, splits
from models.data.plain import PlainPictures
from models.data.sources import open_pictures, open_whole
from suite.errors import SuiteError
from suite.files import write_json
from tests.benchmark.photographs import FORMS, folder, nested, photographs
from tests.benchmark.toys import Means, ToyMethod, write_release


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AAHQ_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(scope="module")
def pictures() -> dict[int, bytes]:
    return photographs()


@pytest.fixture(scope="module")
def art(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_release(tmp_path_factory.mktemp("art"))


def record_of(art: Path, faces: Path, work: Path, monkeypatch: pytest.MonkeyPatch) -> Record:
    monkeypatch.setattr("benchmark.run.cell.open_extractors", lambda *_: Extractors(fd=(Means(),)))
    settings = Reproduce(faces=8, styles=3, methods=(), real_split="train", answers=False)
    bench = Bench.open(Reproduction(settings, "toy", work, faces=faces, art=art))
    generation = Generation(ToyMethod(), "reference", bench.draws[0], bench.release, 6)
    return bench.record(
        Cell(0, "reference", "Toy", None), [generation], MethodInfo(name="Toy"), {}, "re-run from weights"
    )


def test_every_form_copied_and_touched_is_one_measurement(
    tmp_path: Path, pictures: dict[int, bytes], art: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = {}
    for number, (name, make) in enumerate(FORMS.items()):
        place = make(tmp_path / str(number), pictures)
        records[name] = record_of(art, place, tmp_path / f"work-{number}", monkeypatch)
    copy = shutil.copytree(tmp_path / "0", tmp_path / "moved" / "ffhq")
    for path in copy.iterdir():
        os.utime(path, (1, 1))
    records["copied and touched"] = record_of(art, copy, tmp_path / "work-copy", monkeypatch)
    first = records.pop("folder")
    assert first.protocols
    for record in records.values():
        assert record.provenance.manifest == first.provenance.manifest
        assert record.provenance.draws == first.provenance.draws
        assert record.protocols.keys() == first.protocols.keys()
        for one, other in zip(first.values, record.values):
            assert other.value == pytest.approx(one.value, rel=1e-9, abs=1e-12), one.metric
    fewer = folder(tmp_path / "fewer", {number: data for number, data in pictures.items() if number})
    other = record_of(art, fewer, tmp_path / "work-fewer", monkeypatch)
    assert other.provenance.manifest != first.provenance.manifest
    assert not other.protocols.keys() & first.protocols.keys()


def test_an_unknown_form_is_measured_and_never_ranked(
    tmp_path: Path, pictures: dict[int, bytes], art: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = record_of(art, folder(tmp_path / "faces", pictures), tmp_path / "work", monkeypatch)
    assert not any(value.rankable for value in record.values)
    assert {value.why for value in record.values} == {
        "photographs of an unknown form: no form of FFHQ that statistics tell has 32 x 32 pixels"
    }
    for info in record.protocols.values():
        assert info.parameters["photographs"] == {"identity": "pixels-1", "form": "unknown", "split": "content-1-in-7"}


def test_protocols_of_a_release_are_what_they_were(tmp_path: Path, art: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record = record_of(art, art, tmp_path / "work", monkeypatch)
    assert not any("photographs" in value.why for value in record.values)
    kept = (
        "draws face_split faces guidance manifest n_fake n_real real_set real_split sampling_seeds style_split styles"
    )
    features = "dim name resize size weights_sha256"
    value = record.get("FD-means")
    assert value is not None
    assert set(record.protocols[value.protocol].parameters) == {*kept.split(), *features.split()}


def test_training_leaves_out_what_scoring_draws(tmp_path: Path, pictures: dict[int, bytes], art: Path) -> None:
    place = nested(tmp_path / "faces", pictures)
    both, trained = join(art, place), open_pictures(place, "photo", "train")
    assert len(trained.names) + len(open_pictures(place, "photo", "test").names) == len(pictures)
    seen = {identity.sha256_bytes(trained.read(index)) for index in range(len(trained.names))}
    drawn = {identity.sha256_bytes(both.png(row)) for row in sample_pairs(both, 8, 3, "0").face_rows}
    assert len(drawn) == 8
    assert not seen & drawn
    assert len(open_pictures(place, "photo").names) == len(open_pictures(place, "art", "train").names) == len(pictures)


def test_a_set_too_small_to_score_with_trains_whole(tmp_path: Path, pictures: dict[int, bytes], art: Path) -> None:
    place = folder(tmp_path / "few", {number: pictures[number] for number in range(20)})
    assert len(open_pictures(place, "photo", "train").names) == 20
    with pytest.raises(SuiteError, match=r"faces: 4 wanted, .* 0 photographs in split 'test'.*below 100"):
        sample_pairs(join(art, place), 4, 3, "0")


def test_digests_are_found_once(tmp_path: Path, pictures: dict[int, bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identity, "SETTLED", 0)
    place = folder(tmp_path / "faces", pictures)
    first = _members(place)
    read: list[int] = []
    real = identity._row
    monkeypatch.setattr(identity, "_row", lambda members, index: (read.append(index), real(members, index))[1])
    assert _members(place).equals(first)
    assert read == []
    (place / "00007.png").write_bytes(pictures[8])
    assert _members(place)["pixel_sha256"][7] == first["pixel_sha256"][8]
    assert read == [7]


def test_a_change_that_keeps_size_and_time_is_seen(
    tmp_path: Path, pictures: dict[int, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(identity, "SETTLED", 0)
    place = folder(tmp_path / "faces", {0: pictures[0], 1: pictures[1]})
    path, first = place / "00000.png", _members(place)
    before = path.stat()
    other = next(data for data in photographs(200, seed=5).values() if len(data) == before.st_size)
    path.write_bytes(other)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    after = path.stat()
    assert (after.st_size, after.st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    assert _members(place)["pixel_sha256"][0] != first["pixel_sha256"][0]


def test_a_file_that_has_just_changed_is_not_trusted(tmp_path: Path, pictures: dict[int, bytes]) -> None:
    place = folder(tmp_path / "faces", {0: pictures[0]})
    first = _members(place)
    assert not identity._usable(identity._kept_at(place))
    table = first.assign(read_ns=first["read_ns"] + 10 * identity.SETTLED)
    table.to_parquet(identity._kept_at(place))
    assert len(identity._usable(identity._kept_at(place))) == 1


def test_a_kept_digest_that_lies_is_found_where_it_is_used(
    tmp_path: Path, pictures: dict[int, bytes], art: Path
) -> None:
    place = folder(tmp_path / "faces", pictures)
    both = join(art, place)
    assert isinstance(both, PairedRelease)
    row = pool(both, "test", "photo")[0]
    (place / both._photos.names[both._members[row - len(both._styles)]]).write_bytes(photographs(1, seed=9)[0])
    with pytest.raises(SuiteError, match="changed while it was in use"):
        both.image(row)
    assert not identity._kept_at(place).exists()


def test_a_damaged_photograph_is_named_before_the_work(tmp_path: Path, pictures: dict[int, bytes], art: Path) -> None:
    place = folder(tmp_path / "faces", pictures)
    (place / "00150.png").write_bytes(pictures[150][:80])
    with pytest.raises(SuiteError, match=r"--faces .*00150\.png: not a whole picture .* 1 such of 200"):
        join(art, place)


def test_a_size_that_differs_names_the_form(tmp_path: Path, art: Path) -> None:
    place = folder(tmp_path / "faces", photographs(30, 128))
    with pytest.raises(
        SuiteError, match=r"00000\.png has 128 x 128 pixels.*the set is unknown .*give both at one size"
    ):
        join(art, place)


def write_list(path: Path, place: Path, skip: int = -1) -> None:
    """A list in the form of FFHQ's for the pictures of a folder that are numbered from 59,990 on."""
    table = _members(place)
    entries = {
        str(59_990 + row): {
            "category": "training",
            "image": {"file_md5": "", "pixel_md5": md5, "pixel_size": [32, 32]},
            "thumbnail": {"file_md5": f"{row:032x}", "pixel_md5": f"{row + 500:032x}"},
        }
        for row, md5 in enumerate(table["pixel_md5"])
        if row != skip
    }
    write_json(path, entries)


def test_the_published_list_gives_numbers_form_and_split(tmp_path: Path, pictures: dict[int, bytes], art: Path) -> None:
    first = folder(tmp_path / "plain", pictures)
    both = tmp_path / "listed"
    both.mkdir()
    for form in ("zip", "parquet", "nested folder"):
        place = FORMS[form](both / form.split()[0], pictures)
        write_list(both / ffhq.LIST, first)
        joined = join(art, place)
        assert joined.photographs == {"identity": "pixels-1", "form": "1024 PNG", "split": splits.BY_NUMBER}
        assert joined.doubt == ""
        assert len(pool(joined, "train", "photo")) == 10
        assert len(pool(joined, "test", "photo")) == len(pictures) - 10
    digests = {join(art, both / name).digest for name in ("zip.zip", "parquet.parquet", "nested")}
    assert len(digests) == 1
    write_list(both / ffhq.LIST, first, skip=3)
    joined = join(art, both / "zip.zip")
    assert "1 of 200 pictures are not in the published list, e.g. 00000/img00000003.png" in joined.doubt
    (both / ffhq.LIST).write_text(json.dumps([1, 2]))
    with pytest.raises(SuiteError, match="not the list that FFHQ's publishers give"):
        join(art, both / "zip.zip")


def test_numbers_come_from_names_without_a_gap_alone() -> None:
    def members(names: list[str], side: int = 256, md5: str = "") -> pd.DataFrame:
        return pd.DataFrame({"name": names, "width": side, "height": side, "pixel_md5": md5})

    numbers = ffhq.numbers_by_name
    for form in ("{:05d}.png", "a/b/{:05d}.png", "0/img{:08d}.png", "x.tar#{}.png"):
        found = numbers(members([form.format(number) for number in reversed(range(ffhq.COUNT))]))
        assert found is not None
        assert found[0] == ffhq.COUNT - 1
    assert numbers(members([f"{number:05d}.png" for number in range(ffhq.COUNT - 1)])) is None
    assert numbers(members([f"{number % 69_999:05d}.png" for number in range(ffhq.COUNT)])) is None
    assert numbers(members([f"{number:05d}.png" for number in range(ffhq.COUNT)], 1024)) is None
    assert (
        numbers(members([f"{number:05d}.png" for number in range(ffhq.COUNT)], 1024, ffhq.FORMS["image"][1]))
        is not None
    )


def _members(place: Path) -> pd.DataFrame:
    found = open_whole(place)
    assert isinstance(found, PlainPictures)
    return found.members
