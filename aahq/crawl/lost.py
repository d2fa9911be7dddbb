"""Fetched pictures that the disk lost or cut are offered again, with the faces that were found on them."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from aahq.ledger import Ledger
from suite.files import sha256_file


def offer_lost(ledger: Ledger) -> int:
    """Make pictures `found` again whose file is gone or no longer what it was; returns how many.

    What people decided about their faces holds again once the faces are back.
    """
    faces = ledger.rows("SELECT picture, file FROM faces WHERE file IS NOT NULL")
    faceless = {row["picture"] for row in faces if not (ledger.folder / row["file"]).is_file()}
    rows = ledger.rows("SELECT id, file, bytes, response_sha256 FROM pictures WHERE file IS NOT NULL")
    lost = [row["id"] for row in rows if not _whole(ledger.folder, row, row["id"] in faceless)]
    with ledger.transaction():
        for id in lost:
            ledger.db.execute("DELETE FROM faces WHERE picture = ?", (id,))
            ledger.update("pictures", id, state="found", stage="", reason="", detail="", file=None)
    return len(lost)


def _whole(folder: Path, row: sqlite3.Row, read: bool) -> bool:
    """Whether a picture's file is what it was: by its size, as reading all would take hours; by its digest to be sure."""
    path = folder / row["file"]
    try:
        return path.stat().st_size == row["bytes"] and (not read or sha256_file(path) == row["response_sha256"])
    except OSError:
        return False
