"""Forgetting: nothing of a removed work is left, nothing brings it back, other copies shrink, killed at any moment."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from aahq.candidates import Candidate
from aahq.cli import main
from aahq.images.hashes import phash64, phash_hex
from aahq.ledger import Ledger
from aahq.pipeline import open_build
from aahq.release.verify import verify
from aahq.remove.lookup import Question, lookup, picture_question
from aahq.remove.remove import Removed, Wanted, remove
from aahq.remove.sync import sync
from aahq.remove.tombstones import TOMBSTONES, Tombstones
from aahq.report import write_report
from aahq.review.log import log_path
from suite.errors import SuiteError

ARTIST, TITLE = "Wilhelmina Dubois", "Nocturne with 77 lanterns"


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def sign(out: Path) -> str:
    """Give the kept one of p0 and its copies an artist, a title and a page, as a site would; returns its id."""
    kept = (
        "SELECT p.id, p.candidate FROM pictures p JOIN faces f ON f.picture = p.id "
        "WHERE p.key IN ('p0.png', 'q_copy.png', 'q_mirror.png') AND f.state = 'kept'"
    )
    with Ledger(out) as ledger:
        row = ledger.db.execute(kept).fetchone()
        candidate = json.loads(row["candidate"])
        candidate |= {"artist": ARTIST, "title": TITLE, "page_url": "https://art.example.org/works/4711"}
        ledger.update(
            "pictures",
            row["id"],
            artist=ARTIST,
            title=TITLE,
            page_url=candidate["page_url"],
            candidate=json.dumps(candidate),
        )
        return str(row["id"])


@pytest.fixture(scope="module")
def signed(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The build with one named artist, and releases in two more forms beside it."""
    from aahq import pipeline

    out = tmp_path_factory.mktemp("signed") / "out"
    shutil.copytree(built, out)
    sign(out)
    with open_build(out, workers=1) as build:
        pipeline.release(build)
        pipeline.release(build, out=out / "as-shards", form="shards", shard_bytes=20000)
    return out


@pytest.fixture
def out(signed: Path, tmp_path: Path) -> Path:
    copy = tmp_path / "out"
    shutil.copytree(signed, copy)
    with Ledger(copy) as ledger:
        ledger.put("releases", [str(copy / "as-shards"), str(copy / "release")])
    return copy


def take_out(out: Path, wanted: Wanted) -> Removed:
    with Ledger(out) as ledger:
        return remove(ledger, wanted)


def test_nothing_of_a_removed_work_is_left(out: Path) -> None:
    before = verify(out / "release").manifest_sha256
    with Ledger(out) as ledger:
        cluster = ledger.one("SELECT cluster FROM faces WHERE picture = ?", (sign(out),))
        gone = list(ledger.rows("SELECT f.*, p.file AS source FROM faces f JOIN pictures p ON p.id = f.picture"))
        gone = [dict(row) for row in gone if row["cluster"] == cluster]
    assert len(gone) == 3, "the work, its copy and its mirror"
    log_path(out).parent.mkdir()
    lines = [
        {"act": "keep", "nonce": "nonce-a1", "reviewer": "ann", "id": gone[0]["id"], "time": "2026-01-01T00:00:00"},
        {"act": "undo", "nonce": "nonce-a2", "reviewer": "ann", "id": gone[0]["id"], "undoes": "nonce-a1"},
        {"act": "keep", "nonce": "nonce-a3", "reviewer": "ann", "id": "other-00", "time": "2026-01-01T00:00:00"},
    ]
    log_path(out).write_text("".join(json.dumps(line) + "\n" for line in lines))
    with Ledger(out) as ledger:
        write_report(ledger)
        write_report(ledger, out.parent / "elsewhere.html")
    assert TITLE in (out.parent / "elsewhere.html").read_text()
    tiles = [out / "review" / "tiles" / id[:2] / f"{id}-0123456789ab.jpg" for id in (gone[0]["id"], "zz-other-00")]
    for tile in tiles:
        tile.parent.mkdir(parents=True, exist_ok=True)
        tile.write_bytes(b"small")

    done = take_out(out, Wanted(artists=(ARTIST.upper(),)))
    assert not (out.parent / "elsewhere.html").exists()
    assert (len(done.named), len(done.copies), done.faces) == (1, 2, 3)
    for path, data in files_of(out).items():
        for name in (ARTIST, TITLE, "works/4711", *(row["id"] for row in gone)):
            assert name.encode() not in data, f"{name} in {path}"
    assert [tile.exists() for tile in tiles] == [False, True]
    for row in gone:
        assert not (out / row["file"]).exists()
        assert not (out / row["source"]).exists()
    assert [json.loads(line)["nonce"] for line in log_path(out).read_text().splitlines()] == ["nonce-a3"]
    for name in ("release", "as-shards"):
        verdict = verify(out / name)
        assert verdict.ok, verdict.as_dict()
        assert (verdict.rows, verdict.effective) == (5, 5)
        assert gone[0]["sha256"] not in set(pd.read_parquet(out / name / "manifest.parquet")["sha256"])
    listed = json.loads((out / "release" / "superseded.json").read_text())["superseded"]
    assert before in [entry["manifest_sha256"] for entry in listed]
    assert verify(out / "release").manifest_sha256 not in [entry["manifest_sha256"] for entry in listed]


