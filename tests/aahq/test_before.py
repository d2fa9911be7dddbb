"""What the program of before the rooms moved made still opens, verifies, shrinks and goes on.

`before.tar.xz` was made by commit 3dd2f88 (2026-11-23): a build of two painted pictures with its release, the same in shards,
eight painted portraits, and the pictures.
"""

from __future__ import annotations

import json
import sqlite3
import tarfile
from pathlib import Path

import pytest
from click.testing import CliRunner

from aahq.cli import main
from aahq.ledger import MIGRATIONS, Ledger
from aahq.release.tables import read_rows
from aahq.release.verify import verify


@pytest.fixture
def before(tmp_path: Path) -> Path:
    with tarfile.open(Path(__file__).with_name("before.tar.xz")) as archive:
        archive.extractall(tmp_path, filter="data")
    # Where it was made, there were these.
    with sqlite3.connect(tmp_path / "build" / "ledger.sqlite") as db:
        for old, new in (("/tmp/pictures", "pictures"), ("/tmp/b4s", "shards")):
            for table, column in (("meta", "value"), ("pictures", "candidate"), ("pictures", "image_url")):
                db.execute(f"UPDATE {table} SET {column} = replace({column}, ?, ?)", (old, str(tmp_path / new)))
    db.close()
    return tmp_path


def aahq(*words: object) -> str:
    done = CliRunner().invoke(main, [str(word) for word in words])
    assert done.exit_code == 0, (words, done.stderr, done.exception)
    return done.stdout


def keys(release: Path) -> set[str]:
    return {row["key"] for row in read_rows(release / "manifest.parquet", ("key",))}


@pytest.mark.parametrize(("place", "rows"), [("build/release", 2), ("shards", 2), ("painted", 8)])
def test_a_release_of_before_opens_and_verifies(before: Path, place: str, rows: int) -> None:
    told = verify(before / place)
    assert (told.ok, told.effective, told.rows) == (True, rows, rows)
    first = next(read_rows(before / place / "manifest.parquet"))
    assert json.loads(aahq("lookup", before / place, "--sha256", first["sha256"], "--json"))["found"]
    aahq("cards", before / place)
    assert verify(before / place).ok


def test_a_build_of_before_goes_on(before: Path) -> None:
    out = before / "build"
    aahq("build", out, "--workers", 1)
    with Ledger(out) as ledger:
        assert ledger.one("PRAGMA user_version") == len(MIGRATIONS)
        assert ledger.count("faces", "kept") == 2
    assert verify(out / "release").ok
    assert "passed" in aahq("why", out, "p1.jpg")
    aahq("report", out)


def test_a_takedown_reaches_releases_of_before_and_their_copies(before: Path) -> None:
    out, copy = before / "build", before / "painted"
    aahq("remove", out, "--picture", "p1.jpg")
    assert keys(out / "release") == keys(before / "shards") == {"p2.jpg"}
    assert verify(out / "release").ok
    assert verify(before / "shards").ok
    aahq("remove", out, "--sha256", next(read_rows(copy / "manifest.parquet"))["sha256"])
    aahq("sync", copy, "--from", out / "tombstones.json")
    assert (verify(copy).ok, verify(copy).effective) == (True, 7)


def test_a_release_of_before_is_rebuilt_from_its_pictures(before: Path) -> None:
    again = before / "again"
    told = json.loads(
        aahq("rebuild", before / "shards", again, "--folder", before / "pictures", "--workers", 1, "--json")
    )
    assert (told["alive"], told["changed"], told["gone"], told["refused"]) == (2, 0, 0, 0)
    assert {row["sha256"] for row in read_rows(again / "release" / "manifest.parquet")} == {
        row["sha256"] for row in read_rows(before / "shards" / "manifest.parquet")
    }
