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
from aahq.reasons import Refusal, guarded
from aahq.remove.forget import returned, sweep
from aahq.remove.opted_out import REASON as OPTED_OUT
from aahq.remove.opted_out import reject as reject_opted_out
from aahq.remove.tombstones import Tombstones
from aahq.stages.engine import BATCH, Engine, Tally, run_batches, stage_run
from suite.files import canonical_json

NAME = "screen"
Task = tuple[str, str]
Result = tuple[str, dict[str, Any] | Refusal]


def run(ledger: Ledger, engine: Engine, optouts: OptOuts) -> Tally:
    """Screen every fetched picture; the opt-out list may name pixels, which are known from here on."""
    batches = (
        [(row["id"], row["file"]) for row in rows] for rows in ledger.pending("pictures", "fetched", "id, file", BATCH)
    )
    with stage_run(ledger, NAME, ledger.count("pictures", "fetched"), "pictures") as (tally, step):
        buried = optouts.tombstones

        came_back: list[str] = []

        def commit(results: list[Result]) -> None:
            back = [id for id, found in results if buried is not None and _is_back(buried, found)]
            came_back.extend(back)
            for _ in back:
                tally.drop("removed")
            with ledger.transaction():
                for id, found in results:
                    if id in back:
                        continue
                    if not isinstance(found, Refusal):
                        found = _blocked(ledger, optouts, id, found["pixel_sha256"]) or found
                    if isinstance(found, Refusal) and found.reason == OPTED_OUT:
                        reject_opted_out(ledger, id, NAME, found.detail)
                        tally.drop(found.reason)
                    elif isinstance(found, Refusal):
                        ledger.reject("pictures", id, NAME, found.reason, found.detail, found.trace)
                        tally.drop(found.reason)
                    else:
                        ledger.update("pictures", id, state="screened", **found)
                        tally.keep()
            step(len(results))

        run_batches(engine, batches, partial(_work, ledger.folder), commit, _died)
        if buried is not None:
            returned(ledger, came_back, buried)
        sweep(ledger)
    return tally


def _is_back(buried: Tombstones, found: dict[str, Any] | Refusal) -> bool:
    """Whether the picture was taken out, and is back in another file or another size."""
    if isinstance(found, Refusal):
        return False
    return buried.holds((found["pixel_sha256"],)) or buried.near_picture(found["phash"])


def _blocked(ledger: Ledger, optouts: OptOuts, id: str, pixels: str) -> Refusal | None:
    if optouts.path is None:
        return None
    candidate = Candidate.from_json(ledger.one("SELECT candidate FROM pictures WHERE id = ?", (id,)))
    why = optouts.blocks(candidate, (pixels,))
    return None if why is None else Refusal(OPTED_OUT, why)


def _work(folder: Path, tasks: list[Task]) -> list[Result]:
    return [(id, guarded(_measure, folder / file)) for id, file in tasks]


def _measure(file: Path) -> dict[str, Any]:
    seen = decode.canonical(file)
    height, width = seen.rgb.shape[:2]
    return {
        "width": width,
        "height": height,
        "pixel_sha256": pixel_sha256(seen.rgb),
        "phash": phash_hex(phash64(seen.rgb)),
        "notes": canonical_json(seen.notes),
    }


def _died(task: Task, refusal: Refusal) -> list[Result]:
    return [(task[0], refusal)]