def test_the_shrunk_releases_are_what_the_stage_would_write(out: Path, tmp_path: Path) -> None:
    from aahq import pipeline

    take_out(out, Wanted(artists=(ARTIST,)))
    shrunk = {name: files_of(out / name) for name in ("release", "as-shards")}
    with open_build(out, workers=1) as build:
        pipeline.release(build)
        pipeline.release(build, out=out / "as-shards", form="shards", shard_bytes=20000)
    assert {name: files_of(out / name) for name in shrunk} == shrunk


def test_no_crawl_brings_it_back(out: Path, painted_folder: Path, tmp_path: Path) -> None:
    """Listed again; under another name; packed anew; half as large and as a JPEG; mirrored."""
    from aahq import pipeline

    take_out(out, Wanted(works=("https://www.art.example.org/works/4711/",)))
    source = tmp_path / "again"
    source.mkdir()
    original = Image.open(painted_folder / "p0.png")
    shutil.copy(painted_folder / "p0.png", source / "another-name.png")
    original.save(source / "packed.png", compress_level=0)
    original.resize((160, 160), Image.Resampling.LANCZOS).convert("RGB").save(source / "small.jpg", quality=80)
    original.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(source / "mirror.png")
    shutil.copy(painted_folder / "p3.png", source / "innocent.png")
    for ask in (None, {"source": "folder", "target": str(source)}):
        with open_build(out, source=ask, workers=1) as build:
            crawled = pipeline.crawl(build, again=True)
            all_stats = [pipeline.screen(build), pipeline.faces(build), pipeline.align(build)]
            for stage in ("dedup", "quality", "review", "release"):
                pipeline.RUN[stage](build)
    removed = crawled.reasons["removed"] + sum(stats.reasons["removed"] for stats in all_stats)
    assert removed == 4
    with Ledger(out) as ledger:
        keys = {row["key"] for row in ledger.rows("SELECT key FROM pictures")}
        assert ledger.one("SELECT state FROM pictures WHERE key = 'innocent.png'") == "faced"
    assert not keys & {"p0.png", "another-name.png", "packed.png", "small.jpg", "mirror.png"}
    # The next release holds none of it either, in no form; the copy of p3 is there once.
    released = pd.read_parquet(out / "release" / "manifest.parquet")
    assert {"p3.png", "innocent.png"} & set(released["key"])
    assert not set(released["key"]) & {"p0.png", "another-name.png", "packed.png", "small.jpg", "mirror.png"}
    buried = Tombstones.read(out / TOMBSTONES)
    assert buried
    assert not any(buried.buries_row(row) for row in released.to_dict("records"))
    files = {path.name for path in (out / "pictures").rglob("*") if path.is_file()}
    with Ledger(out) as ledger:
        assert files == {Path(row["file"]).name for row in ledger.rows("SELECT file FROM pictures WHERE file != ''")}


