"""Sets of pictures that say other sizes than they have: each is read within a total, and named in one line."""

from __future__ import annotations

import io
import os
import struct
import tarfile
import tracemalloc
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

import models.data.parquet
from models.data.parquet import ParquetPictures
from models.data.release import open_release
from models.data.sources import open_pictures
from suite.errors import SuiteError
from suite.files import digest, sha256_file, write_json

MOST = 32 << 20
BOMB = bytes(512 << 20)


# Arrow's buffers may outlive the work.
POOLS: list[Any] = []


def peak(work: Callable[[], Any]) -> int:
    """The most that Python and Arrow hold of their own while `work` runs."""
    before = pa.default_memory_pool()
    pool = pa.proxy_memory_pool(before)
    POOLS.append(pool)
    pa.set_memory_pool(pool)
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1] + (pool.max_memory() or 0)
    finally:
        tracemalloc.stop()
        pa.set_memory_pool(before)


def png(seed: int = 0) -> bytes:
    out = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 255, (8, 8, 3), np.uint8)).save(out, "PNG")
    return out.getvalue()


def bad_and_good(place: Path) -> None:
    """The picture that lies is broken, and its neighbour is read."""
    pictures = open_pictures(place)
    broken = next(index for index, name in enumerate(pictures.names) if "bad" in name)
    with pytest.raises(OSError, match=r"bytes, where|damaged|stored nor deflated|More than 191 MiB"):
        pictures.read(broken)
    assert pictures.read(1 - broken) == png()


def zip_of(path: Path, data: bytes, kind: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("bad.png", data, kind)
        archive.writestr("good.png", png())
    return path


def said_otherwise(path: Path, size: int) -> None:
    """Both headers of a zip's first member say that it unpacks to `size` bytes."""
    data = bytearray(path.read_bytes())
    for mark, offset in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        at = data.index(mark) + offset
        data[at : at + 4] = struct.pack("<I", size)
    path.write_bytes(data)


def test_a_zip_member_that_unpacks_to_gigabytes_is_broken(tmp_path: Path) -> None:
    honest = zip_of(tmp_path / "honest.zip", BOMB)
    liar = zip_of(tmp_path / "liar.zip", BOMB)
    said_otherwise(liar, 100)
    packed = zip_of(tmp_path / "packed.zip", BOMB, zipfile.ZIP_BZIP2)
    said_otherwise(packed, 100)
    for path in (honest, liar, packed):
        assert path.stat().st_size < 1 << 20
        assert peak(partial(bad_and_good, path)) < MOST


def tar_of(path: Path, *members: tuple[tarfile.TarInfo, bytes], headers: dict[str, str] | None = None) -> Path:
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT, pax_headers=headers) as archive:
        for info, data in members:
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def with_size(path: Path, size: bytes) -> Path:
    """The tar's first header says another size, its checksum is right."""
    data = bytearray(path.read_bytes())
    data[124:136] = size
    data[148:156] = b" " * 8
    data[148:156] = b"%06o\0 " % sum(data[:512])
    path.write_bytes(data)
    return path


def test_a_tar_whose_headers_lie_is_refused_or_its_picture_broken(tmp_path: Path) -> None:
    good = (tarfile.TarInfo("good.png"), png())
    far = tar_of(tmp_path / "far.tar", (tarfile.TarInfo("bad.png"), b"x"), good)
    # A gigabyte in octal: the rest of the file, which has holes, is taken for it.
    with_size(far, b"10000000000\0")
    with far.open("r+b") as out:
        out.truncate((1 << 30) + (1 << 20))

    def read() -> None:
        with pytest.raises(OSError, match="1073741824 bytes, where a picture has at most 200000000"):
            open_pictures(far).read(0)

    assert peak(read) < MOST
    back = tar_of(tmp_path / "back.tar", (tarfile.TarInfo("bad.png"), b"x"), good)
    with_size(back, (-(1 << 20)).to_bytes(12, "big", signed=True))
    note = tarfile.TarInfo("note")
    note.type = tarfile.XHDTYPE
    huge = tar_of(tmp_path / "huge.tar", (note, b"9 a=b\n" + bytes(64 << 20)), good)
    for path in (back, huge):
        assert peak(partial(refused, path, "not a whole, uncompressed tar file")) < MOST


def refused(path: Path, said: str) -> None:
    with pytest.raises(SuiteError, match=said):
        open_pictures(path)


def test_a_note_for_all_members_of_a_tar_is_held_once(tmp_path: Path) -> None:
    notes = {f"k{number}": "v" for number in range(10_000)}
    members = [(tarfile.TarInfo(f"{number}.png"), png(number)) for number in range(300)]
    path = tar_of(tmp_path / "notes.tar", *members, headers=notes)
    found: list[int] = []
    assert peak(lambda: found.append(len(open_pictures(path).names))) < MOST
    assert found == [300]


