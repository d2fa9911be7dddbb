"""The ledger that the scale bench measures is one that the stages would leave."""

from __future__ import annotations

from pathlib import Path

import pytest

from aahq.ledger import RECORD, Ledger, picture_id, recorded
from aahq.remove.spellings import KEPT, keep_spellings
from speed.synthetic import make_ledger


@pytest.mark.parametrize("state", ["aligned", "kept"])
def test_a_synthetic_ledger_is_whole(tmp_path: Path, state: str) -> None:
    (tmp_path / "none").mkdir()
    Ledger(tmp_path / "none", create=True).close()
    make_ledger(tmp_path / "made", 60, state=state)
    with Ledger(tmp_path / "made") as ledger, Ledger(tmp_path / "none") as empty:
        schema = "SELECT type, name, sql FROM sqlite_master ORDER BY type, name"
        assert [tuple(row) for row in ledger.rows(schema)] == [tuple(row) for row in empty.rows(schema)]
        assert ledger.one("PRAGMA foreign_key_check") is None
        assert ledger.one("PRAGMA integrity_check") == "ok"
        for row in ledger.rows(f"SELECT id, {RECORD} FROM pictures"):
            assert (row["id"], recorded(row).key) == (picture_id(row["source"], row["key"]), row["key"])
            assert recorded(row).artist == row["artist"]
        assert all((tmp_path / "made" / row["file"]).is_file() for row in ledger.rows("SELECT file FROM faces"))
        kept = [tuple(row) for row in ledger.rows("SELECT * FROM spellings")]
        ledger.put(KEPT, "of another form")
        keep_spellings(ledger)
        assert [tuple(row) for row in ledger.rows("SELECT * FROM spellings")] == kept
        assert len(kept) == 4 * 60
