"""Delete rows from the ledger and the files that no row names any more; safe to be killed at any moment."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from aahq.consent.optouts import OptOuts
from aahq.ledger import RECORD, Ledger, recorded
from aahq.own import FACES, PICTURES, REPORT, content_files, is_report
from aahq.remove import scrub
from aahq.remove.tombstones import TOMBSTONES, Tombstones
from suite.ownership import real

PENDING, REPORTS = "sweep pending", "reports"
# Whether files may lie in the folder that no row ever named: a process was killed, or a row failed after its file was written.
STRAY = "stray files"
# Whether all that was ever deleted from the ledger was overwritten at once, but for copies; and whether these are to go.
OVERWRITTEN, OVERDUE = "deleted is overwritten", "copies of deleted to be overwritten"
# Bytes of a ledger from which overwriting takes seconds.
LARGE = 1 << 28
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
    owe_sweep(ledger)


def owe_sweep(ledger: Ledger) -> None:
    """Note that rows lost files, and that what they held is to be overwritten; inside their transaction."""
    ledger.put(PENDING, True)
    ledger.put(OVERDUE, True)


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
        # What was written for the row before it was known again has no name yet.
        ledger.put(STRAY, True)
    forget_tiles(ledger.folder, ids)
    delete_orphans(ledger)
    overwrite_deleted(ledger)


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
    """Remove the build's files that no row names; returns how many. `overwrite_deleted` is to follow.

    Does nothing unless rows were dropped since the last sweep. Looks at the files that a row named once; through the whole
    folder only where files may lie that no row ever named.
    """
    if not ledger.get(PENDING):
        return 0
    removed = 0
    for file in [row["file"] for row in ledger.rows("SELECT file FROM unnamed_files")]:
        removed += _remove_unnamed(ledger, ledger.folder / file, file)
    if ledger.get(STRAY):
        for kind in (PICTURES, FACES):
            for path in content_files(ledger.folder, kind):
                removed += _remove_unnamed(ledger, path, path.relative_to(ledger.folder).as_posix())
    with ledger.transaction():
        ledger.db.execute("DELETE FROM unnamed_files")
        ledger.db.execute("DELETE FROM meta WHERE name IN (?, ?)", (PENDING, STRAY))
    return removed


def _remove_unnamed(ledger: Ledger, path: Path, file: str) -> int:
    """Remove a file unless a row names it, which the indexes over `file` say."""
    if any(ledger.one(f"SELECT 1 FROM {kind} WHERE file = ?", (file,)) for kind in (PICTURES, FACES)):
        return 0
    try:
        path.unlink()
    except FileNotFoundError:
        return 0
    return 1


def overwrite_deleted(ledger: Ledger) -> None:
    """Let nothing of deleted rows be left in the ledger's file or in its log; outside of a transaction.

    What another program's reading prevents is done by the next command on the folder.
    """
    if not ledger.get(OVERWRITTEN):
        # Rows were deleted before the ledger was told to overwrite them.
        _write_anew(ledger)
        ledger.put(OVERWRITTEN, True)
    if _empty_log(ledger):
        with ledger.transaction():
            # A process of its own: see there. Alone, so that it needs nothing of this program.
            command = [sys.executable, "-I", "-S", scrub.__file__, str(ledger.path)]
            done = subprocess.run(command, capture_output=True, check=False)
        if done.returncode:
            _write_anew(ledger)
        ledger.db.execute("DELETE FROM meta WHERE name = ?", (OVERDUE,))


def overwrite_beforehand(ledger: Ledger) -> None:
    """What a removal would overwrite in a large ledger is overwritten at the end of a build, where nobody waits for it."""
    if ledger.path.stat().st_size >= LARGE:
        overwrite_deleted(ledger)


def _write_anew(ledger: Ledger) -> None:
    ledger.db.execute("VACUUM")
    _empty_log(ledger)


def _empty_log(ledger: Ledger) -> bool:
    """Fold the log into the file, and cut it; False where another program reads what is in it."""
    busy, _, _ = ledger.db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    return not busy
