"""Review stage: what people decided moves rows, and is taken back from rows where it no longer holds.

What a row was before stands in `before_review` and `before_points`, so that an undone decision leaves no trace and the
stage may run any number of times. A row that an earlier stage judged anew since is no longer marked with this stage.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from aahq.ledger import Ledger, face_id
from aahq.review.agreement import Ruling, rulings
from aahq.review.log import DROP_REASONS, read_log
from aahq.review.points import check_points, face_columns
from aahq.stages.engine import StageStats, stage_run
from suite.errors import SuiteError

NAME = "review"
STATE = ("state", "stage", "reason", "detail", "flag")
PLACE = ("box", "landmarks", "detector", "score", "inter_ocular", "yaw", "pitch", "roll")
NO_FACE = ("rejected", "faces", "no_face", "no detector found a face; a person may place one")


def run(ledger: Ledger, judge_again: Callable[[], object]) -> StageStats:
    """Bring the ledger to what the log of decisions says.

    Args:
        ledger: the build's ledger, after quality.
        judge_again: runs align, safety, dedup and quality; called where points that a person placed (or took back) made faces
            to align.
    """
    ruled = rulings(read_log(ledger.folder))
    with ledger.transaction():
        _restore(ledger)
        moved = _place(ledger, ruled)
    if moved or ledger.count("faces", "found"):
        judge_again()
    with stage_run(ledger, NAME, len(ruled), "faces") as (stats, step), ledger.transaction():
        if moved:
            stats.notes["points placed or taken back"] = moved
        for id, ruling in ruled.items():
            _rule(ledger, id, ruling, ruled, stats)
            step(1)
    return stats


def _restore(ledger: Ledger) -> None:
    columns = ", ".join(f"{name} = b.{name}" for name in STATE)
    ledger.db.execute(
        f"UPDATE faces SET {columns} FROM before_review b WHERE b.id = faces.id AND faces.stage = ?", (NAME,)
    )
    ledger.db.execute("DELETE FROM before_review")


def _place(ledger: Ledger, ruled: dict[str, Ruling]) -> int:
    """Give faces the points that people placed, and back the finder's where they no longer hold; how many changed."""
    moved = 0
    for row in ledger.db.execute("SELECT * FROM before_points").fetchall():
        if row["id"] in ruled and ruled[row["id"]].points is not None:
            continue
        ledger.db.execute("DELETE FROM before_points WHERE id = ?", (row["id"],))
        if row["made"]:
            picture = ledger.one("SELECT picture FROM faces WHERE id = ?", (row["id"],))
            ledger.db.execute("DELETE FROM faces WHERE id = ?", (row["id"],))
            state, stage, reason, detail = NO_FACE
            ledger.update("pictures", picture, state=state, stage=stage, reason=reason, detail=detail)
        else:
            ledger.update("faces", row["id"], state="found", stage="", **{name: row[name] for name in PLACE})
        moved += 1
    for id, ruling in ruled.items():
        if ruling.points is not None:
            moved += _place_one(ledger, id, np.asarray(ruling.points))
    return moved


def _place_one(ledger: Ledger, id: str, points: np.ndarray) -> int:
    picture = id.rpartition("-")[0]
    of = ledger.db.execute("SELECT state, reason, width, height FROM pictures WHERE id = ?", (picture,)).fetchone()
    if of is None or of["width"] is None:
        return 0
    try:
        columns = face_columns(check_points(points, of["width"], of["height"]))
    except SuiteError as error:
        raise SuiteError(f"review: {id}: {error}; place them again on the page", 1) from None
    face = ledger.db.execute("SELECT * FROM faces WHERE id = ?", (id,)).fetchone()
    if face is None:
        if of["reason"] != "no_face" or id != face_id(picture, 0):
            return 0
        ledger.insert("faces", {"id": id, "picture": picture, "number": 0, **columns})
        ledger.update("pictures", picture, state="faced", stage="", reason="", detail="")
        ledger.insert("before_points", {"id": id, "made": 1})
        return 1
    if face["landmarks"] == columns["landmarks"]:
        return 0
    ledger.insert("before_points", {"id": id, "made": 0, **{name: face[name] for name in PLACE}})
    ledger.update("faces", id, state="found", stage="", reason="", detail="", flag="", **columns)
    return 1


def _rule(ledger: Ledger, id: str, ruling: Ruling, ruled: dict[str, Ruling], stats: StageStats) -> None:
    row = ledger.db.execute(f"SELECT {', '.join(STATE)}, cluster FROM faces WHERE id = ?", (id,)).fetchone()
    if row is None:
        return
    if ruling.verdict == "keep":
        if row["stage"] not in ("", "quality", "dedup"):
            return
        if row["stage"] == "quality":
            _stand_back(ledger, id, row["cluster"], ruled)
        _move(ledger, id, state="kept", reason="", detail="a person keeps it", flag="")
        stats.keep()
    elif row["state"] == "kept":
        # Who decided stays in the log: the table of rejects is handed on.
        if ruling.verdict == "drop":
            reason, detail = "reviewer", DROP_REASONS[ruling.line.reason]
        else:
            reason, detail = "reviewers_disagree", "settle it with 'aahq review'"
        _move(ledger, id, state="rejected", reason=reason, detail=detail, flag="")
        stats.drop(reason)


def _stand_back(ledger: Ledger, id: str, cluster: str, ruled: dict[str, Ruling]) -> None:
    """A copy that stood in for the face, unless a person keeps it too, is a copy again."""
    for row in ledger.db.execute("SELECT id FROM faces WHERE cluster = ? AND state = 'kept'", (cluster,)).fetchall():
        if row["id"] not in ruled or ruled[row["id"]].verdict != "keep":
            _move(ledger, row["id"], state="duplicate", reason="duplicate", detail=f"of {id}", flag="")


def _move(ledger: Ledger, id: str, **values: str) -> None:
    columns = ", ".join(STATE)
    ledger.db.execute(f"INSERT OR IGNORE INTO before_review SELECT id, {columns} FROM faces WHERE id = ?", (id,))
    ledger.update("faces", id, stage=NAME, **values)
