"""Releases: the same bytes twice, flat memory, verify that tells changed from missing from extra, rebuild by policy."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from aahq.consent.optouts import OptOuts
from aahq.consent.permissions import Permissions
from aahq.crawl.process import FetchContext
from aahq.ledger import Ledger
from aahq.rebuild import Survival, rebuild
from aahq.release.schema import COLUMNS, REJECT_COLUMNS
from aahq.release.store import decode_png, encode_png
from aahq.release.verify import verify
from aahq.release.write import Written, write
from aahq.stages.engine import Engine, SerialExecutor
from aahq.web.client import Http
from suite.errors import SuiteError


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def some_rows(count: int, seed: int = 0) -> Iterator[tuple[dict[str, Any], np.ndarray]]:
    rng = np.random.default_rng(seed)
    for number in range(count):
        row = {
            "id": f"{number:04}",
            "domain": "art" if number % 2 else "photo",
            "split": ("train", "val", "test")[number % 3],
            "source": "test",
            "license": "CC0-1.0",
            "factors": {"identity": number // 2, "style": number % 5},
        }
        yield row, rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)


def put(out: Path, count: int = 9, **how: Any) -> Written:
    given = {"name": "t", "recipe": "r", "size": 16, "shard_bytes": 4096, **how}
    return write(out, some_rows(count), **given)


@pytest.mark.parametrize("form", ["folder", "shards", "links"])
def test_the_same_rows_are_the_same_bytes(tmp_path: Path, form: str) -> None:
    one, two = put(tmp_path / "a", form=form), put(tmp_path / "b", form=form)
    assert files_of(one.folder) == files_of(two.folder)
    assert one.pictures == (0 if form == "links" else 9)


@pytest.mark.parametrize("form", ["folder", "shards"])
def test_checksums_are_what_coreutils_expects_and_pixels_come_back(tmp_path: Path, form: str) -> None:
    put(tmp_path, form=form)
    subprocess.run(["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"], cwd=tmp_path, check=True)
    table = pd.read_parquet(tmp_path / "manifest.parquet")
    assert list(table.columns) == list(COLUMNS)
    assert list(table["id"]) == sorted(table["id"])
    card = json.loads((tmp_path / "release.json").read_text())
    assert card["manifest_sha256"] == hashlib.sha256((tmp_path / "manifest.parquet").read_bytes()).hexdigest()
    assert card["count"] == 9
    assert card["domains"] == ["art", "photo"]
    for (_, rgb), line in zip(some_rows(9), table.itertuples()):
        file, _, member = line.file.partition("#")
        if member:
            with tarfile.open(tmp_path / file) as shard:
                found = shard.extractfile(member)
                assert found is not None
                data = found.read()
                assert {(m.mtime, m.uid, m.uname, m.mode) for m in shard.getmembers()} == {(0, 0, "", 0o644)}
        else:
            data = (tmp_path / file).read_bytes()
        raw = (tmp_path / file).read_bytes()[line.offset : line.offset + line.bytes]
        assert raw == data, "the manifest's offset and length lead to the picture without reading the archive"
        np.testing.assert_array_equal(decode_png(data), rgb)
        expected = hashlib.sha256(b"rgb8 16 16\n" + rgb.tobytes()).hexdigest()
        assert line.pixel_sha256 == expected, "as the column's definition says"


def test_shards_stay_below_their_size(tmp_path: Path) -> None:
    put(tmp_path, form="shards")
    shards = sorted((tmp_path / "shards").iterdir())
    assert len(shards) > 1
    # A tar is padded to 10,240 bytes; the contents stay below what was asked for.
    for shard in shards:
        with tarfile.open(shard) as archive:
            assert sum(512 + -(-m.size // 512) * 512 for m in archive.getmembers()) <= 4096 + 512


def test_an_unfinished_release_has_no_manifest_and_a_smaller_one_leaves_nothing_behind(tmp_path: Path) -> None:
    put(tmp_path, 9)

    def breaks() -> Iterator[tuple[dict[str, Any], np.ndarray]]:
        yield from some_rows(3)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write(tmp_path, breaks(), name="t", recipe="r", size=16)
    assert not (tmp_path / "manifest.parquet").exists()
    assert not list(tmp_path.rglob("*.part"))
    put(tmp_path, 4)
    put(tmp_path.parent / "fresh", 4)
    left, fresh = files_of(tmp_path), files_of(tmp_path.parent / "fresh")
    # The version says that something was there before.
    versioned = {"release.json", "DATASHEET.md", "croissant.json", "SHA256SUMS"}
    assert left.keys() == fresh.keys()
    assert {name for name in left if left[name] != fresh[name]} == versioned
    put(tmp_path, 4, form="shards")
    assert verify(tmp_path).ok
    assert not (tmp_path / "images").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"id": "../x"}, "id must be"),
        ({"id": "0000"}, "increasing"),
        ({"domain": "sculpture"}, "not known"),
        ({"license": None}, "'license' is missing"),
        ({"colour": 1}, "no column 'colour'"),
    ],
)
def test_rows_that_cannot_be_are_refused_in_one_line(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    (first, rgb), (second, _) = some_rows(2)
    with pytest.raises(SuiteError, match=message) as error:
        write(tmp_path, [(first, rgb), ({**second, **change}, rgb)], name="t", recipe="r", size=16)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "manifest.parquet").exists()


def test_png_bytes_are_the_pixels_and_nothing_else() -> None:
    rgb = next(iter(some_rows(1)))[1]
    data = encode_png(rgb)
    assert data == encode_png(rgb.copy())
    chunks, at = [], 8
    while at < len(data):
        chunks.append(data[at + 4 : at + 8])
        at += 12 + int.from_bytes(data[at : at + 4], "big")
    assert set(chunks) == {b"IHDR", b"IDAT", b"IEND"}
    with pytest.raises(ValueError, match="uint8"):
        encode_png(rgb.astype(np.float32))


@pytest.mark.parametrize("form", ["folder", "shards"])
def test_verify_tells_changed_from_missing_from_extra(tmp_path: Path, form: str) -> None:
    put(tmp_path, form=form)
    assert verify(tmp_path).ok
    table = pd.read_parquet(tmp_path / "manifest.parquet")
    first, last = table.iloc[0], table.iloc[-1]
    path = tmp_path / first["file"].split("#")[0]
    data = bytearray(path.read_bytes())
    data[first["offset"] + 50] ^= 1
    path.write_bytes(data)
    (tmp_path / last["file"].split("#")[0]).unlink()
    (tmp_path / "stray.txt").write_text("?")
    verdict = verify(tmp_path)
    assert first["file"] in verdict.changed
    assert last["file"] in verdict.missing
    assert verdict.extra == ["stray.txt"]
    gone = sum(file.split("#")[0] == last["file"].split("#")[0] for file in table["file"])
    assert verdict.effective == len(table) - 1 - gone


def test_verify_sees_a_file_that_has_only_grown_and_a_changed_card(tmp_path: Path) -> None:
    put(tmp_path)
    path = next((tmp_path / "images").rglob("*.png"))
    path.write_bytes(path.read_bytes() + b"\0")
    (tmp_path / "rejects.parquet").write_bytes(b"")
    assert set(verify(tmp_path).changed) == {path.relative_to(tmp_path).as_posix(), "rejects.parquet"}


def test_rejects_keep_their_reasons(tmp_path: Path) -> None:
    put(tmp_path, rejects=[{"id": "x", "stage": "faces", "reason": "no_face", "detail": "none", "artist": None}])
    table = pd.read_parquet(tmp_path / "rejects.parquet")
    assert list(table.columns) == list(REJECT_COLUMNS)
    assert table.iloc[0].to_dict() | {"id": "x", "reason": "no_face", "artist": ""} == table.iloc[0].to_dict()


def test_only_licences_that_allow_it_hand_on_pictures(built: Path, tmp_path: Path) -> None:
    from aahq import pipeline

    shutil.copytree(built, tmp_path / "out")
    with pipeline.open_build(tmp_path / "out", workers=1) as build:
        ids = [
            row["picture"] for row in build.ledger.rows("SELECT picture FROM faces WHERE state = 'kept' ORDER BY id")
        ]
        stated = ("CC0-1.0", "CC BY 4.0", "CC-BY-NC-ND-4.0", "", "all rights reserved", "public domain")
        for picture, license in zip(ids, stated):
            build.ledger.update("pictures", picture, license=license)
        pipeline.release(build, out=tmp_path / "public", public=True)
    table = pd.read_parquet(tmp_path / "public" / "manifest.parquet").set_index("license")
    assert {name for name, file in table["file"].items() if file} == {"CC0-1.0", "CC BY 4.0", "public domain"}
    assert (table["sha256"].str.len() == 64).all(), "a link still says what the face is"
    verdict = verify(tmp_path / "public")
    assert (verdict.ok, verdict.effective, verdict.links) == (True, 3, 3)
    local = str(Path("/").joinpath(*built.parts[:3]))
    assert local not in table.to_csv(), "no path of the machine that built it"


def again(built: Path, source: Path, out: Path, policy: str) -> Survival:
    with Ledger(out, create=True) as ledger, Http(None) as http:
        terms = FetchContext(http, OptOuts(), Permissions())
        engine = Engine(SerialExecutor(), 1)
        return rebuild(built / "release", ledger, engine, terms, policy=policy, folder=source)


def test_rebuild_makes_the_same_release(built: Path, painted_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    survival = again(built, painted_folder, tmp_path / "out", "exact")
    assert survival.counts == {"alive": 6}
    manifest = "release/manifest.parquet"
    assert (tmp_path / "out" / manifest).read_bytes() == (built / manifest).read_bytes()
    assert verify(tmp_path / "out" / "release").effective == 6


@pytest.mark.parametrize(("policy", "alive"), [("exact", 3), ("pixel", 4), ("perceptual", 5)])
def test_rebuild_policies(built: Path, painted_folder: Path, tmp_path: Path, policy: str, alive: int) -> None:
    """One file re-packed (same pixels), one re-encoded with loss, one replaced by another picture; three untouched."""
    source = tmp_path / "source"
    shutil.copytree(painted_folder, source)
    Image.open(source / "p1.png").save(source / "p1.png", compress_level=0)
    Image.open(source / "p2.png").convert("RGB").save(source / "lossy.jpg", quality=85)
    (source / "lossy.jpg").replace(source / "p2.png")
    Image.open(source / "p3.png").transpose(Image.Transpose.ROTATE_180).save(source / "p3.png")
    (tmp_path / "out").mkdir()
    survival = again(built, source, tmp_path / "out", policy)
    assert survival.counts == {"alive": alive, "changed": 6 - alive}
    assert verify(tmp_path / "out" / "release").effective == alive


BROKEN_ROWS = {
    "a key that leads out": ("key", "../../secret.png", "bad_record"),
    "a consent that is none": ("consent", "{", "bad_record"),
    "tags that are none": ("tags", "7", "bad_record"),
    "points that are none": ("landmarks", "[1, 2]", "fault"),
    "points on one spot": ("landmarks", "[[4, 4], [4, 4], [4, 4], [4, 4]]", "bad_points"),
    "a hash that is none": ("source_phash", "no hash", "fault"),
}


@pytest.mark.parametrize("case", BROKEN_ROWS)
def test_a_broken_row_of_somebody_elses_manifest_is_that_rows(
    built: Path, painted_folder: Path, tmp_path: Path, case: str
) -> None:
    column, value, reason = BROKEN_ROWS[case]
    got, source = tmp_path / "got", tmp_path / "source"
    shutil.copytree(built / "release", got / "release")
    shutil.copytree(painted_folder, source)
    table = pq.read_table(got / "release" / "manifest.parquet")
    bad = table["key"].to_pylist().index("p4.png")
    if column == "source_phash":
        Image.open(source / "p4.png").save(source / "p4.png", compress_level=0)
        Image.open(source / "p4.png").transpose(Image.Transpose.ROTATE_180).save(source / "p4.png")
    values = [value if n == bad else one for n, one in enumerate(table[column].to_pylist())]
    place = table.schema.get_field_index(column)
    changed = table.set_column(place, table.schema.field(column), pa.array(values, table.schema.field(column).type))
    pq.write_table(changed, got / "release" / "manifest.parquet")
    (tmp_path / "out").mkdir()
    survival = again(got, source, tmp_path / "out", "perceptual")
    assert survival.counts["alive"] == 5
    assert survival.reasons == {reason: 1}
    assert verify(tmp_path / "out" / "release").effective == 5


def test_rebuild_tells_gone_from_a_wrong_policy(built: Path, painted_folder: Path, tmp_path: Path) -> None:
    source = tmp_path / "source"
    shutil.copytree(painted_folder, source)
    (source / "p4.png").unlink()
    (tmp_path / "out").mkdir()
    assert again(built, source, tmp_path / "out", "exact").counts == {"alive": 5, "gone": 1}
    with pytest.raises(SuiteError, match=r"--policy: no 'pixl'; did you mean 'pixel'\?"):
        again(built, source, tmp_path / "out", "pixl")


@pytest.mark.parametrize("left", ["", "\n", "images/00/00", "\nimages/00/0000.png\nimages/00/00"])
def test_a_list_that_a_killed_writer_tore_is_gone_on_with(tmp_path: Path, left: str) -> None:
    root = tmp_path / "killed"
    (root / "images" / "00").mkdir(parents=True)
    (root / ".unfinished").write_text(left)
    if "0000.png" in left:
        (root / "images" / "00" / "0000.png").write_bytes(b"of the killed one")
        (root / "images" / "00" / ".0001.part").write_bytes(b"half")
        (root / ".unfinished").write_text(left + "01.png\n")
    put(root)
    put(tmp_path / "fresh")
    assert files_of(root) == files_of(tmp_path / "fresh")
