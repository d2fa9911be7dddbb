"""Removal from many: what goes is found by index, and nothing is looked through once for each file."""

from __future__ import annotations

from pathlib import Path

import pytest

from aahq.candidates import Candidate
from aahq.folder import content_path
from aahq.ledger import Ledger, picture_id
from aahq.own import content_files
from aahq.remove.remove import Wanted, remove
from suite.files import sha256_bytes

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
        sent = visits(ledger)
        done = remove(ledger, Wanted(artists=("Artist 3",)))
        ledger.db.set_trace_callback(None)
        assert len(done.named) == done.files == count // EVERY
        assert ledger.count("pictures") == count - count // EVERY
        plans = {
            sql: list(ledger.rows(f"EXPLAIN QUERY PLAN {sql}")) for sql in sent if sql.startswith(("SELECT", "DELETE"))
        }
    files = len(list(content_files(tmp_path, "pictures")))
    assert files == count - count // EVERY
    # Statements grow with the files; those that read a whole table do not.
    scans = [sql for sql, plan in plans.items() if any(row["detail"].startswith("SCAN pictures") for row in plan)]
    assert len(scans) <= 4, scans[:6]
    assert sum(sql.startswith("VACUUM") for sql in sent) == 1


@pytest.mark.slow
def test_one_artist_of_33_000(tmp_path: Path) -> None:
    """The size of AAHQ; a removal that were quadratic would take the better part of an hour here."""
    fill(tmp_path, 33_000)
    with Ledger(tmp_path) as ledger:
        done = remove(ledger, Wanted(artists=("ARTIST 3",)))
    assert len(done.named) == done.files == 3_300
