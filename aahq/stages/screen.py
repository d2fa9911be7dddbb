"""Screen stage: `fetched` pictures become `screened`, with size and hashes of their canonical pixels."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from aahq.candidates import Candidate
from aahq.consent.optouts import OptOuts
from aahq.images import decode
from aahq.images.hashes import phash64, phash_hex, pixel_sha256
from aahq.ledger import Ledger
from aahq.reasons import Rejection, guarded
from aahq.stages.engine import BATCH, Engine, StageStats
from aahq.stages.rows import Answers, Task, run_rows
from suite.files import canonical_json

NAME = "screen"


def run(ledger: Ledger, engine: Engine, optouts: OptOuts) -> StageStats:
    """Screen every fetched picture; the opt-out list may name pixels, which are known from here on."""
    batches = ledger.pending("pictures", "fetched", "id, file", BATCH)
    total, work = ledger.count("pictures", "fetched"), partial(_work, ledger.folder)
    accept = partial(_accept, ledger, optouts)
    return run_rows(ledger, engine, NAME, "pictures", total, batches, work, accept, optouts.tombstones)


def _accept(ledger: Ledger, optouts: OptOuts, id: str, measured: dict[str, Any]) -> Rejection | None:
    pixels, tombstones = measured["pixel_sha256"], optouts.tombstones
    if tombstones is not None and (tombstones.holds((pixels,)) or tombstones.near_picture(measured["phash"])):
        # Taken out, and back in another file or another size.
        return Rejection("removed", "")
    if optouts.path is not None:
        candidate = Candidate.from_json(ledger.one("SELECT candidate FROM pictures WHERE id = ?", (id,)))
        if why := optouts.blocks(candidate, (pixels,)):
            return Rejection("opted_out", why)
    ledger.update("pictures", id, state="screened", **measured)
    return None


def _work(folder: Path, tasks: list[Task]) -> Answers[dict[str, Any]]:
    return [(task["id"], guarded(_measure, folder / task["file"])) for task in tasks]


def _measure(file: Path) -> dict[str, Any]:
    picture = decode.canonical(file)
    height, width = picture.rgb.shape[:2]
    return {
        "width": width,
        "height": height,
        "pixel_sha256": pixel_sha256(picture.rgb),
        "phash": phash_hex(phash64(picture.rgb)),
        "notes": canonical_json(picture.notes),
    }
