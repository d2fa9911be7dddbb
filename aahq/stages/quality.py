"""Quality stage: `unique` faces become `kept` or `rejected`; a rejected keeper's best copy stands in for it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import groupby
from operator import itemgetter
from pathlib import Path

from aahq.ledger import Ledger
from aahq.quality import Scores, Thresholds, Verdict, judge, load_thresholds, parse_thresholds
from aahq.reasons import Rejection, guarded
from aahq.stages.dedup import QUAD_SIDE, TAKES_PART
from aahq.stages.engine import StageStats, stage_run
from suite.files import TOML_MAX, read_text

NAME, THRESHOLDS = "quality", "thresholds"
# The faces of the next clusters, best first. By name of the index: going by states, each query would sort all the rest.
_MORE = f"FROM faces f INDEXED BY faces_by_cluster WHERE {TAKES_PART} AND cluster > :last"
_NEXT = (
    f"SELECT cluster, id, quality {_MORE} AND cluster <= "
    f"(SELECT max(cluster) FROM (SELECT DISTINCT cluster {_MORE} ORDER BY cluster LIMIT 256)) "
    f"ORDER BY cluster, keeper DESC, {QUAD_SIDE} DESC, id"
)


def run(ledger: Ledger, thresholds: Path | None = None) -> StageStats:
    """Judge every cluster's keeper, and while it fails the next best copy; one transaction.

    Args:
        ledger: the build's ledger.
        thresholds: a file in the shape of `aahq/quality.toml`, kept for later runs; what an earlier run kept where None,
            else the shipped one.
    """
    if thresholds is not None:
        load_thresholds(thresholds)
        ledger.put(THRESHOLDS, read_text(thresholds, TOML_MAX))
    limits = kept_thresholds(ledger)
    total = int(ledger.one(f"SELECT count(*) FROM faces f WHERE {TAKES_PART} AND f.keeper = 1"))
    with stage_run(ledger, NAME, total, "faces") as (stats, step), ledger.transaction():
        for members in _clusters(ledger):
            _settle(ledger, members, limits, stats)
            step(1)
    return stats


def kept_thresholds(ledger: Ledger) -> Thresholds:
    """What the folder's faces are judged by: the thresholds that it was given last, else the shipped ones."""
    text = ledger.get(THRESHOLDS)
    return load_thresholds() if text is None else parse_thresholds(text, "kept by the folder")


def forget_thresholds(ledger: Ledger) -> None:
    """Judge by the shipped thresholds from here on."""
    ledger.db.execute("DELETE FROM meta WHERE name = ?", (THRESHOLDS,))


def _clusters(ledger: Ledger) -> Iterator[list[tuple[str, str]]]:
    """(id, quality) of each cluster's faces, best first."""
    last = ""
    # Some clusters at a time, each read whole before it is written: a cursor over rows that change may see them twice.
    while rows := ledger.db.execute(_NEXT, {"last": last}).fetchall():
        last = rows[-1]["cluster"]
        for _, members in groupby(rows, key=itemgetter("cluster")):
            yield [(row["id"], row["quality"]) for row in members]


def _settle(ledger: Ledger, members: list[tuple[str, str]], limits: Thresholds, stats: StageStats) -> None:
    kept = ""
    for number, (id, scores) in enumerate(members):
        if kept:
            why = ledger.one("SELECT why FROM faces WHERE id = ?", (id,))
            detail = f"of {kept}: {why}" if why else f"of {kept}"
            ledger.update("faces", id, state="duplicate", stage="dedup", reason="duplicate", detail=detail, flag="")
            continue
        verdict = guarded(_judged, scores, limits)
        if isinstance(verdict, Rejection):
            ledger.reject("faces", id, NAME, verdict.reason, verdict.detail, verdict.trace)
            stats.drop(verdict.reason)
            continue
        if verdict is not None and verdict.level == "reject":
            ledger.reject("faces", id, NAME, verdict.reason, verdict.detail)
            stats.drop(verdict.reason)
            continue
        kept = id
        ledger.update("faces", id, state="kept", stage="", reason="", detail="", flag=_flag(verdict))
        stats.keep()
        if number:
            stats.notes["stood in"] = stats.notes.get("stood in", 0) + 1
        if verdict is not None:
            stats.notes["flagged for review"] = stats.notes.get("flagged for review", 0) + 1


def _judged(scores: str, limits: Thresholds) -> Verdict | None:
    return judge(Scores(**json.loads(scores)), limits)


def _flag(verdict: Verdict | None) -> str:
    return "" if verdict is None else f"{verdict.reason}: {verdict.detail}"
