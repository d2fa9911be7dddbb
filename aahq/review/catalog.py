"""What there is to review: every aligned face, and every picture in which no face was found.

The ledger's indexes give the names of all of them in order; rows are read of those alone that somebody looks at, so that
the page of a million opens at once.
"""

from __future__ import annotations

import sqlite3
import sys
import threading
from collections import Counter, OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from aahq.ledger import LEDGER, Ledger, column_json, face_id
from aahq.web.addresses import page_link

# In the order in which they are shown: what needs a person comes first.
BUCKETS = ("borderline", "no face", "kept", "rejected", "duplicate", "unfinished")
UNFINISHED = ("found", "aligned", "unique")
SCORES = ("sharpness", "quad_side", "blockiness", "brightness", "contrast", "yaw", "pitch", "outside")
# Digits of a content's digest in a tile's address.
STAMP = 12
_NO_FACE = "state = 'rejected' AND stage = 'faces' AND file IS NOT NULL AND width IS NOT NULL"
# A row that review moved is shown as it was judged before people spoke.
_FACES = (
    "SELECT f.id, f.file, f.sha256, f.quality, f.landmarks, f.box, f.detector, p.file AS picture_file, p.source, "
    "p.title, p.artist, p.license, p.page_url, p.width, p.height, "
    "CASE WHEN f.stage = 'review' THEN b.state ELSE f.state END AS state, "
    "CASE WHEN f.stage = 'review' THEN b.stage ELSE f.stage END AS stage, "
    "CASE WHEN f.stage = 'review' THEN b.reason ELSE f.reason END AS reason, "
    "CASE WHEN f.stage = 'review' THEN b.detail ELSE f.detail END AS detail, "
    "CASE WHEN f.stage = 'review' THEN b.flag ELSE f.flag END AS flag "
    "FROM faces f JOIN pictures p ON p.id = f.picture LEFT JOIN before_review b ON b.id = f.id "
    "WHERE f.file IS NOT NULL AND f.sha256 IS NOT NULL AND "
)
_FACELESS = (
    "SELECT id AS picture, file, pixel_sha256, source, title, artist, license, page_url, width, height, reason, detail "
    f"FROM pictures WHERE {_NO_FACE} AND "
)
# By indexes alone, too. What review moved has no flag any more.
_FLAGGED = (
    "SELECT id, state, '' AS reason, '' AS detail, flag FROM faces INDEXED BY faces_flagged "
    "WHERE state = 'kept' AND flag != ''"
)
_REVIEWED = (
    "SELECT f.id, b.state, b.reason, '' AS detail, b.flag FROM faces f LEFT JOIN before_review b ON b.id = f.id "
    "WHERE f.stage = 'review'"
)
# Rows at a time, and rows held that somebody looked at.
PAGE, HELD = 200, 4000


@dataclass(frozen=True, slots=True)
class Item:
    """One tile.

    Attributes:
        id: the face's name, or the name that the first face of a faceless picture would have.
        bucket: one of `BUCKETS`.
        reason, detail: why the stages flagged or dropped it.
        shown: file of the tile, relative to the build's folder; `stamp` changes with its content.
        picture: file of the whole picture.
        row: the ledger's columns.
    """

    id: str
    bucket: str
    reason: str
    detail: str
    shown: str
    stamp: str
    picture: str
    source: str
    row: sqlite3.Row

    @property
    def facts(self) -> dict[str, Any]:
        """What the detail view says about it."""
        row = self.row
        names = ("title", "artist", "license", "width", "height")
        face = self.bucket != "no face"
        return {
            **{name: row[name] for name in names},
            "page_url": page_link(row["page_url"]),
            "detector": row["detector"] if face else "",
            "landmarks": column_json(row["landmarks"], []) if face else [],
            "box": column_json(row["box"], []) if face else [],
        }

    @property
    def scores(self) -> dict[str, float]:
        """Those of `SCORES` that it has."""
        quality = {} if self.bucket == "no face" else column_json(self.row["quality"], {})
        return {name: value for name in SCORES if (value := _rounded(quality.get(name))) is not None}


