"""Training pictures from every local form, broken ones, and the endless seeded order."""

from __future__ import annotations

import io
import os
import shutil
import tarfile
import zipfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from models.data.loader import InfiniteLoader, unit_range
from models.data.prepared import ImageArray, Need, disk_need, prepare
from models.data.sources import open_pictures
from suite.errors import SuiteError


def png(value: int, width: int = 40, height: int = 40) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (width, height), (value, 0, 255 - value)).save(out, "PNG")
    return out.getvalue()


NAMES = [f"{value:03d}.png" for value in range(0, 60, 10)]
PIECES = {name: png(int(name[:3])) for name in NAMES}


def folder(tmp_path: Path) -> Path:
    place = tmp_path / "folder"
    (place / "sub").mkdir(parents=True)
    for number, (name, data) in enumerate(PIECES.items()):
        (place / ("sub" if number % 2 else ".") / name).write_bytes(data)
    return place


def zipped(tmp_path: Path) -> Path:
    place = tmp_path / "set.zip"
    with zipfile.ZipFile(place, "w") as archive:
        for name, data in PIECES.items():
            archive.writestr(f"in/{name}", data)
    return place


def shards(tmp_path: Path) -> Path:
    place = tmp_path / "shards"
    place.mkdir()
    for shard in range(2):
        with tarfile.open(place / f"x-{shard}.tar", "w") as archive:
            for name in NAMES[shard::2]:
                member = tarfile.TarInfo(name)
                member.size = len(PIECES[name])
                archive.addfile(member, io.BytesIO(PIECES[name]))
    return place


def parquet(tmp_path: Path) -> Path:
    place = tmp_path / "set.parquet"
    images = [{"bytes": data, "path": name} for name, data in PIECES.items()]
    pd.DataFrame({"label": range(len(images)), "image": images}).to_parquet(place, row_group_size=2)
    return place


@pytest.mark.parametrize("form", [folder, zipped, shards, parquet])
def test_every_form_holds_the_same_pictures(tmp_path: Path, form: object) -> None:
    prepared = prepare(form(tmp_path), 32, cache=tmp_path / "cache")  # type: ignore[operator]
    reds = sorted(int(prepared.pixels[np.array([row])][0, 16, 16, 0]) for row in range(len(prepared)))
    assert reds == list(range(0, 60, 10))
    assert prepared.pixels.shape == (6, 32, 32, 3)


def test_the_second_time_nothing_is_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = folder(tmp_path)
    assert disk_need(place, 32, cache=tmp_path / "cache") == Need(6, 6 * 32 * 32 * 3, "resized once and cached")
    first = prepare(place, 32, cache=tmp_path / "cache")
    assert disk_need(place, 32, cache=tmp_path / "cache") == Need(6, 0, "cached already")
    monkeypatch.setattr("models.data.prepared._square", None)
    second = prepare(place, 32, cache=tmp_path / "cache")
    assert np.array_equal(np.asarray(first.pixels), np.asarray(second.pixels))
    assert first.key == second.key


def test_a_copy_is_not_prepared_again_and_a_change_of_one_length_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AAHQ_CACHE", str(tmp_path / "known"))
    place, cache = folder(tmp_path), tmp_path / "cache"
    first = prepare(place, 32, cache=cache)
    copy = Path(shutil.copytree(place, tmp_path / "copy"))
    assert disk_need(copy, 32, cache=cache).how == "cached already"
    assert prepare(copy, 32, cache=cache).key == first.key
    before = (copy / NAMES[0]).stat()
    red = next(value for value in range(100, 256) if len(png(value)) == before.st_size)
    other = png(red)
    (copy / NAMES[0]).write_bytes(other)
    os.utime(copy / NAMES[0], ns=(before.st_atime_ns, before.st_mtime_ns))
    changed = prepare(copy, 32, cache=cache)
    assert changed.key != first.key
    assert changed.pixels[np.array([0])][0, 0, 0, 0] == red


def test_broken_pictures_are_named_and_left_out(tmp_path: Path) -> None:
    place = folder(tmp_path)
    for name in ("a.png", "b.jpg", "c.png"):
        (place / name).write_bytes(PIECES[NAMES[0]][:60])
    prepared = prepare(place, 32, cache=tmp_path / "cache")
    assert len(prepared) == 6
    assert sorted(prepared.broken) == ["a.png", "b.jpg", "c.png"]


def test_decoding_while_training_gives_the_same_pixels(tmp_path: Path) -> None:
    place = folder(tmp_path)
    cached = prepare(place, 32, cache=tmp_path / "cache")
    lazy = prepare(place, 32, cache=tmp_path / "cache", most_cached=0)
    rows = np.array([4, 1, 1])
    assert np.array_equal(cached.pixels[rows], lazy.pixels[rows])


