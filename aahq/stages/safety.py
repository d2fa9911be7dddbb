"""Safety stage: the screens that the folder keeps look at every aligned face and its picture, once.

A score is kept with the digest of what gave it and of the pixels that it was given to, so that rows added later, and rows
whose pixels changed, are looked at too, and another limit needs no model. What a classifier finds is rejected, face by face,
and comes back where screens or limits change. What a list of hashes names leaves the folder and its releases, as an opt-out
does, and is named in nothing that is handed on.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from aahq.images import decode
from aahq.ledger import Ledger
from aahq.reasons import Rejection, guarded
from aahq.release.store import decode_png
from aahq.remove.opted_out import UNDER_WAY, finish_opt_outs, reject
from aahq.safety.classifier import Classifier
from aahq.safety.hash_lists import HashList
from aahq.safety.screens import HashScreen, ModelScreen, Screen, keep_screens, kept_screens
from aahq.stages.dedup import TAKES_PART
from aahq.stages.engine import BATCH, Engine, StageStats, run_batches, stage_run
from suite.files import digest

NAME = "safety"
UNSAFE, LISTED = "unsafe", "listed"
_JUDGED = "screens judged by"
# Pictures with a face that may be released, and those faces.
_SUBJECTS = {
    "picture": (
        "SELECT p.id, p.file, p.pixel_sha256 FROM pictures p WHERE p.id > ? AND EXISTS "
        f"(SELECT 1 FROM faces f WHERE f.picture = p.id AND {TAKES_PART}) ORDER BY p.id LIMIT ?"
    ),
    "face": f"SELECT f.id, f.file, f.pixel_sha256 FROM faces f WHERE f.id > ? AND {TAKES_PART} ORDER BY f.id LIMIT ?",
}
_FACES = (
    f"SELECT f.id, f.picture, f.pixel_sha256 AS face_pixels, p.pixel_sha256 AS picture_pixels "
    f"FROM faces f JOIN pictures p ON p.id = f.picture WHERE {TAKES_PART} ORDER BY f.id"
)
# A row and what is to be measured of it: id, file, pixels' digest, names of screens.
Task = dict[str, Any]
Answers = list[tuple[Task, dict[str, float] | Rejection]]


def choose_screens(ledger: Ledger, screens: Mapping[str, Screen]) -> None:
    """Look through these from here on; none at all turns every screen off.

    Raises:
        SuiteError: a file is gone, another one, or does not do what its settings say; nothing has changed then.
    """
    for name, screen in screens.items():
        open_screen(name, screen)
    keep_screens(ledger, screens)


def open_screen(name: str, screen: Screen) -> Classifier | HashList:
    """A screen's model or list, loaded and tried."""
    return Classifier(name, screen) if isinstance(screen, ModelScreen) else HashList(name, screen)


def run(ledger: Ledger, engine: Engine) -> StageStats:
    """Measure what is not measured yet, then judge everything.

    Raises:
        SuiteError: a model or list that is needed is gone or another file.
    """
    screens = kept_screens(ledger)
    _offer_again(ledger, screens)
    total = ledger.one(f"SELECT count(*) FROM faces f WHERE {TAKES_PART}") if screens else 0
    with stage_run(ledger, NAME, total, "faces") as (stats, step):
        if screens:
            for subject in _SUBJECTS:
                _measure(ledger, engine, subject, {name: one for name, one in screens.items() if one.on == subject})
            _judge(ledger, screens, stats)
            step(stats.rows)
        stats.notes["screens"] = len(screens)
    return stats


def _offer_again(ledger: Ledger, screens: Mapping[str, Screen]) -> None:
    """Faces that other screens, or other limits, refused are judged anew."""
    now = digest({name: screen.model_dump(mode="json") for name, screen in screens.items()}) if screens else ""
    if (ledger.get(_JUDGED) or "") == now:
        return
    with ledger.transaction():
        ledger.db.execute(
            "UPDATE faces SET state = 'aligned', stage = '', reason = '', detail = '' "
            "WHERE state = 'rejected' AND stage = ?",
            (NAME,),
        )
        ledger.put(_JUDGED, now)


def _measure(ledger: Ledger, engine: Engine, subject: str, screens: Mapping[str, Screen]) -> None:
    if not screens:
        return
    work = partial(_work, ledger.folder, subject, dict(screens))
    keys = {name: screen.score_key() for name, screen in screens.items()}

    def commit(answers: Answers) -> None:
        with ledger.transaction():
            for task, scores in answers:
                if isinstance(scores, Rejection):
                    _refuse(ledger, subject, task["id"], scores)
                    continue
                ledger.db.executemany(
                    "INSERT OR REPLACE INTO screen_scores VALUES (?, ?, ?, ?, ?)",
                    [(task["id"], name, keys[name], task["pixels"], score) for name, score in scores.items()],
                )

    def died(task: Task, refusal: Rejection) -> Answers:
        return [(task, refusal)]

    run_batches(engine, _pending(ledger, subject, keys), work, commit, died)


def _pending(ledger: Ledger, subject: str, keys: Mapping[str, str]) -> Iterator[list[Task]]:
    last = ""
    while rows := ledger.db.execute(_SUBJECTS[subject], (last, BATCH)).fetchall():
        last = rows[-1]["id"]
        tasks = [
            {"id": row["id"], "file": row["file"], "pixels": row["pixel_sha256"], "screens": missing}
            for row in rows
            if (missing := _missing(ledger, row["id"], row["pixel_sha256"], keys))
        ]
        if tasks:
            yield tasks


