"""Removal from many: what goes is found by index, and nothing is looked through once for each file."""

from __future__ import annotations

import json
import random
import sqlite3
from pathlib import Path

import pytest

from aahq.candidates import Candidate
from aahq.folder import content_path
from aahq.ledger import LEDGER, MIGRATIONS, Ledger, picture_id
from aahq.open_folder import open_folder
from aahq.own import content_files
from aahq.remove import forget
from aahq.remove.remove import Wanted, find, remove
from aahq.remove.scrub import scrub
from aahq.review.log import log_path
from aahq.web.addresses import address_pattern
from suite.files import canonical_json, sha256_bytes

EVERY = 10


def fill(out: Path, count: int) -> None:
    """A ledger of many pictures of a few artists, each with its file."""
    with Ledger(out, create=True) as ledger, ledger.transaction():
        for number in range(count):
            key, digest = str(number), sha256_bytes(b"%d" % number)
            page = f"https://art.example/{number}"
            ledger.add_candidate(Candidate("urls", key, page, (), f"artist {number % EVERY}"))
            file = content_path("pictures", digest, "")
            (out / file).parent.mkdir(parents=True, exist_ok=True)
            (out / file).touch()
            ledger.update("pictures", picture_id("urls", key), state="fetched", file=file, response_sha256=digest)


def visits(ledger: Ledger) -> list[str]:
    """The statements that a removal sends, to count them and to see how each is answered."""
    sent: list[str] = []
    ledger.db.set_trace_callback(sent.append)
    return sent


@pytest.mark.parametrize("count", [200, 800])
def test_an_artists_works_go_without_a_scan_for_each_file(tmp_path: Path, count: int) -> None:
    fill(tmp_path, count)
    with Ledger(tmp_path) as ledger:
        find(ledger, Wanted(artists=("of nobody",)))
        sent = visits(ledger)
        done = remove(ledger, Wanted(artists=("Artist 3",)))
        ledger.db.set_trace_callback(None)
        assert len(done.named) == done.files == count // EVERY
        assert ledger.count("pictures") == count - count // EVERY
        asked = {sql for sql in sent if sql.startswith(("SELECT", "DELETE", "UPDATE"))}
        plans = {sql: [row["detail"] for row in ledger.rows(f"EXPLAIN QUERY PLAN {sql}")] for sql in asked}
    assert len(list(content_files(tmp_path, "pictures"))) == count - count // EVERY
    whole = ("SCAN pictures", "SCAN faces", "SCAN spellings", "SCAN p", "SCAN f")
    assert not [sql for sql, plan in plans.items() if any(step.startswith(whole) for step in plan)]
    assert not [sql for sql in sent if sql.startswith("VACUUM")], "the database is not written anew"


@pytest.mark.slow
def test_one_artist_of_33_000(tmp_path: Path) -> None:
    """The size of AAHQ; a removal that were quadratic would take the better part of an hour here."""
    fill(tmp_path, 33_000)
    with Ledger(tmp_path) as ledger:
        done = remove(ledger, Wanted(artists=("ARTIST 3",)))
    assert len(done.named) == done.files == 3_300


def restless(out: Path, count: int) -> None:
    """A ledger in which rows came in any order and grew later, so that SQLite moved them between pages."""
    rng = random.Random(0)
    with Ledger(out, create=True) as ledger:
        names = [f"k{number}" for number in range(count)]
        with ledger.transaction():
            for number, key in enumerate(names):
                page = f"https://art.example/{rng.random()}"
                ledger.add_candidate(Candidate("urls", key, page, (), f"{rng.random()} by-{number % EVERY}-here"))
        rng.shuffle(names)
        with ledger.transaction():
            for key in names:
                said = ledger.one("SELECT artist FROM pictures WHERE key = ?", (key,))
                ledger.update("pictures", picture_id("urls", key), notes=f"{said} " * rng.randint(1, 9))
        find(ledger, Wanted(artists=("nobody",)))


