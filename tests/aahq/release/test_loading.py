"""Others' loaders read a release with pictures and rows, without a line of ours: the same rows as the manifest's."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from PIL import Image

from aahq.release.schema import LOADER_COLUMNS, LOADER_TABLE, SPLITS
from aahq.release.verify import verify
from aahq.release.write import write
from suite.errors import SuiteError

# What `datasets` calls them.
NAMES = {"train": "train", "validation": "val", "test": "test"}


def rows(count: int = 20) -> Iterator[tuple[dict[str, Any], np.ndarray]]:
    rng = np.random.default_rng(3)
    for number in range(count):
        row = {
            "id": f"{number:020x}-00",
            "domain": "art",
            "split": SPLITS[number % 7 % 3],
            "source": ("met", "artstation")[number % 2],
            "license": "CC0-1.0",
            "artist": f"Ärtist {number}",
            "tags": ["a", "b"][: number % 3],
            "landmarks": [[1.5, 2]] * 5,
            # Absent in the first rows, from which readers infer what a column is.
            "factors": {"identity": number} if number > 15 else None,
        }
        yield row, rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)


@pytest.fixture(params=["folder", "shards"])
def release(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    # The name holds what others take for a split's name.
    write(tmp_path / "r", rows(), name="test-train", recipe="r", size=16, form=request.param, shard_bytes=10240)
    return tmp_path / "r"


def expected(root: Path, split: str) -> dict[str, dict[str, Any]]:
    table = pq.read_table(root / "manifest.parquet").drop_columns(["file", "offset"])
    return {row["id"]: row for row in table.to_pylist() if row["split"] == split}


def pixels(number: int) -> np.ndarray:
    return list(rows(number + 1))[-1][1]


def same(found: dict[str, Any], row: dict[str, Any], rgb: np.ndarray) -> None:
    # Nothing is an empty text in JSON.
    assert {name: found[name] or None for name in row} == {name: value or None for name, value in row.items()}
    np.testing.assert_array_equal(rgb, pixels(int(row["id"][:20], 16)))


# In a process of its own, as a person would: it may not see this package, and keeps its cache to itself.
LOAD = """
import json, sys
from datasets import load_dataset
import numpy as np
found = {}
for split, part in load_dataset(sys.argv[1]).items():
    for row in part:
        picture = row.pop("image", None) or row.pop("png")
        row = row.pop("json", row)
        found.setdefault(split, []).append([row, np.asarray(picture).tolist()])