def _missing(ledger: Ledger, id: str, pixels: str, keys: Mapping[str, str]) -> list[str]:
    scores = _scores(ledger, id, pixels, keys)
    return [name for name in keys if name not in scores]


def _scores(ledger: Ledger, id: str, pixels: str, keys: Mapping[str, str]) -> dict[str, float]:
    """The scores of a row that still hold, by screen."""
    rows = ledger.rows("SELECT screen, method, pixel_sha256, score FROM screen_scores WHERE id = ?", (id,))
    return {
        row["screen"]: row["score"]
        for row in rows
        if keys.get(row["screen"]) == row["method"] and row["pixel_sha256"] == pixels
    }


def _work(folder: Path, subject: str, screens: dict[str, Screen], tasks: list[Task]) -> Answers:
    return [(task, guarded(_score, folder, subject, screens, task)) for task in tasks]


def _score(folder: Path, subject: str, screens: dict[str, Screen], task: Task) -> dict[str, float]:
    path = folder / task["file"]
    rgb = decode.canonical(path).rgb if subject == "picture" else decode_png(path.read_bytes())
    return {name: _opened(name, screens[name]).score(rgb) for name in task["screens"]}


@lru_cache(maxsize=16)
def _opened(name: str, screen: Screen) -> Classifier | HashList:
    """Loaded once a worker."""
    return open_screen(name, screen)


def _refuse(ledger: Ledger, subject: str, id: str, why: Rejection) -> None:
    """A row that could not be looked at is not taken; inside a transaction."""
    column = "picture" if subject == "picture" else "id"
    for face in ledger.db.execute(f"SELECT id FROM faces f WHERE {column} = ? AND {TAKES_PART}", (id,)).fetchall():
        ledger.reject("faces", face["id"], NAME, why.reason, why.detail, why.trace)


def _judge(ledger: Ledger, screens: Mapping[str, Screen], stats: StageStats) -> None:
    keys = {name: screen.score_key() for name, screen in screens.items()}
    listed: dict[str, str] = {}
    with ledger.transaction():
        for row in ledger.db.execute(_FACES).fetchall():
            verdict = _verdict(screens, _row_scores(ledger, row, keys))
            if verdict is None:
                stats.keep()
                continue
            stats.drop(verdict.reason)
            if verdict.reason == LISTED:
                listed[row["picture"]] = verdict.detail
            else:
                ledger.reject("faces", row["id"], NAME, verdict.reason, verdict.detail)
        for picture, why in listed.items():
            reject(ledger, picture, NAME, why, LISTED)
        if listed:
            ledger.put(UNDER_WAY, [*(ledger.get(UNDER_WAY) or ()), *listed])
    finish_opt_outs(ledger)


def _row_scores(ledger: Ledger, row: sqlite3.Row, keys: Mapping[str, str]) -> dict[str, float]:
    return {
        **_scores(ledger, row["picture"], row["picture_pixels"], keys),
        **_scores(ledger, row["id"], row["face_pixels"], keys),
    }


def _verdict(screens: Mapping[str, Screen], scores: Mapping[str, float]) -> Rejection | None:
    """The lists first: what they name leaves no face to another screen."""
    for name, screen in screens.items():
        if isinstance(screen, HashScreen) and name in scores and scores[name] <= screen.distance:
            return Rejection(LISTED, f"{name}: {scores[name]:g} bits from a hash of the list, limit {screen.distance}")
    for name, screen in screens.items():
        if isinstance(screen, ModelScreen) and name in scores and scores[name] >= screen.reject:
            return Rejection(UNSAFE, f"{name} {scores[name]:.3g} >= {screen.reject:g}")
    return None


def coverage(ledger: Ledger, faces: list[str]) -> dict[str, dict[str, Any]]:
    """What each screen did for these faces, as `release.json` tells it: see `aahq/release/cards/screens.py`.

    Returns:
        Screen -> "sha256", the limit, "on", "refused" (faces of the folder; a list's are told nowhere) and "not_run" (ids
        of the given faces that it did not look at).
    """
    screens = kept_screens(ledger)
    keys = {name: screen.score_key() for name, screen in screens.items()}
    wanted = set(faces)
    missing: dict[str, list[str]] = {name: [] for name in screens}
    for row in ledger.rows(_FACES) if screens else ():
        if row["id"] in wanted:
            scores = _row_scores(ledger, row, keys)
            for name in screens:
                if name not in scores:
                    missing[name].append(row["id"])
    refused = Counter(
        row["detail"].partition(" ")[0]
        for row in ledger.rows("SELECT detail FROM faces WHERE stage = ? AND reason = ?", (NAME, UNSAFE))
    )
    out: dict[str, dict[str, Any]] = {}
    for name, screen in screens.items():
        facts: dict[str, Any] = {"sha256": screen.sha256.lower(), "on": screen.on, "not_run": missing[name]}
        if isinstance(screen, ModelScreen):
            facts |= {"form": "classifier", "reject": screen.reject, "refused": refused[name]}
        else:
            facts |= {"form": screen.algorithm, "distance": screen.distance}
        out[name] = facts
    return out