def test_copies_that_sqlite_left_between_its_rows_are_overwritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    restless(tmp_path, 1500)
    with monkeypatch.context() as patched:
        patched.setattr(forget, "overwrite_deleted", lambda ledger: None)
        with Ledger(tmp_path) as ledger:
            gone = [row["id"] for row in ledger.rows("SELECT id FROM pictures WHERE artist LIKE '%by-3-here'")]
            with ledger.transaction():
                forget.drop_rows(ledger, gone)
            ledger.db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    path = tmp_path / LEDGER
    assert path.read_bytes().count(b"by-3-here"), "else this shows nothing: SQLite overwrites these copies by itself"
    others = path.read_bytes().count(b"by-4-here")
    with open_folder(tmp_path) as ledger:
        # What a killed removal left is ended by the next command.
        assert ledger.one("PRAGMA integrity_check") == "ok"
        assert ledger.count("pictures") == 1350
        assert ledger.one("SELECT count(*) FROM pictures WHERE notes LIKE '%by-4-here%'") == 150
    assert b"by-3-here" not in path.read_bytes()
    assert 0 < path.read_bytes().count(b"by-4-here") <= others
    assert scrub(str(path)) <= 1, "nothing is left to do but where the note of it was"


def test_a_large_ledger_is_overwritten_before_anybody_waits_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    restless(tmp_path, 300)
    before = (tmp_path / LEDGER).read_bytes()
    with Ledger(tmp_path) as ledger:
        forget.overwrite_beforehand(ledger)
    assert (tmp_path / LEDGER).read_bytes() == before, "a small one is quick at any time"
    monkeypatch.setattr(forget, "LARGE", 1)
    with Ledger(tmp_path) as ledger:
        forget.overwrite_beforehand(ledger)
    assert scrub(str(tmp_path / LEDGER)) <= 1


def test_what_is_read_at_the_moment_is_overwritten_by_the_next_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aahq.ledger.PATIENCE", 0.05)
    fill(tmp_path, 50)
    with sqlite3.connect(tmp_path / LEDGER, isolation_level=None) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM pictures").fetchone()
        with Ledger(tmp_path) as ledger:
            remove(ledger, Wanted(artists=("artist 3",)))
        reader.execute("COMMIT")
    with open_folder(tmp_path) as ledger:
        assert ledger.get(forget.OVERDUE) is None
    assert b"artist 3" not in (tmp_path / LEDGER).read_bytes()


def test_a_database_whose_pages_cannot_be_told_apart_is_left_alone(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "a") as db:
        db.execute("PRAGMA auto_vacuum = FULL")
        db.execute("CREATE TABLE t (a)")
    (tmp_path / "b").write_bytes(b"no database at all" * 100)
    for name in "ab":
        before = (tmp_path / name).read_bytes()
        with pytest.raises(ValueError, match="no SQLite database"):
            scrub(str(tmp_path / name))
        assert (tmp_path / name).read_bytes() == before


# Addresses and names that lie close to each other in every order.
PAGES = [
    "https://a.example/jane", "https://a.example/jane/", "https://a.example/jane/1.jpg", "https://a.example/janet",
    "https://a.example/jane?id=5", "https://a.example/jane?id=6", "https://a.example/jane/1.jpg?w=100", "https://a.example/",
    "https://b.example/jane/1.jpg", "https://a.example/jane-1", "https://a.example/Jane/1.jpg", "http://www.a.example:80/jane",
]  # fmt: skip
ASKED = ["https://a.example/jane", "https://a.example/jane/*", "https://a.example/jane?id=5", "a.example/*",
         "https://a.example", "https://a.example/jane/1.jpg", "https://a.example/jan*",
         "https://A.example/x/../jane/#top"]  # fmt: skip


def test_the_index_finds_what_comparing_with_all_finds(tmp_path: Path) -> None:
    with Ledger(tmp_path, create=True) as ledger:
        with ledger.transaction():
            works = [Candidate("urls", str(number), page, (page + "#1",), "x") for number, page in enumerate(PAGES)]
            works += [Candidate("artstation", "art", "https://www.artstation.com/artwork/1", (), "Jané 5")]
            works += [Candidate("folder", "b\udcff.png", None, ("file:///b%FF.png",), None)]
            for work in works[:-1]:
                ledger.add_candidate(work)
        for url in [*ASKED, "https://www.artstation.com/jan%C3%A9%205", "https://jan%C3%A9%205.artstation.com"]:
            entry = address_pattern(url)
            expected = {
                picture_id(work.source, work.key) for work in works if any(entry.covers(place) for place in work.places)
            }
            assert expected, url
            assert set(find(ledger, Wanted(urls=(url,)))[0]) == expected, url
        assert find(ledger, Wanted(pictures=("3",)))[0] == [picture_id("urls", "3")]