assert "aahq" not in sys.modules
print(json.dumps(found))
"""


@pytest.mark.slow
def test_datasets_loads_the_same_rows_and_pictures(release: Path, tmp_path: Path) -> None:
    pytest.importorskip("datasets")
    quiet = {"HF_HOME": str(tmp_path / "cache"), "HF_HUB_OFFLINE": "1", "HF_DATASETS_DISABLE_PROGRESS_BARS": "1"}
    environment = {**{k: v for k, v in os.environ.items() if k != "PYTHONPATH"}, **quiet}
    done = subprocess.run(
        [sys.executable, "-P", "-c", LOAD, str(release)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert set(found) == set(NAMES)
    for name, split in NAMES.items():
        wanted = expected(release, split)
        assert [row["id"] for row, _ in found[name]] == sorted(wanted)
        for row, rgb in found[name]:
            same(row, wanted[row["id"]], np.array(rgb, np.uint8))


@pytest.mark.slow
def test_webdataset_reads_the_same_rows_and_pictures(tmp_path: Path) -> None:
    webdataset = pytest.importorskip("webdataset")
    write(tmp_path / "r", rows(), name="t", recipe="r", size=16, form="shards", shard_bytes=10240)
    several = False
    for split in SPLITS:
        wanted = expected(tmp_path / "r", split)
        shards = sorted(str(path) for path in (tmp_path / "r" / "shards").glob(f"{split}-*.tar"))
        several |= len(shards) > 1
        found = list(webdataset.WebDataset(shards, shardshuffle=False).decode("pil"))
        assert [sample["__key__"] for sample in found] == sorted(wanted)
        for sample in found:
            same(sample["json"], wanted[sample["__key__"]], np.asarray(sample["png"]))
    assert several


def test_the_rows_beside_the_pictures_are_the_manifests(tmp_path: Path) -> None:
    """The same without the loaders, which take seconds: what they are known to read is there."""
    for form in ("folder", "shards"):
        write(tmp_path / form, rows(), name="t", recipe="r", size=16, form=form, shard_bytes=10240)
    for split in SPLITS:
        folder = tmp_path / "folder" / "images" / split
        table = pq.read_table(folder / LOADER_TABLE)
        assert table.column_names == list(LOADER_COLUMNS)
        wanted = expected(tmp_path / "folder", split)
        assert table["id"].to_pylist() == sorted(wanted)
        for row in table.to_pylist():
            same(row, wanted[row["id"]], np.asarray(Image.open(folder / row["file_name"])))
        keys = []
        for shard in sorted((tmp_path / "shards" / "shards").glob(f"{split}-*.tar")):
            with tarfile.open(shard) as archive:
                members = {member.name: archive.extractfile(member).read() for member in archive}  # type: ignore[union-attr]
            names = sorted({name.partition(".")[0] for name in members})
            assert sorted(members) == [f"{name}.{end}" for name in names for end in ("json", "png")]
            keys += names
            for name in names:
                rgb = np.asarray(Image.open(io.BytesIO(members[f"{name}.png"])))
                same(json.loads(members[f"{name}.json"]), wanted[name], rgb)
        assert keys == sorted(wanted)


def test_rows_without_pictures_are_in_no_loader(tmp_path: Path) -> None:
    def some() -> Iterator[tuple[dict[str, Any], np.ndarray | None]]:
        for number, (row, rgb) in enumerate(rows(6)):
            linked = {"sha256": "0" * 64, "pixel_sha256": "0" * 64, "phash": "0" * 16, "width": 16, "height": 16}
            yield ({**row, **linked}, None) if number % 2 else (row, rgb)

    written = write(tmp_path, some(), name="t", recipe="r", size=16)
    assert (written.count, written.pictures) == (6, 3)
    tables = [pd.read_parquet(path) for path in (tmp_path / "images").rglob(LOADER_TABLE)]
    assert sum(map(len, tables)) == 3
    assert verify(tmp_path).ok


def test_an_id_that_readers_would_cut_is_refused_in_shards(tmp_path: Path) -> None:
    row, rgb = next(rows(1))
    with pytest.raises(SuiteError, match=r"release row 'a\.b': in shards an id has no '\.'"):
        write(tmp_path, [({**row, "id": "a.b"}, rgb)], name="t", recipe="r", size=16, form="shards")
    assert not list(tmp_path.rglob("*.tar"))
    write(tmp_path, [({**row, "id": "a.b"}, rgb)], name="t", recipe="r", size=16)


def test_a_changed_row_beside_the_pictures_is_seen(release: Path) -> None:
    table = next(iter([*release.rglob(LOADER_TABLE), *release.rglob("*.tar")]))
    data = bytearray(table.read_bytes())
    # In a shard the first picture's row lies behind it.
    data[-100 if table.suffix == ".parquet" else data.index(b"artist")] ^= 1
    table.write_bytes(data)
    assert table.relative_to(release).as_posix() in verify(release).changed


def test_a_release_of_before_is_verified_and_written_over(tmp_path: Path) -> None:
    """It had no folder a split, and shards named after the release."""
    write(tmp_path / "r", rows(), name="t", recipe="r", size=16)
    old = tmp_path / "r"
    table = pd.read_parquet(old / "manifest.parquet")
    lines = (old / "SHA256SUMS").read_text()
    for file in table["file"]:
        before = f"images/{Path(file).name[:2]}/{Path(file).name}"
        (old / before).parent.mkdir(exist_ok=True, parents=True)
        shutil.move(old / file, old / before)
        lines = lines.replace(f"  {file}\n", f"  {before}\n")
    lines = "".join(line for line in lines.splitlines(True) if LOADER_TABLE not in line)
    for split in SPLITS:
        shutil.rmtree(old / "images" / split)
    (old / "SHA256SUMS").write_text(lines)
    (old / "manifest.parquet").unlink()
    write(tmp_path / "fresh", rows(), name="t", recipe="r", size=16)
    write(old, rows(), name="t", recipe="r", size=16)
    names = {path.relative_to(old) for path in old.rglob("*")}
    assert names == {path.relative_to(tmp_path / "fresh") for path in (tmp_path / "fresh").rglob("*")}
