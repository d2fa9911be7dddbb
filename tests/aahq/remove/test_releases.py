"""Releases that are moved, linked, unmounted, half-written or copied with their build: none keeps what was taken out."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner

from aahq import pipeline
from aahq.cli import main
from aahq.ledger import Ledger
from aahq.open_folder import open_folder
from aahq.pipeline import open_build
from aahq.release.own import own_files
from aahq.release.schema import MANIFEST, METADATA, SUMS, UNFINISHED
from aahq.release.tables import read_rows
from aahq.release.verify import verify
from aahq.remove.lookup import Question, lookup
from aahq.remove.releases import owed
from aahq.remove.remove import Removed, Wanted, remove
from aahq.remove.shrink import find_release
from aahq.remove.sync import sync
from suite.errors import SuiteError

KEY = "p3.png"


@pytest.fixture
def out(built: Path, tmp_path: Path) -> Path:
    shutil.copytree(built, tmp_path / "out")
    return tmp_path / "out"


def take_out(out: Path) -> Removed:
    with open_folder(out) as ledger:
        return remove(ledger, Wanted(pictures=(KEY,)))


def holds(root: Path) -> bool:
    return KEY in set(pd.read_parquet(root / MANIFEST)["key"])


def release(out: Path, to: Path) -> None:
    with open_build(out, workers=1) as build:
        pipeline.release(build, out=to)


@pytest.mark.parametrize("away", ["renamed", "unmounted", "a link to nothing"])
def test_a_release_that_is_away_is_named_and_finished_when_it_is_back(out: Path, tmp_path: Path, away: str) -> None:
    public = tmp_path / "disk" / "public"
    release(out, public)
    place = tmp_path / "elsewhere"
    if away == "a link to nothing":
        (tmp_path / "link").symlink_to(tmp_path / "disk")
        release(out, tmp_path / "link" / "public")
    os.rename(tmp_path / "disk", place)
    if away == "unmounted":
        (tmp_path / "disk").mkdir()
    done = CliRunner().invoke(main, ["remove", str(out), "--picture", KEY])
    assert done.exit_code == 0, done.stderr
    assert str(public) in done.stdout
    assert "finished when it is back" in done.stdout
    again = CliRunner().invoke(main, ["remove", str(out), "--artist", "nobody"])
    assert str(public) in again.stdout, "named until it is done"
    assert holds(place / "public")
    if away == "unmounted":
        (tmp_path / "disk").rmdir()
    os.rename(place, tmp_path / "disk")
    # A reader changes nothing; the next command that may write ends it.
    lookup(out, Question(artists=("x",)))
    assert holds(public)
    with open_folder(out) as ledger:
        assert not owed(ledger)
    assert not holds(public)
    assert verify(public).ok
    assert (public / "removals.json").is_file()


def test_a_copy_elsewhere_shrinks_as_the_message_says(out: Path, tmp_path: Path) -> None:
    public = tmp_path / "public"
    release(out, public)
    os.rename(public, tmp_path / "moved")
    assert take_out(out).owed == [str(public)]
    assert sync(tmp_path / "moved", out / "tombstones.json").removed == 1
    assert not holds(tmp_path / "moved")


def test_a_release_that_never_comes_back_is_named_no_longer(out: Path, tmp_path: Path) -> None:
    public = tmp_path / "public"
    release(out, public)
    for place in (public, tmp_path / "other"):
        refused = CliRunner().invoke(main, ["remove", str(out), "--gone", str(place)])
        assert refused.exit_code == 2, "it is there, or never was"
    shutil.rmtree(public)
    assert take_out(out).owed == [str(public)]
    assert CliRunner().invoke(main, ["remove", str(out), "--gone", str(public)]).exit_code == 0
    again = CliRunner().invoke(main, ["remove", str(out), "--artist", "nobody"])
    assert str(public) not in again.stdout


def test_a_release_that_is_back_with_a_foreign_file_is_said_and_stops_nothing(
    out: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    public = tmp_path / "public"
    release(out, public)
    os.rename(public, tmp_path / "moved")
    take_out(out)
    os.rename(tmp_path / "moved", public)
    (public / "README").write_text("mine")
    with open_build(out, workers=1) as build:
        pipeline.quality(build)
    assert "README is not part of the release" in capsys.readouterr().err
    assert holds(public)
    (public / "README").unlink()
    with open_folder(out) as ledger:
        assert not owed(ledger)
    assert not holds(public)


def test_a_build_that_was_moved_or_copied_finds_its_own_releases(out: Path, tmp_path: Path) -> None:
    release(out, out / "as-links")
    shutil.copytree(out, tmp_path / "copy")
    os.rename(out, tmp_path / "moved")
    done = take_out(tmp_path / "moved")
    assert not done.owed
    assert {entry["folder"] for entry in done.releases} == {
        str(tmp_path / "moved" / name) for name in ("release", "as-links")
    }
    assert not holds(tmp_path / "moved" / "as-links")
    assert holds(tmp_path / "copy" / "as-links"), "another build's release is another build's"


@pytest.mark.parametrize("listed", [True, False])
def test_a_half_written_release_keeps_no_face_of_what_went(out: Path, listed: bool) -> None:
    """A writer was killed: with its list, or, by a program of before, without any."""
    root = out / "release"
    file = next(str(row["file"]) for row in read_rows(root / MANIFEST) if row["key"] == KEY)
    names = "".join(f"{name}\n" for name in sorted(own_files(root)))
    for name in (MANIFEST, METADATA, SUMS):
        (root / name).unlink()
    if listed:
        (root / UNFINISHED).write_text(names)
    take_out(out)
    assert not (root / file).exists()
    if listed:
        with open_build(out, workers=1) as build:
            pipeline.release(build)
        assert verify(root).ok


def test_readers_end_nothing_that_a_writer_began(out: Path) -> None:
    """What a removal at work has written beside is not swept by somebody who looks."""
    beside = out / ".release.smaller"
    shutil.copytree(out / "release", beside)
    for words in (
        ["lookup", out / "release", "--artist", "x"],
        ["verify", out],
        ["style-map", out, "-o", out / "map.png"],
    ):
        CliRunner().invoke(main, [str(word) for word in words])
    find_release(out)
    assert (beside / MANIFEST).is_file()
    take_out(out)
    assert not beside.exists()


def test_a_copy_is_not_emptied_by_another_sets_manifest(out: Path, tmp_path: Path) -> None:
    from aahq.release.write import write

    copy = tmp_path / "copy"
    shutil.copytree(out / "release", copy)
    before = verify(copy).manifest_sha256
    # Of other pictures, and of the same ones at another size: neither supersedes the copy.
    rows = list(read_rows(out / "release" / MANIFEST))
    for name, change in (("other", {"id": "zz"}), ("smaller", {"sha256": "0" * 64})):
        row = {key: value for key, value in rows[0].items() if key not in ("file", "offset")} | change
        write(tmp_path / name, [(row, None)], name="t", recipe="r", size=64, form="links")
        with pytest.raises(SuiteError, match="does not supersede"):
            sync(copy, tmp_path / name)
    with pytest.raises(SuiteError, match="is the same place as"):
        sync(copy, copy / MANIFEST)
    assert verify(copy).manifest_sha256 == before
    assert verify(copy).ok


def test_an_older_copy_loses_what_was_taken_out_and_nothing_else(out: Path, tmp_path: Path) -> None:
    """The set grew after it was copied: its manifest is not among those that the removal names."""
    copy = tmp_path / "copy"
    with Ledger(out) as ledger:
        ledger.db.execute(
            "UPDATE faces SET state = 'duplicate' WHERE id = (SELECT max(id) FROM faces WHERE state = 'kept')"
        )
    release(out, copy)
    with open_build(out, workers=1) as build:
        pipeline.dedup(build)
        pipeline.quality(build)
        pipeline.release(build)
    rows = len(pd.read_parquet(copy / MANIFEST))
    with Ledger(out) as ledger:
        ledger.put("releases", ["release"])
    take_out(out)
    done = sync(copy, out / "release")
    assert (done.removed, done.left, done.missing) == (1, rows - 1, 1)
    assert not holds(copy)
    assert verify(copy).ok