def test_large_row_groups_are_copied_once_and_read_in_any_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AAHQ_CACHE", str(tmp_path / "known"))
    monkeypatch.setattr("models.data.identity.SETTLED", 0)
    place, cache = parquet(tmp_path), tmp_path / "cache"
    assert disk_need(place, 32, cache=cache, most_cached=0) == Need(6, 0, "decoded while training")
    small = prepare(place, 32, cache=cache, most_cached=0)
    assert not (cache / "unpacked").exists(), "two pictures a group are read where they lie"
    rows = np.array([5, 0, 3, 1, 4, 2])
    expected = small.pixels[rows]
    monkeypatch.setattr("models.data.unpacked.MOST_GROUP_BYTES", 10)
    need = disk_need(place, 32, cache=cache, most_cached=0)
    assert need.how == "unpacked once and decoded while training"
    assert need.bytes >= sum(map(len, PIECES.values()))
    copied = prepare(place, 32, cache=cache, most_cached=0)
    assert disk_need(place, 32, cache=cache, most_cached=0) == Need(6, 0, "decoded while training")
    assert len(list((cache / "unpacked").iterdir())) == 1
    monkeypatch.setattr("models.data.parquet.ParquetPictures.read", None)
    again = prepare(place, 32, cache=cache, most_cached=0)
    for lazy in (copied, again):
        assert np.array_equal(lazy.pixels[rows], expected)
    assert copied.key == again.key == small.key


def test_a_copy_without_room_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = parquet(tmp_path)
    monkeypatch.setattr("models.data.unpacked.MOST_GROUP_BYTES", 10)
    monkeypatch.setattr("models.data.unpacked.shutil.disk_usage", lambda _: SimpleNamespace(free=0))
    with pytest.raises(SuiteError, match=r"row groups of .* MB cannot be read in random order, .* AAHQ_CACHE"):
        prepare(place, 32, cache=tmp_path / "cache", most_cached=0)
    assert not list((tmp_path / "cache" / "unpacked").iterdir())


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda place: place.mkdir(), "holds no pictures"),
        (lambda place: None, "no such file"),
        (lambda place: place.write_text("x"), "expected a release, a folder"),
    ],
)
def test_bad_places_are_one_line(tmp_path: Path, make: object, said: str) -> None:
    place = tmp_path / "set"
    make(place)  # type: ignore[operator]
    with pytest.raises(SuiteError, match=said):
        open_pictures(place)


def test_mostly_broken_is_refused(tmp_path: Path) -> None:
    place = tmp_path / "set"
    place.mkdir()
    for number in range(5):
        (place / f"{number}.png").write_bytes(b"no picture")
    with pytest.raises(SuiteError, match="5 of 5 pictures are broken"):
        prepare(place, 32, cache=tmp_path / "cache")


def numbered(count: int) -> ImageArray:
    pixels = np.zeros((count, 2, 2, 3), np.uint8)
    pixels[:, 0, :, 0] = np.arange(count)[:, None]
    return ImageArray(pixels, {"style": np.arange(count)}, {}, "numbered")


def test_every_epoch_shows_every_picture_once_and_ranks_share_them() -> None:
    data = numbered(12)
    ranks = [InfiniteLoader(data, 2, seed=5, rank=rank, world=2) for rank in range(2)]
    seen = [int(row) for step in range(6) for stream in ranks for row in stream.indices(step)[0]]
    assert sorted(seen[:12]) == sorted(seen[12:]) == list(range(12))
    alone = InfiniteLoader(data, 4, seed=5)
    for step in range(6):
        together = np.stack([stream.indices(step)[0] for stream in ranks], axis=1).reshape(-1)
        assert np.array_equal(alone.indices(step)[0], together)


def test_a_step_is_the_same_however_it_is_reached() -> None:
    onwards, jumped = InfiniteLoader(numbered(7), 3, seed=1), InfiniteLoader(numbered(7), 3, seed=1)
    for step in range(5):
        onwards.batch_at(step)
    a, b = onwards.batch_at(5), jumped.batch_at(5)
    assert (a[0] == b[0]).all()
    assert (a[1]["style"] == b[1]["style"]).all()
    assert a[0].shape == (3, 3, 2, 2)
    assert a[0].dtype == torch.uint8
    shown = unit_range(torch.tensor([0, 51, 255], dtype=torch.uint8))
    torch.testing.assert_close(shown, torch.tensor([-1.0, -0.6, 1.0]))
    onwards.close()
    jumped.close()
