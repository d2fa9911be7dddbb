"""The ledger: transactions, migrations, and files that are none."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from aahq.candidates import Candidate
from aahq.folder import explain_disk_errors
from aahq.ledger import LEDGER, MIGRATIONS, Ledger, face_id, picture_id
from suite.errors import SuiteError


def candidate(number: int) -> Candidate:
    return Candidate("test", f"k{number}", None, (f"https://example.org/{number}.jpg",), title="O'Brien; DROP TABLE")


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path, create=True)


def test_a_picture_is_added_once_and_its_name_depends_on_its_place_alone(ledger: Ledger) -> None:
    with ledger.transaction():
        assert ledger.add_candidate(candidate(1))
        assert not ledger.add_candidate(candidate(1))
    assert ledger.count("pictures", "found") == 1
    # sha256(b"test\nk1")[:20], by coreutils.
    assert picture_id("test", "k1") == ledger.one("SELECT id FROM pictures") == "4ff4868be7e4c19d25dc"
    assert face_id("ab", 3) == "ab-03"
    assert Candidate.from_json(ledger.one("SELECT candidate FROM pictures")) == candidate(1)


def test_a_transaction_is_all_or_nothing(ledger: Ledger) -> None:
    with pytest.raises(ZeroDivisionError), ledger.transaction():
        ledger.add_candidate(candidate(1))
        raise ZeroDivisionError
    assert ledger.count("pictures") == 0


def test_pending_goes_through_each_row_once_while_rows_leave(ledger: Ledger) -> None:
    with ledger.transaction():
        for number in range(25):
            ledger.add_candidate(candidate(number))
    seen = []
    for batch in ledger.pending("pictures", "found", "id", 4):
        assert len(batch) <= 4
        for row in batch:
            seen.append(row["id"])
            ledger.update("pictures", row["id"], state="fetched")
    assert len(seen) == len(set(seen)) == 25
    assert seen == sorted(seen)
    assert ledger.count("pictures", "fetched") == 25


def test_states_and_types_are_strict(ledger: Ledger) -> None:
    with ledger.transaction():
        ledger.add_candidate(candidate(1))
    with pytest.raises(sqlite3.IntegrityError):
        ledger.update("pictures", picture_id("test", "k1"), state="lost")
    with pytest.raises(sqlite3.IntegrityError):
        ledger.update("pictures", picture_id("test", "k1"), width="wide")


def test_uncommitted_work_of_a_dead_process_is_gone(tmp_path: Path) -> None:
    import subprocess
    import sys

    code = (
        "import os, sys; from pathlib import Path; from aahq.ledger import Ledger; from aahq.candidates import Candidate\n"
        "ledger = Ledger(Path(sys.argv[1]), create=True)\n"
        "c = lambda n: Candidate('test', str(n), None, ())\n"
        "with ledger.transaction(): ledger.add_candidate(c(1))\n"
        "with ledger.transaction():\n    ledger.add_candidate(c(2)); os.kill(os.getpid(), 9)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    assert done.returncode == -9
    with Ledger(tmp_path) as ledger:
        assert [row["key"] for row in ledger.rows("SELECT key FROM pictures")] == ["1"]


def test_what_is_no_ledger_is_told_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(SuiteError, match=r"no ledger\.sqlite there"):
        Ledger(tmp_path)
    (tmp_path / LEDGER).write_bytes(b"not a database" * 100)
    with pytest.raises(SuiteError, match="not usable as a ledger"):
        Ledger(tmp_path)


def test_a_newer_ledger_is_left_alone(tmp_path: Path) -> None:
    Ledger(tmp_path, create=True).close()
    with sqlite3.connect(tmp_path / LEDGER) as db:
        db.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    with pytest.raises(SuiteError, match=f"version {len(MIGRATIONS) + 1}"):
        Ledger(tmp_path)


def test_an_old_ledger_is_lifted_with_everything_in_it(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / LEDGER) as db:
        for number, script in enumerate(MIGRATIONS[:2], 1):
            db.executescript(f"{script} PRAGMA user_version = {number};")
        db.execute(
            "INSERT INTO pictures (id, source, key, page_url, image_url, artist, title, license, published, candidate) "
            "VALUES ('p', 'folder', 'k', '', '', 'Ann', '', '', '', '{}')"
        )
        db.execute(
            "INSERT INTO faces (id, picture, number, box, landmarks, detector, score, inter_ocular, state, embedding, phash) "
            "VALUES ('p-00', 'p', 0, '[]', '[]', 'hog', 1.0, 9.0, 'aligned', x'0102', 'ff')"
        )
        db.execute("INSERT INTO before_review VALUES ('p-00', 'kept', '', '', '', '')")
    with Ledger(tmp_path) as ledger:
        assert ledger.one("PRAGMA user_version") == len(MIGRATIONS)
        assert ledger.one("SELECT artist FROM pictures") == "Ann"
        assert ledger.one("SELECT phash FROM faces WHERE state = 'aligned'") == "ff"
        assert ledger.one("SELECT embedding FROM descriptors WHERE id = 'p-00'") == b"\x01\x02"
        assert ledger.one("SELECT count(*) FROM before_review") == 1
        assert ledger.one("PRAGMA foreign_key_check") is None
        assert ledger.one("PRAGMA foreign_keys") == 1
        ledger.keep_trace("p-00", "align", "Traceback")
        ledger.db.execute("DELETE FROM pictures")
        for table in ("faces", "descriptors", "before_review", "faults"):
            assert ledger.one(f"SELECT count(*) FROM {table}") == 0, table


def test_a_ledger_that_another_program_holds_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aahq.ledger.PATIENCE", 0.05)
    Ledger(tmp_path, create=True).close()
    with sqlite3.connect(tmp_path / LEDGER, isolation_level=None) as db:
        db.execute("BEGIN EXCLUSIVE")
        with (
            pytest.raises(SuiteError, match="another program holds the ledger") as told,
            explain_disk_errors(tmp_path),
            Ledger(tmp_path) as ledger,
            ledger.transaction(),
        ):
            pass
        assert told.value.exit_code == 1
        db.execute("ROLLBACK")
    with Ledger(tmp_path) as ledger, ledger.transaction():
        assert ledger.add_candidate(candidate(1))


def test_values_are_kept_by_name(ledger: Ledger) -> None:
    assert ledger.get("plan") is None
    ledger.put("plan", {"b": [1, None], "a": "é"})
    assert ledger.get("plan") == {"a": "é", "b": [1, None]}
