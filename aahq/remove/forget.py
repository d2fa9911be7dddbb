"""Delete rows from the ledger and the files that no row names any more; safe to be killed at any moment."""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from aahq.consent.optouts import OptOuts
from aahq.ledger import RECORD, Ledger, recorded
from aahq.own import FACES, PICTURES, REPORT, content_files, is_report
from aahq.remove.tombstones import TOMBSTONES, Tombstones
from suite.ownership import real

PENDING, REPORTS = "sweep pending", "reports"
_TILE = re.compile(r"[A-Za-z0-9]+-\d{2}-[0-9a-f]+\.jpg")
# Where `aahq.review.pictures` keeps them, which needs more libraries than a removal.
TILES = Path("review", "tiles")


def with_tombstones(folder: Path, optouts: Path | None) -> OptOuts:
    """A build's opt-outs: the person's list, and what was taken out of the folder."""
    buried = Tombstones.read(folder / TOMBSTONES)
    return OptOuts(optouts, buried if buried else None)


def add_tombstones(ledger: Ledger, id: str, tombstones: Tombstones) -> None:
    """Add a picture's addresses, digests and hashes, and those of its faces, to the tombstones."""
    row = ledger.db.execute(
        f"SELECT {RECORD}, response_sha256, pixel_sha256, phash FROM pictures WHERE id = ?", (id,)
    ).fetchone()
    if row is None:
        return
    tombstones.add_candidate(recorded(row))
    for digest in (row["response_sha256"], row["pixel_sha256"]):
        tombstones.add("sha256", digest or "")
    tombstones.add_picture(row["phash"])
    for face in ledger.rows("SELECT sha256, pixel_sha256, phash, phash_mirror FROM faces WHERE picture = ?", (id,)):
        for digest in (face["sha256"], face["pixel_sha256"]):
            tombstones.add("sha256", digest or "")
        tombstones.add_face(face["phash"])
        tombstones.add_face(face["phash_mirror"])


def drop_rows(ledger: Ledger, ids: Iterable[str]) -> None:
    """Delete pictures with their faces; inside a transaction. `delete_orphans` must follow, and follows after a kill too."""
    for id in ids:
        gone = ledger.db.execute("DELETE FROM pictures WHERE id = ? RETURNING key", (id,)).fetchone()
        if gone is not None:
            # A folder's cursor is the name of its last file.
            ledger.db.execute("UPDATE cursors SET cursor = NULL WHERE cursor = ?", (gone["key"],))
    ledger.put(PENDING, True)


def drop_reappeared(ledger: Ledger, ids: list[str], tombstones: Tombstones) -> None:
    """Forget works that came back under another address, which gets its tombstone too; outside of a transaction.

    Only at the end of a stage: a file that is being written has no row yet.
    """
    if not ids:
        return
    for id in ids:
        add_tombstones(ledger, id, tombstones)
    tombstones.write(ledger.folder / TOMBSTONES)
    with ledger.transaction():
        drop_rows(ledger, ids)
    forget_tiles(ledger.folder, ids)
    delete_orphans(ledger)
    vacuum(ledger)


def forget_tiles(folder: Path, ids: Iterable[str]) -> None:
    """Remove the review page's small pictures of these pictures' faces."""
    for id in ids:
        for tile in (folder / TILES / id[:2]).glob(f"{id}-*"):
            if _TILE.fullmatch(tile.name):
                tile.unlink(missing_ok=True)


def remember_report(ledger: Ledger, path: Path) -> None:
    """Keep where a report was drawn: it shows pictures."""
    ledger.put(REPORTS, sorted({*(ledger.get(REPORTS) or ()), str(real(path))}))


def forget_drawn(ledger: Ledger) -> None:
    """Remove the pages that were drawn from pictures; they are drawn again when asked for."""
    for path in {str(ledger.folder / REPORT), *(ledger.get(REPORTS) or ())}:
        with suppress(OSError):
            if is_report(Path(path)):
                Path(path).unlink()


def delete_orphans(ledger: Ledger) -> int:
    """Remove the build's files that no row names; returns how many. `vacuum` is to follow.

    Does nothing unless rows were dropped since the last sweep.
    """
    if not ledger.get(PENDING):
        return 0
    removed = 0
    for kind in (PICTURES, FACES):
        for path in content_files(ledger.folder, kind):
            # By the index over `file`: a folder may hold a million.
            if not ledger.one(f"SELECT 1 FROM {kind} WHERE file = ?", (path.relative_to(ledger.folder).as_posix(),)):
                path.unlink(missing_ok=True)
                removed += 1
    with ledger.transaction():
        ledger.db.execute("DELETE FROM meta WHERE name = ?", (PENDING,))
    return removed


def vacuum(ledger: Ledger) -> None:
    """Write the database anew: SQLite leaves deleted text in free pages and in its log."""
    ledger.db.execute("VACUUM")
    ledger.db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