def test_a_huge_file_of_a_folder_is_broken_before_it_is_read(tmp_path: Path) -> None:
    with (tmp_path / "bad.png").open("wb") as out:
        out.truncate(1 << 40)
    (tmp_path / "good.png").write_bytes(png())
    assert peak(lambda: bad_and_good(tmp_path)) < MOST


def parquet(path: Path, pictures: list[bytes], names: list[str] | None = None, **how: Any) -> Path:
    columns = [pa.array(pictures, pa.binary()), pa.array(names or [f"{n}.png" for n in range(len(pictures))])]
    table = pa.table({"image": pa.StructArray.from_arrays(columns, ["bytes", "path"])})
    pq.write_table(table, path, **{"compression": "zstd", "dictionary_pagesize_limit": 1 << 30, **how})
    return path


def test_one_long_picture_of_all_rows_of_a_parquet_file_is_held_a_few_times(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = parquet(tmp_path / "rows.parquet", [bytes(1 << 20)] * 400, [f"{n:032}.png" for n in range(400)])
    monkeypatch.setattr(models.data.parquet, "ROW_BYTES", 1)
    monkeypatch.setattr(models.data.parquet, "KEPT_BYTES", 4 << 20)
    assert path.stat().st_size < 1 << 20
    read: list[int] = []
    assert peak(lambda: read.extend(len(one.read(row)) for one in [ParquetPictures(path)] for row in range(400))) < MOST
    assert read == [1 << 20] * 400


def test_rows_of_a_large_group_are_read_in_any_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = [os.urandom(1000) for _ in range(50)]
    found = ParquetPictures(parquet(tmp_path / "some.parquet", pictures, row_group_size=20))
    monkeypatch.setattr(models.data.parquet, "KEPT_BYTES", 3000)
    order = [*range(50), *reversed(range(50)), 7, 41, 8, 30]
    assert [found.read(row) for row in order] == [pictures[row] for row in order]


def test_a_long_name_of_all_rows_is_none(tmp_path: Path) -> None:
    path = parquet(tmp_path / "names.parquet", [png(n) for n in range(300)], ["n" * (1 << 20)] * 300)
    names: list[str] = []
    assert peak(lambda: names.extend(open_pictures(path).names)) < MOST
    assert names[7] == "names.parquet#0.7"


def footer(path: Path, old: bytes, new: bytes) -> None:
    """Change some bytes of the footer, of the same length."""
    data = path.read_bytes()
    at = len(data) - 8 - struct.unpack("<I", data[-8:-4])[0]
    assert data[at:].count(old) >= 1
    path.write_bytes(data[:at] + data[at:].replace(old, new))


def varint(value: int) -> bytes:
    """A whole number of Thrift's compact protocol."""
    value, out = value << 1, bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def test_a_footer_of_more_rows_than_the_file_can_hold_is_refused(tmp_path: Path) -> None:
    path = parquet(tmp_path / "many.parquet", [png()] * 200_000)
    footer(path, varint(200_000), varint(1_000_000))
    assert peak(lambda: refused(path, r"it says 1000000 pictures in \d+ bytes")) < MOST


def test_a_group_with_fewer_rows_than_it_says_ends_in_broken_pictures(tmp_path: Path) -> None:
    path = parquet(tmp_path / "few.parquet", [os.urandom(4000) for _ in range(70)], use_dictionary=False)
    footer(path, varint(70), varint(100))
    found = open_pictures(path)
    with pytest.raises(OSError, match="damaged row group"):
        found.read(99)


def test_a_page_that_unpacks_to_more_than_the_file_says_is_not_unpacked(tmp_path: Path) -> None:
    path = parquet(tmp_path / "page.parquet", [BOMB[: 150 << 20]] * 2, use_dictionary=False)
    said = pq.read_metadata(path).row_group(0).column(0).total_uncompressed_size
    footer(path, varint(said), varint(140_000_000))

    def read() -> None:
        with pytest.raises(OSError, match=r"'image.bytes' unpacks to 314572\d+ bytes, and the file says 140000000"):
            open_pictures(path).read(0)

    assert peak(read) < MOST


def test_a_manifest_that_unpacks_to_gigabytes_is_refused(tmp_path: Path) -> None:
    texts = pa.DictionaryArray.from_arrays(pa.array([0] * 4096, pa.int32()), ["x" * (1 << 20)])
    path = tmp_path / "manifest.parquet"
    pq.write_table(pa.table({"id": [f"{n:x}" for n in range(4096)], "title": texts}), path)
    write_json(tmp_path / "release.json", {"schema": 1, "manifest_sha256": sha256_file(path), "made": digest(1)})

    def work() -> None:
        with pytest.raises(SuiteError, match="rows of more than 64 MiB"):
            open_release(tmp_path)

    assert peak(work) < MOST
