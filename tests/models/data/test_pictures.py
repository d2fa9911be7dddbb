"""One reader for every picture: commands, training and benchmark see the same pixels, and damage is one line."""

from __future__ import annotations

import io
import tarfile
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from models.data.pictures import decode_rgb, read_rgb, save_png, to_uint8
from models.data.prepared import prepare
from models.data.sources import decoded, open_pictures
from suite.errors import SuiteError
from suite.pictures import DecodeLimits


def encoded(image: Image.Image, kind: str = "PNG", **how: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **how)
    return out.getvalue()


RAMP = np.arange(64, dtype=np.uint8).reshape(8, 8) * 4


def rotated() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return encoded(Image.fromarray(np.stack([RAMP] * 3, 2)), exif=exif)


def clear() -> bytes:
    """Left half white paint on nothing at all, right half opaque red."""
    pixels = np.zeros((8, 8, 4), np.uint8)
    pixels[:, 4:] = (255, 0, 0, 255)
    return encoded(Image.fromarray(pixels))


KINDS = {
    "16-bit grey": (encoded(Image.fromarray(RAMP.astype(np.uint16) * 257)), np.stack([RAMP] * 3, 2)),
    "16-bit TIFF": (encoded(Image.fromarray(RAMP.astype(np.uint16) * 257), "TIFF"), np.stack([RAMP] * 3, 2)),
    "grey": (encoded(Image.fromarray(RAMP)), np.stack([RAMP] * 3, 2)),
    "turned by EXIF": (rotated(), np.stack([np.rot90(RAMP, -1)] * 3, 2)),
    "transparent": (
        clear(),
        np.concatenate([np.full((8, 4, 3), 255), np.tile(np.array([255, 0, 0]), (8, 4, 1))], axis=1),
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_commands_and_training_read_alike(kind: str, tmp_path: Path) -> None:
    data, wanted = KINDS[kind]
    path = tmp_path / "x.png"
    path.write_bytes(data)
    for got in (np.asarray(read_rgb(path)), decoded(data)):
        np.testing.assert_array_equal(got, wanted)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (encoded(Image.fromarray(RAMP))[:50], "damaged or foreign picture"),
        (b"junk", "not a picture"),
        (b"", "not a picture"),
        (encoded(Image.fromarray(RAMP.astype(np.float32)), "TIFF"), "floating-point"),
        (encoded(Image.fromarray(RAMP.astype(np.int32) * 70000), "TIFF"), "32 bits a pixel"),
    ],
)
def test_what_cannot_be_read_is_one_line(data: bytes, said: str, tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    path.write_bytes(data)
    with pytest.raises(SuiteError, match=said):
        read_rgb(path)
    with pytest.raises((OSError, ValueError)):
        decoded(data)


def test_a_folder_is_no_picture(tmp_path: Path) -> None:
    with pytest.raises(SuiteError, match="is a folder; a picture is expected"):
        read_rgb(tmp_path)


def test_a_bomb_is_refused_without_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.png"
    path.write_bytes(encoded(Image.new("RGB", (40, 40))))
    monkeypatch.setattr("models.data.pictures._LIMITS", DecodeLimits(max_pixels=1000, min_side=1))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(SuiteError, match=r"too many pixels.*> 1000"):
            read_rgb(path)
        with pytest.raises(ValueError, match=r"too many pixels.*> 1000"):
            decode_rgb(path.read_bytes())


def test_a_picture_of_nan_is_not_written_as_black(tmp_path: Path) -> None:
    picture = torch.zeros(3, 8, 8)
    picture[1, 2, 3] = float("nan")
    with pytest.raises(SuiteError, match="NaN"):
        to_uint8(picture)
    with pytest.raises(SuiteError, match="NaN"):
        save_png(tmp_path / "x.png", picture)
    assert list(tmp_path.iterdir()) == []


def many(count: int = 200) -> dict[str, bytes]:
    return {f"{number:03d}.png": encoded(Image.new("RGB", (32, 32), (number, 0, 0))) for number in range(count)}


def test_a_damaged_member_is_a_broken_picture(tmp_path: Path) -> None:
    place = tmp_path / "set.zip"
    with zipfile.ZipFile(place, "w") as archive:
        for name, data in many().items():
            archive.writestr(name, data)
    whole = bytearray(place.read_bytes())
    at = whole.find(b"IDAT", whole.find(b"100.png")) + 8
    whole[at] ^= 255
    place.write_bytes(whole)
    prepared = prepare(place, 32, cache=tmp_path / "cache")
    assert len(prepared) == 199
    assert "damaged, encrypted or unknown member" in prepared.broken["100.png"]


def test_what_macos_leaves_in_archives_is_no_picture(tmp_path: Path) -> None:
    place = tmp_path / "set.zip"
    with zipfile.ZipFile(place, "w") as archive:
        for name, data in many(3).items():
            archive.writestr(f"faces/{name}", data)
            archive.writestr(f"__MACOSX/faces/._{name}", b"\0\5\x16\7")
    assert open_pictures(place).names == [f"faces/{number:03d}.png" for number in range(3)]


def test_two_folders_of_one_look_are_two_sets(tmp_path: Path) -> None:
    import os

    for name, value in (("faces", 10), ("art", 200)):
        (tmp_path / name).mkdir()
        for number in range(3):
            path = tmp_path / name / f"{number}.bmp"
            Image.new("RGB", (32, 32), (value, 0, 0)).save(path)
            os.utime(path, (0, 0))
    faces, art = (prepare(tmp_path / name, 32, cache=tmp_path / "cache") for name in ("faces", "art"))
    assert (faces.pixels[np.arange(3)][0, 0, 0, 0], art.pixels[np.arange(3)][0, 0, 0, 0]) == (10, 200)


def _gzipped_tar(place: Path) -> None:
    with tarfile.open(place, "w:gz") as archive:
        data = encoded(Image.fromarray(RAMP))
        member = tarfile.TarInfo("x.png")
        member.size = len(data)
        archive.addfile(member, io.BytesIO(data))


@pytest.mark.parametrize(
    ("name", "make", "said"),
    [
        ("x.parquet", lambda place: place.write_bytes(b"x"), "not a whole Parquet file"),
        ("x.zip", lambda place: place.write_bytes(b"PK\3\4" + bytes(40)), "not a whole zip file"),
        ("x.tar", lambda place: place.write_bytes(b"x" * 600), "not a whole, uncompressed tar file"),
        ("x.tar", _gzipped_tar, "not a whole, uncompressed tar file"),
        ("x.png", lambda place: place.write_bytes(encoded(Image.fromarray(RAMP))), "expected a release, a folder"),
    ],
)
def test_foreign_files_as_a_set_are_one_line(name: str, make: object, said: str, tmp_path: Path) -> None:
    make(tmp_path / name)  # type: ignore[operator]
    with pytest.raises(SuiteError, match=said):
        open_pictures(tmp_path / name)


def test_parquet_files_may_differ_in_their_column_and_have_holes(tmp_path: Path) -> None:
    data = encoded(Image.fromarray(RAMP))
    pq.write_table(pa.table({"image": [{"bytes": data, "path": "a"}, None]}), tmp_path / "a.parquet")
    pq.write_table(pa.table({"png": [data]}), tmp_path / "b.parquet")
    found = open_pictures(tmp_path)
    assert [found.read(index) for index in range(3)] == [data, b"", data]