def test_other_copies_shrink_by_manifest_or_by_hashes_alone(signed: Path, out: Path, tmp_path: Path) -> None:
    for name in ("by-manifest", "by-hashes"):
        shutil.copytree(signed / "release", tmp_path / name)
    take_out(out, Wanted(artists=(ARTIST,)))
    done = sync(tmp_path / "by-manifest", out / "release" / "manifest.parquet")
    assert (done.removed, done.left, done.missing) == (1, 5, 0)
    assert files_of(tmp_path / "by-manifest") == files_of(out / "release")
    done = sync(tmp_path / "by-hashes", out / "release" / "removals.json")
    assert done.removed == 1
    assert done.manifest_sha256 == verify(out / "release").manifest_sha256
    assert verify(tmp_path / "by-hashes").ok
    assert sync(tmp_path / "by-hashes", out / "release" / "removals.json").removed == 0


def test_lookup_answers_before_and_after(out: Path, painted_folder: Path, tmp_path: Path) -> None:
    Image.open(painted_folder / "p0.png").resize((200, 200)).convert("RGB").save(tmp_path / "mine.jpg", quality=85)
    questions = [
        Question(artists=(ARTIST.lower(),)),
        Question(urls=("http://art.example.org/works/4711?from=mail",)),
        picture_question(tmp_path / "mine.jpg"),
        picture_question(painted_folder / "p0.png"),
    ]
    nobody = Question(artists=("nobody",))
    for where in (out, out / "release"):
        assert all(lookup(where, question).matches for question in questions)
        assert not lookup(where, nobody).matches
    take_out(out, Wanted(artists=(ARTIST,)))
    for where in (out, out / "release"):
        for question in questions:
            answer = lookup(where, question)
            assert not answer.matches
            assert answer.removed
        assert not lookup(where, nobody).removed


# Kills its own process right before the n-th file takes its name, folder is renamed, or transaction ends.
DRIVER = """
import os, signal, sys
from contextlib import contextmanager
from pathlib import Path
from aahq import ledger
from aahq.remove.remove import Wanted, remove

out, at, events = Path(sys.argv[1]), int(sys.argv[2]), 0

def event():
    global events
    events += 1
    if events == at:
        os.kill(os.getpid(), signal.SIGKILL)

replace, rename, unlink, transaction = Path.replace, os.rename, Path.unlink, ledger.Ledger.transaction

def counted(real):
    def call(*args, **kwargs):
        event()
        return real(*args, **kwargs)
    return call

@contextmanager
def transaction_or_die(self):
    with transaction(self):
        yield
        event()

Path.replace, os.rename, Path.unlink = counted(replace), counted(rename), counted(unlink)
ledger.Ledger.transaction = transaction_or_die
with ledger.Ledger(out) as opened:
    remove(opened, Wanted(artists=(sys.argv[3],)))
print(events)
"""


def drive(out: Path, at: int) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", DRIVER, str(out), str(at), ARTIST], capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("share", [pytest.param(n / 6, marks=pytest.mark.slow) for n in range(6)])
def test_killed_anywhere_the_next_command_ends_it(signed: Path, out: Path, tmp_path: Path, share: float) -> None:
    with Ledger(out) as ledger:
        # One salt for both, or their tombstones could not be compared.
        Tombstones(bytes(16)).write(out / "tombstones.json")
        ledger.put("releases", ["as-shards", "release"])
    for name in ("straight", "killed"):
        shutil.copytree(out, tmp_path / name)
        with Ledger(tmp_path / name) as ledger:
            ledger.put("releases", [str(tmp_path / name / form) for form in ("as-shards", "release")])
    total = int(drive(tmp_path / "straight", 0).stdout)
    killed = drive(tmp_path / "killed", max(1, int(share * total)))
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    # Asked again, as a person would: a kill before the intent was written down leaves nothing to end.
    assert drive(tmp_path / "killed", 0).returncode == 0
    # The names of temporary files are drawn; nothing of them may be left.
    assert files_of_release(tmp_path / "killed") == files_of_release(tmp_path / "straight")
    assert ARTIST.encode() not in b"".join(files_of(tmp_path / "killed").values())