def test_a_row_that_is_renamed_is_found_by_its_new_name_alone(tmp_path: Path) -> None:
    fill(tmp_path, 20)
    with Ledger(tmp_path) as ledger:
        assert find(ledger, Wanted(artists=("artist 7",)))[0]
        id = picture_id("urls", "7")
        renamed = Candidate("urls", "7", None, (), "Somebody else")
        ledger.update("pictures", id, artist="Somebody else", candidate=renamed.to_json())
        assert id in find(ledger, Wanted(artists=("SOMEBODY ELSE",)))[0]
        assert id not in find(ledger, Wanted(artists=("artist 7",)))[0]


def test_another_form_of_names_is_computed_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path, 20)
    with Ledger(tmp_path) as ledger:
        find(ledger, Wanted(artists=("nobody",)))
        ledger.db.execute("UPDATE spellings SET spelling = 'of before ' || spelling")
        assert not find(ledger, Wanted(artists=("artist 7",)))[0]
        monkeypatch.setattr("aahq.remove.spellings.FORM", 2)
        assert len(find(ledger, Wanted(artists=("artist 7",)))[0]) == 2


def test_a_ledger_of_before_is_searched_and_overwritten_as_well(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / LEDGER) as db:
        # Most builds of SQLite leave what is deleted where it was.
        db.execute("PRAGMA secure_delete = OFF")
        for number, script in enumerate(MIGRATIONS[:6], 1):
            db.executescript(f"{script} PRAGMA user_version = {number};")
        columns = "id, source, key, page_url, image_url, artist, title, license, published, candidate"
        for number in range(200):
            one = Candidate(
                "urls", str(number), f"https://art.example/{number}", (), f"artist {number % EVERY} of before"
            )
            row = (
                picture_id("urls", one.key),
                "urls",
                one.key,
                one.page_url,
                "",
                one.artist,
                "",
                "",
                "",
                one.to_json(),
            )
            db.execute(f"INSERT INTO pictures ({columns}) VALUES ({','.join('?' * 10)})", row)
        db.execute("DELETE FROM pictures WHERE artist LIKE 'artist 4%'")
    db.close()
    assert b"artist 4 of before" in (tmp_path / LEDGER).read_bytes()
    stray = content_path("pictures", sha256_bytes(b"of nobody"), "")
    (tmp_path / stray).parent.mkdir(parents=True)
    (tmp_path / stray).touch()
    with Ledger(tmp_path) as ledger:
        assert len(remove(ledger, Wanted(artists=("Artist 3 of before",))).named) == 20
        assert ledger.count("pictures") == 160
    data = (tmp_path / LEDGER).read_bytes()
    assert b"artist 3" not in data
    assert b"artist 4" not in data
    assert b"artist 5 of before" in data
    assert not (tmp_path / stray).exists(), "which files no row names was not known"


@pytest.mark.parametrize("ended", ["killed", "well"])
def test_files_that_no_row_ever_named_go_where_a_process_may_have_left_them(tmp_path: Path, ended: str) -> None:
    out = tmp_path / "out"
    with open_folder(out, create=True):
        pass
    fill(out, 20)
    stray = out / content_path("pictures", sha256_bytes(b"of nobody"), "")
    stray.parent.mkdir(exist_ok=True)
    stray.touch()
    if ended == "killed":
        (out / "build.lock").write_text("12345\n")
    with open_folder(out) as ledger:
        done = remove(ledger, Wanted(artists=("artist 3",)))
    assert stray.exists() == (ended == "well")
    assert done.files == 2 + (ended == "killed")
    assert len(list(content_files(out, "pictures"))) == 18 + (ended == "well")


def test_the_reviews_log_loses_lines_of_removed_faces_and_torn_ones_alone(tmp_path: Path) -> None:
    from aahq.remove.remove import _forget_decisions

    lines = [
        {"act": "keep", "id": "a-00", "nonce": "nonce-01", "reviewer": "ann"},
        {"act": "keep", "id": "b-00", "nonce": "nonce-02", "reviewer": "a-00"},
        {"act": "undo", "id": "b-00", "nonce": "nonce-03", "reviewer": "ann", "undoes": "nonce-02"},
        {"act": "undo", "id": "c-00", "nonce": "nonce-04", "reviewer": "ann", "undoes": "nonce-01"},
        {"act": "drop", "id": "a-01", "nonce": "nonce-05", "reason": "other", "reviewer": "ann"},
    ]
    path = log_path(tmp_path)
    path.parent.mkdir()
    for text in (canonical_json, json.dumps):
        path.write_text("\n".join([text(lines[0]), text(lines[0])[:30], *map(text, lines[1:]), text(lines[1])[:-4]]))
        _forget_decisions(tmp_path, {"a"})
        assert [json.loads(line) for line in path.read_text().splitlines()] == lines[1:3]
