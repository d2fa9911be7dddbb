"""An artist who opts out later: gone from disk, pages and every release; the row alone says that it is not to be fetched."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from aahq import pipeline
from aahq.ledger import Ledger
from aahq.open_folder import open_folder
from aahq.pipeline import open_build
from aahq.release.verify import verify
from aahq.remove import opted_out
from aahq.report import write_report
from aahq.review.catalog import Catalog
from suite.errors import SuiteError

ARTIST, TITLE = "Wilhelmina Dubois", "Nocturne with 77 lanterns"


@pytest.fixture
def out(built: Path, tmp_path: Path) -> Path:
    """A build with a named artist, a release elsewhere, a rejected work of hers, and a page drawn from it."""
    out = tmp_path / "out"
    shutil.copytree(built, out)
    with Ledger(out) as ledger:
        keys = ("p3.png", "r_slope.png")
        for row in ledger.db.execute("SELECT id, candidate FROM pictures WHERE key IN (?, ?)", keys).fetchall():
            told = {**json.loads(row["candidate"]), "artist": ARTIST, "title": TITLE}
            ledger.update("pictures", row["id"], artist=ARTIST, title=TITLE, candidate=json.dumps(told))
    with open_build(out, workers=1) as build:
        pipeline.release(build)
        pipeline.release(build, out=tmp_path / "public")
        write_report(build.ledger)
    for name in ("out/release", "public"):
        assert ARTIST.encode() in (tmp_path / name / "rejects.parquet").read_bytes(), "a rejected work of hers is named"
    (tmp_path / "optouts.txt").write_text(f"artist: {ARTIST.upper()}\n")
    return out


def crawl(out: Path) -> None:
    with open_build(out, policy={"optouts": str(out.parent / "optouts.txt")}, workers=1) as build:
        assert pipeline.crawl(build).reasons["opted_out"] == 2


def check_gone(out: Path, before: dict[str, str], faces: list[str]) -> None:
    for name in ("out/release", "public"):
        root = out.parent / name
        assert verify(root).ok
        assert not set(faces) & set(pd.read_parquet(root / "manifest.parquet")["sha256"])
        data = b"".join(path.read_bytes() for path in root.rglob("*") if path.is_file())
        assert ARTIST.encode() not in data
        assert TITLE.encode() not in data
        listed = json.loads((root / "superseded.json").read_text())["superseded"]
        assert before[name] in [entry["manifest_sha256"] for entry in listed]


def facts(out: Path) -> tuple[list[str], list[str], dict[str, str]]:
    """Files and faces of the artist, and the manifests' digests."""
    with Ledger(out) as ledger:
        mine = "SELECT file FROM pictures WHERE artist = ? UNION SELECT f.file FROM faces f JOIN pictures p "
        files = [row["file"] for row in ledger.rows(f"{mine} ON p.id = f.picture WHERE p.artist = ?", (ARTIST, ARTIST))]
        query = "SELECT f.sha256 FROM faces f JOIN pictures p ON p.id = f.picture WHERE p.artist = ?"
        faces = [row["sha256"] for row in ledger.rows(query, (ARTIST,))]
    assert len(files) == 3
    assert all((out / file).is_file() for file in files)
    return files, faces, {name: verify(out.parent / name).manifest_sha256 for name in ("out/release", "public")}


def test_an_artist_who_opts_out_later_is_gone_from_everywhere(out: Path) -> None:
    files, faces, before = facts(out)
    crawl(out)
    check_gone(out, before, faces)
    assert not [file for file in files if (out / file).exists()]
    assert not (out / "report.html").exists()
    with Ledger(out) as ledger:
        assert {row["reason"] for row in ledger.rows("SELECT reason FROM pictures WHERE artist = ?", (ARTIST,))} == {
            "opted_out"
        }
        page = write_report(ledger).read_text()
        assert not [item for item in Catalog.read(out).items if item.row["artist"] == ARTIST]
    assert ARTIST not in page
    assert TITLE not in page
    # And what is built from here on says nothing of her either.
    with open_build(out, workers=1) as build:
        pipeline.run_all(build)
    for path in (out / "release").rglob("*"):
        assert path.is_dir() or ARTIST.encode() not in path.read_bytes()


def test_what_a_kill_left_is_ended_by_the_next_command(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files, faces, before = facts(out)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(opted_out, "delete_orphans", killed)
        with pytest.raises(KeyboardInterrupt):
            crawl(out)
    assert all((out / file).is_file() for file in files)
    with open_folder(out):
        pass
    assert not [file for file in files if (out / file).exists()]
    check_gone(out, before, faces)


def test_a_release_that_cannot_be_rewritten_stops_the_crawl_before_anything_changes(out: Path) -> None:
    files, _, _ = facts(out)
    (out / "release" / "images" / "mine.psd").write_bytes(b"mine")
    with pytest.raises(SuiteError, match=r"images/mine\.psd is not part of the release"):
        crawl(out)
    assert all((out / file).is_file() for file in files)


def test_no_decision_of_a_reviewer_brings_an_opted_out_face_back(out: Path) -> None:
    with Ledger(out) as ledger:
        query = "SELECT f.id FROM faces f JOIN pictures p ON p.id = f.picture WHERE p.artist = ?"
        face = ledger.one(query, (ARTIST,))
    line = {"act": "keep", "nonce": "nonce-a1", "reviewer": "ann", "id": face, "time": "2026-01-01T00:00:00"}
    points = [[90, 110], [160, 110], [125, 150], [100, 180], [150, 180]]
    (out / "review").mkdir()
    (out / "review" / "decisions.jsonl").write_text(json.dumps({**line, "points": points}) + "\n")
    with open_build(out, workers=1) as build:
        pipeline.run_all(build)
    crawl(out)
    (out / "review" / "decisions.jsonl").write_text("")
    with open_build(out, workers=1) as build:
        pipeline.run_all(build)
    with Ledger(out) as ledger:
        assert ledger.one("SELECT count(*) FROM faces WHERE id = ?", (face,)) == 0
    assert face not in set(pd.read_parquet(out / "release" / "manifest.parquet")["id"])
