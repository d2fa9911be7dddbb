"""What became of a picture, a work or a face, stage by stage, with the evidence and the numbers; read from the ledger."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

import pyarrow.parquet as pq

from aahq.ledger import Ledger, column_json
from aahq.reasons import REASONS
from aahq.release.schema import MANIFEST
from aahq.remove.lookup import Question, lookup
from aahq.remove.releases import DEFAULT, RELEASES
from aahq.review.log import read_log
from aahq.stages.quality import kept_thresholds
from suite.errors import SuiteError
from suite.ownership import real

PICTURE_STAGES = ("crawl", "screen", "faces")
FACE_STAGES = ("align", "safety", "dedup", "quality")
# state -> how many of its stages the row has passed
_PICTURES_PASSED = {"found": 0, "fetched": 1, "screened": 2, "faced": 3}
_FACES_PASSED = {"found": 0, "aligned": 1, "unique": 3, "kept": 4}


@dataclass(frozen=True)
class Step:
    """One stage.

    Attributes:
        stage: its name.
        outcome: "passed", "dropped" or "waiting".
        reason, detail: why it was dropped (`reason` is a key of `REASONS`), or what a person said.
        facts: what the stage measured.
        evidence: of consent, one entry per check: {"check", "url", "value", "time"}.
        traceback: where the program failed on the row.
    """

    stage: str
    outcome: str
    reason: str = ""
    detail: str = ""
    facts: dict[str, Any] = field(default_factory=dict)
    evidence: list[dict[str, Any]] = field(default_factory=list)
    traceback: str = ""


@dataclass(frozen=True)
class FaceHistory:
    """A face: its id, its state in the ledger, and its steps."""

    id: str
    state: str
    steps: list[Step]


@dataclass(frozen=True)
class PictureHistory:
    """A picture, its steps, and the histories of its faces."""

    id: str
    state: str
    source: str
    key: str
    artist: str
    title: str
    page_url: str
    steps: list[Step]
    faces: list[FaceHistory]

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return asdict(self)


def explain(ledger: Ledger, key: str) -> list[PictureHistory]:
    """The histories of everything that `key` names, by rising id.

    Args:
        ledger: the build's ledger; it is only read.
        key: a picture's or face's id, a picture's or work's key at its source, an address, or a SHA-256.

    Raises:
        SuiteError: exit code 1; nothing has that name, or it was taken out on request.
    """
    ids, face = _find(ledger, key)
    if not ids:
        removed = lookup(ledger.folder, _question(key)).removed
        what = "was taken out on request" if removed else "no picture, work or face has that id, key, address or digest"
        raise SuiteError(
            f"KEY {key}: {what}; 'aahq lookup {ledger.folder} --artist NAME' finds works by their artist", 1
        )
    rows = (ledger.db.execute("SELECT * FROM pictures WHERE id = ?", (id,)).fetchone() for id in ids)
    return [_picture(ledger, row, face) for row in rows]


def _find(ledger: Ledger, key: str) -> tuple[list[str], str | None]:
    """Ids of the pictures that are named, and the one face where a face is named."""
    if picture := ledger.one("SELECT picture FROM faces WHERE id = ?", (key,)):
        return [picture], key
    # A work of several pictures has keys `<work>/<picture>`; '0' is the character after '/'.
    named = (
        "SELECT id FROM pictures WHERE id = :key OR key = :key OR (key > :key || '/' AND key < :key || '0') ORDER BY id"
    )
    if ids := [row["id"] for row in ledger.db.execute(named, {"key": key.rstrip("/")})]:
        return ids, None
    matches = lookup(ledger.folder, _question(key)).matches
    return sorted({re.sub(r"-\d{2}\Z", "", match.id) for match in matches}), None


def _question(key: str) -> Question:
    return Question(urls=(key,)) if "://" in key else Question(digests=(key,))


def _picture(ledger: Ledger, row: sqlite3.Row, face: str | None) -> PictureHistory:
    faces = ledger.db.execute("SELECT * FROM faces WHERE picture = ? ORDER BY number", (row["id"],)).fetchall()
    facts = {
        "crawl": _columns_of(row, "image_url", "fetched_at", "bytes", "response_sha256", "license"),
        "screen": _columns_of(row, "width", "height", "pixel_sha256", "phash", "notes"),
        "faces": {"faces": len(faces)},
    }
    steps = list(_steps(ledger, row, PICTURE_STAGES, _PICTURES_PASSED, facts))
    histories = [_face(ledger, each) for each in faces if face in (None, each["id"])]
    named = {name: row[name] for name in ("id", "state", "source", "key", "artist", "title", "page_url")}
    return PictureHistory(**named, steps=steps, faces=histories)


def _face(ledger: Ledger, row: sqlite3.Row) -> FaceHistory:
    detection = _columns_of(row, "detector", "score", "box", "inter_ocular", "yaw", "pitch", "roll")
    others = ledger.db.execute("SELECT id, state FROM faces WHERE cluster = ? AND id != ?", (row["cluster"], row["id"]))
    facts = {
        "align": _columns_of(row, "recipe", "size", "file", "sha256"),
        "safety": _screened(ledger, row),
        "dedup": {**_columns_of(row, "cluster", "split"), "others": {other["id"]: other["state"] for other in others}},
        "quality": {**column_json(row["quality"], {}), "limits": _limits(ledger)} if row["quality"] else {},
    }
    steps = [Step("faces", "passed", facts=detection), *_steps(ledger, row, FACE_STAGES, _FACES_PASSED, facts)]
    if row["flag"]:
        steps.append(Step("review", "waiting", detail=f"flagged: {row['flag']}"))
    steps += _reviews(ledger, row)
    if row["state"] == "kept":
        releases = _releases(ledger, row["id"])
        steps += [Step("release", "passed", facts=place) for place in releases] or [Step("release", "waiting")]
    return FaceHistory(row["id"], row["state"], steps)


def _screened(ledger: Ledger, row: sqlite3.Row) -> dict[str, float]:
    """What each screen said of the face or of its picture."""
    scores = "SELECT screen, score FROM screen_scores WHERE id IN (?, ?) ORDER BY screen"
    return {each["screen"]: each["score"] for each in ledger.rows(scores, (row["id"], row["picture"]))}


def _limits(ledger: Ledger) -> dict[str, float]:
    """What the scores are judged by: "reject sharpness_min" -> 0.06."""
    kept = kept_thresholds(ledger)
    return {f"{level} {name}": limit for level, limits in vars(kept).items() for name, limit in limits.items()}


def _steps(
    ledger: Ledger, row: sqlite3.Row, stages: tuple[str, ...], passed: dict[str, int], facts: dict[str, dict[str, Any]]
) -> Iterator[Step]:
    """The stages that the row has come through, and the one that dropped it or that it waits for."""
    state, by = row["state"], row["stage"]
    dropped = state in ("rejected", "duplicate")
    if dropped:
        # What a person dropped, and what opted out after it was fetched, has no stage of its own here.
        reached = stages.index(by) if by in stages else sum(bool(_reached(facts[stage])) for stage in stages)
    else:
        reached = passed[state]
    for stage in stages[:reached]:
        yield Step(stage, "passed", facts=facts[stage], evidence=_evidence(row, stage))
    if dropped:
        trace = ledger.one("SELECT traceback FROM faults WHERE id = ? AND stage = ?", (row["id"], by)) or ""
        numbers = facts.get(by, {})
        yield Step(by, "dropped", row["reason"], row["detail"], numbers, _evidence(row, by), trace)
    elif reached < len(stages):
        yield Step(stages[reached], "waiting")


def _reached(facts: dict[str, Any]) -> bool:
    return any(value for value in facts.values())


def _evidence(row: sqlite3.Row, stage: str) -> list[dict[str, Any]]:
    checks = column_json(row["consent"], []) if stage == "crawl" else []
    return [check for check in checks if isinstance(check, dict) and {"check", "value", "url"} <= check.keys()]


def _reviews(ledger: Ledger, row: sqlite3.Row) -> Iterator[Step]:
    """What people decided about the face, and what settles it."""
    log = read_log(ledger.folder)
    lines = [*log.words().get(row["id"], {}).values()]
    settled = log.settled().get(row["id"])
    for line in [*lines, *([settled] if settled else [])]:
        outcome = "passed" if line.act == "keep" else "dropped"
        facts = {"reviewer": line.reviewer, "time": line.time, **({"settles": True} if line.settle else {})}
        yield Step("review", outcome, detail=f"{line.act} {line.reason}".strip(), facts=facts)


def _releases(ledger: Ledger, id: str) -> Iterator[dict[str, Any]]:
    """Where the releases of this build hold the face."""
    for root in sorted({real(ledger.folder / name) for name in (DEFAULT, *(ledger.get(RELEASES) or ()))}):
        if (root / MANIFEST).is_file():
            table = pq.read_table(root / MANIFEST, columns=["id", "file", "split"], filters=[("id", "=", id)])
            for row in table.to_pylist():
                yield {"release": str(root), "file": row["file"], "split": row["split"]}


def _columns_of(row: sqlite3.Row, *names: str) -> dict[str, Any]:
    return {name: row[name] for name in names if row[name] not in (None, "")}


def as_text(history: PictureHistory) -> str:
    """A picture's history for people: a line per stage, its evidence and numbers below it."""
    about = ", ".join(part for part in (history.title, history.artist, history.page_url) if part)
    lines = [f"picture {history.id}  {history.source} {history.key}" + (f"  ({about})" if about else "")]
    for step in history.steps:
        lines += _lines(step)
    for face in history.faces:
        lines += ["", f"face {face.id}  {face.state}"]
        for step in face.steps:
            lines += _lines(step)
    return "\n".join(lines)


def _lines(step: Step) -> Iterator[str]:
    meaning = REASONS[step.reason].text if step.reason in REASONS else "no known reason"
    why = f"{step.reason} ({meaning})" if step.reason else ""
    yield f"  {step.stage:8} {step.outcome:8} {': '.join(part for part in (why, step.detail) if part)}".rstrip()
    for entry in step.evidence:
        yield f"           {entry['check']}: {entry['value']}" + (f"  {entry['url']}" if entry["url"] else "")
    if step.facts:
        yield "           " + ", ".join(f"{name} {_number(value)}" for name, value in step.facts.items() if value != {})
    if step.traceback:
        yield f"           {step.traceback.strip().splitlines()[-1]} (--json shows the whole traceback)"


def _number(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, dict):
        return "; ".join(f"{name} {_number(each)}" for name, each in value.items())
    return str(value)