class Catalog:
    """The items of a build, in the order in which they are shown: by bucket, then by name. Threads may share it.

    Attributes:
        ids: their names.
        counts: bucket -> how many are in it, those that hold something, in order.
    """

    def __init__(self, out: Path, buckets: dict[str, list[str]], judged: dict[str, tuple[str, str]]) -> None:
        self.out = out
        self.ids = [id for bucket in BUCKETS for id in buckets[bucket]]
        self.counts = {bucket: len(buckets[bucket]) for bucket in BUCKETS if buckets[bucket]}
        self._buckets, self._judged = buckets, judged
        self._held: OrderedDict[str, Item] = OrderedDict()
        self._scores: tuple[str, dict[str, float]] = ("", {})
        self._lock = threading.Lock()

    @classmethod
    def read(cls, out: Path) -> Catalog:
        """List what is in the ledger of a build's folder."""
        with Ledger(out) as ledger:
            # Faces whose bucket is not their state, and what they were judged.
            judged = {row["id"]: _judged(row)[:2] for sql in (_FLAGGED, _REVIEWED) for row in ledger.rows(sql)}
            fileless = {row["id"] for row in ledger.rows("SELECT id FROM faces WHERE file IS NULL OR sha256 IS NULL")}
            elsewhere = judged.keys() | fileless
            # A million plain tuples take half the time of named rows.
            plain = ledger.db.cursor()
            plain.row_factory = None
            buckets: dict[str, list[str]] = {bucket: [] for bucket in BUCKETS}
            for state in ("kept", "rejected", "duplicate", *UNFINISHED):
                # By the index alone.
                found = plain.execute("SELECT id FROM faces WHERE state = ? ORDER BY id", (state,))
                listed = buckets["unfinished" if state in UNFINISHED else state]
                listed += [id for (id,) in found if id not in elsewhere] if elsewhere else [id for (id,) in found]
            for id, (bucket, _) in judged.items():
                if id not in fileless:
                    buckets[bucket].append(id)
            faceless = ledger.rows(
                f"SELECT id FROM pictures INDEXED BY pictures_without_face WHERE {_NO_FACE} ORDER BY id"
            )
            buckets["no face"] = [face_id(row["id"], 0) for row in faceless]
        for bucket in BUCKETS:
            buckets[bucket].sort()
        return cls(out, buckets, judged)

    @property
    def items(self) -> Iterator[Item]:
        """All of them, read on the way."""
        for first in range(0, len(self.ids), PAGE):
            yield from self.page(self.ids[first : first + PAGE])

    def page(self, ids: Sequence[str]) -> list[Item]:
        """The items of these names, in that order, without those that are no longer there."""
        with self._lock:
            found = {id: self._held[id] for id in ids if id in self._held}
        if missing := [id for id in ids if id not in found]:
            for first in range(0, len(missing), PAGE):
                found |= {item.id: item for item in self._read(missing[first : first + PAGE])}
            with self._lock:
                for id in ids:
                    if id in found:
                        self._held[id] = found[id]
                        self._held.move_to_end(id)
                while len(self._held) > HELD:
                    self._held.popitem(last=False)
        return [found[id] for id in ids if id in found]

    def item(self, id: str) -> Item | None:
        """The item of that name."""
        return next(iter(self.page([id])), None)

    def bucket(self, name: str) -> list[str]:
        """The names in a bucket, in order."""
        return self._buckets.get(name, [])

    @cached_property
    def reasons(self) -> dict[str, str]:
        """The reason of each item that has one, computed when it is first asked for."""
        out: dict[str, str] = {}
        with closing(self._connect()) as db:
            for state in ("kept", "rejected", "duplicate"):
                for id, reason in db.execute("SELECT id, reason FROM faces WHERE state = ? AND reason != ''", (state,)):
                    out[id] = sys.intern(reason)
            for id, reason in db.execute(f"SELECT id, reason FROM pictures WHERE {_NO_FACE}"):
                out[face_id(id, 0)] = sys.intern(reason)
        return out | {id: reason for id, (_, reason) in self._judged.items()}

    @cached_property
    def sources(self) -> tuple[str, dict[str, str]]:
        """The source of most pictures, and the source of each picture of another one."""
        with closing(self._connect()) as db:
            counts = dict(db.execute("SELECT source, count(*) FROM pictures GROUP BY source"))
            most = max(sorted(counts), key=counts.__getitem__, default="")
            others = db.execute("SELECT id, source FROM pictures WHERE source != ?", (most,))
            return most, {id: sys.intern(source) for id, source in others}

    def source(self, id: str) -> str:
        """The source of an item's picture."""
        most, others = self.sources
        return others.get(id.rpartition("-")[0], most)

    def words(self) -> dict[str, dict[str, int]]:
        """column -> word -> how many items have it."""
        reasons = Counter(self.reasons.get(id, "") for id in self.ids)
        most, others = self.sources
        sources = Counter(map(self.source, self.ids)) if others else {most: len(self.ids)}
        return {"reason": dict(sorted(reasons.items())), "source": dict(sorted(sources.items()))}

    def scores(self, name: str) -> dict[str, float]:
        """One of `SCORES`, of each item that has it; reads every row, and keeps the last one that was asked for."""
        if self._scores[0] != name:
            with closing(self._connect()) as db:
                db.create_function(
                    "score", 1, lambda text: _rounded(column_json(text, {}).get(name)), deterministic=True
                )
                rows = db.execute("SELECT id, score(quality) AS value FROM faces WHERE quality IS NOT NULL")
                self._scores = name, {id: value for id, value in rows if value is not None}
        return self._scores[1]

    def _connect(self) -> sqlite3.Connection:
        """A connection of this thread's own."""
        return sqlite3.connect(f"{(self.out / LEDGER).absolute().as_uri()}?mode=ro", uri=True)

    def _read(self, ids: list[str]) -> Iterator[Item]:
        marks = ",".join("?" * len(ids))
        with closing(self._connect()) as db:
            db.row_factory = sqlite3.Row
            faces = {row["id"]: row for row in db.execute(f"{_FACES} f.id IN ({marks})", ids)}
            yield from map(_face, faces.values())
            pictures = [id.rpartition("-")[0] for id in ids if id not in faces and id.endswith("-00")]
            yield from map(_faceless, db.execute(f"{_FACELESS} id IN ({','.join('?' * len(pictures))})", pictures))


def _face(row: sqlite3.Row) -> Item:
    bucket, reason, detail = _judged(row)
    return Item(
        id=row["id"],
        bucket=bucket,
        reason=reason,
        detail=detail,
        shown=row["file"],
        stamp=row["sha256"][:STAMP],
        picture=row["picture_file"] or "",
        source=row["source"],
        row=row,
    )


def _judged(row: sqlite3.Row) -> tuple[str, str, str]:
    if row["state"] == "kept" and row["flag"]:
        reason, _, detail = row["flag"].partition(": ")
        return "borderline", reason, detail
    if row["state"] in ("kept", "rejected", "duplicate"):
        return row["state"], row["reason"], row["detail"]
    return "unfinished", "", "the build has not judged it yet"


def _faceless(row: sqlite3.Row) -> Item:
    return Item(
        id=face_id(row["picture"], 0),
        bucket="no face",
        reason=row["reason"],
        detail=row["detail"],
        shown=row["file"],
        stamp=(row["pixel_sha256"] or "")[:STAMP],
        picture=row["file"],
        source=row["source"],
        row=row,
    )


def _rounded(value: object) -> float | None:
    return float(f"{value:.4g}") if isinstance(value, int | float) else None