def files_of_release(out: Path) -> dict[str, bytes]:
    return {path: data for path, data in files_of(out).items() if not path.startswith(("ledger", "build.lock"))}


def test_tombstones_hold_no_name_and_keep_distances() -> None:
    rng = np.random.default_rng(0)
    stones = Tombstones()
    stones.add_candidate(
        Candidate("met", "77", "https://met.example/art/77", ("https://met.example/i/77.jpg",), ARTIST)
    )
    stones.add("artist", ARTIST.casefold())
    value = int(rng.integers(0, 2**63))
    stones.add_picture(phash_hex(value))
    text = json.dumps(stones.as_dict())
    for secret in (ARTIST, "met.example", "77.jpg", phash_hex(value)):
        assert secret.casefold() not in text.casefold()
    for flips in (0, 1, 8, 9, 20):
        bits = rng.choice(64, flips, replace=False)
        other = value ^ sum(1 << int(bit) for bit in bits)
        assert stones.near_picture(phash_hex(other)) == (flips <= 8)
    assert stones.names(Candidate("x", "1", None, (), artist=ARTIST.upper()))
    assert stones.names(Candidate("x", "1", "http://www.met.example/art/77/?q", ()))
    assert not stones.names(Candidate("met", "78", "https://met.example/art/78", (), artist="Somebody"))


def test_broken_tombstones_stop_everything_in_one_line(out: Path) -> None:
    (out / "tombstones.json").write_text('{"schema": 1, "salt": "00"}')
    with pytest.raises(SuiteError, match=r"tombstones\.json: not usable .* removed works would return") as refused:
        take_out(out, Wanted(artists=(ARTIST,)))
    assert "\n" not in str(refused.value)


def test_a_file_of_the_persons_own_in_a_release_is_not_lost(out: Path) -> None:
    (out / "release" / "map.png").write_bytes(b"mine")
    with pytest.raises(SuiteError, match=r"map\.png is not part of the release"):
        take_out(out, Wanted(artists=(ARTIST,)))
    assert lookup(out, Question(artists=(ARTIST,))).matches, "nothing has gone"


def test_commands_and_their_exit_codes(out: Path) -> None:
    def aahq(*words: str) -> Result:
        return CliRunner().invoke(main, words)

    assert aahq("lookup", str(out), "--artist", ARTIST).exit_code == 0
    told = aahq("remove", str(out), "--artist", ARTIST, "--json")
    assert json.loads(told.stdout)["pictures"] == 3, told.stderr
    after = aahq("lookup", str(out), "--artist", ARTIST)
    assert after.exit_code == 1
    assert "taken out on request" in after.stdout
    for words in (
        ("remove", str(out)),
        ("remove", str(out), "--sha256", "xyz"),
        ("remove", str(out), "--url", "art/*"),
    ):
        wrong = aahq(*words)
        assert wrong.exit_code == 2
        assert len(wrong.stderr.strip().splitlines()) == 1


@pytest.mark.slow
def test_looks_alike_does_not_mean_any_face() -> None:
    """Painted people of other styles stay outside of the distance at which a tombstone holds."""
    from aahq.painted.portraits.paint import paint
    from aahq.painted.portraits.styles import style_seed

    families = ("natural", "oil", "pastel", "watercolour")
    pictures = [paint(17 * n + 1, style_seed(families[n % 4], n), 64).rgb for n in range(16)]
    for number, rgb in enumerate(pictures):
        stones = Tombstones()
        stones.add_picture(phash_hex(phash64(rgb)))
        near = [n for n, other in enumerate(pictures) if stones.near_picture(phash_hex(phash64(other)))]
        assert near == [number]
