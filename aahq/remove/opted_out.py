"""Artists who opt out later: their works are rejected, and go from the disk and from every release of the build.

Unlike a removal this leaves the pictures' rows, so that they are known and not fetched again; nothing is shown of them, and
no release names them. Killed at any moment, the next command on the folder ends it.
"""

from __future__ import annotations

from collections.abc import Iterator

from aahq.consent.optouts import OptOuts
from aahq.ledger import RECORD, Ledger, recorded
from aahq.remove.forget import delete_orphans, forget_drawn, forget_tiles, overwrite_deleted, owe_sweep
from aahq.remove.releases import locate, owed, refuse_broken, take_out
from aahq.remove.tombstones import TOMBSTONES, Tombstones
from suite.terminal import say

REASON, UNDER_WAY = "opted_out", "opted out, under way"


def drop_opted_out(ledger: Ledger, optouts: OptOuts, stage: str) -> int:
    """Reject what the opt-out list, as it is now, names among the pictures of earlier runs; returns how many.

    Args:
        ledger: the build's ledger, locked by the caller.
        optouts: the list.
        stage: whose rejection it is.

    Raises:
        SuiteError: a release holds files of the person's own, so that it could not be rewritten; nothing has changed.
    """
    blocked = list(_blocked(ledger, optouts))
    if not blocked:
        return 0
    refuse_broken(locate(ledger), {id for id, _ in blocked})
    with ledger.transaction():
        for id, why in blocked:
            reject(ledger, id, stage, why)
        ledger.put(UNDER_WAY, [id for id, _ in blocked])
    finish_opt_outs(ledger)
    return len(blocked)


def reject(ledger: Ledger, id: str, stage: str, why: str, reason: str = REASON) -> None:
    """Reject one picture and give up its file and its faces; inside a transaction. `delete_orphans` must follow."""
    ledger.reject("pictures", id, stage, reason, why)
    ledger.update("pictures", id, file=None)
    # A face that is not there cannot be kept by what a person once decided about it.
    ledger.db.execute("DELETE FROM faces WHERE picture = ?", (id,))
    owe_sweep(ledger)


def finish_opt_outs(ledger: Ledger) -> None:
    """Take what is rejected from the disk and from the releases; does nothing where nothing is under way."""
    ids = ledger.get(UNDER_WAY)
    if ids is None:
        return
    delete_orphans(ledger)
    forget_drawn(ledger)
    forget_tiles(ledger.folder, ids)
    take_out(ledger, set(ids), Tombstones.read(ledger.folder / TOMBSTONES))
    for place in owed(ledger):
        say(f"note: {place}: no release there now; works whose artists opted out are in it until it is back", err=True)
    with ledger.transaction():
        ledger.db.execute("DELETE FROM meta WHERE name = ?", (UNDER_WAY,))
    overwrite_deleted(ledger)


def _blocked(ledger: Ledger, optouts: OptOuts) -> Iterator[tuple[str, str]]:
    if optouts.path is None:
        return
    # Folders of before kept the files of those who had opted out.
    query = (
        f"SELECT id, {RECORD}, response_sha256, pixel_sha256 FROM pictures "
        "WHERE state != 'found' AND (reason != ? OR file IS NOT NULL)"
    )
    for row in ledger.db.execute(query, (REASON,)):
        digests = [digest for digest in (row["response_sha256"], row["pixel_sha256"]) if digest]
        if why := optouts.blocks(recorded(row), digests):
            yield row["id"], why
