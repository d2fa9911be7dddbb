"""What there is to review: every aligned face, and every picture in which no face was found; read from the ledger."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from aahq.ledger import Ledger, column_json, face_id

# In the order in which they are shown: what needs a person comes first.
BUCKETS = ("borderline", "no face", "kept", "rejected", "duplicate", "unfinished")
SCORES = ("sharpness", "quad_side", "blockiness", "brightness", "contrast", "yaw", "pitch", "outside")
# Digits of a content's digest in a tile's address.
STAMP = 12
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
    "WHERE f.file IS NOT NULL AND f.sha256 IS NOT NULL ORDER BY f.id"
)
_FACELESS = (
    "SELECT id AS picture, file, pixel_sha256, source, title, artist, license, page_url, width, height, reason, detail "
    "FROM pictures WHERE state = 'rejected' AND stage = 'faces' AND file IS NOT NULL AND width IS NOT NULL ORDER BY id"
)


@dataclass(frozen=True, slots=True)
class Item:
    """One tile.

    Attributes:
        id: the face's name, or the name that the first face of a faceless picture would have.
        bucket: one of `BUCKETS`.
        reason, detail: why the stages flagged or dropped it.
        shown: file of the tile, relative to the build's folder; `stamp` changes with its content.
        picture: file of the whole picture.
        row: the ledger's columns, read further only for the one that somebody looks at: a page of many thousands opens soon.
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
            "page_url": _link(row["page_url"]),
            "detector": row["detector"] if face else "",
            "landmarks": column_json(row["landmarks"], []) if face else [],
            "box": column_json(row["box"], []) if face else [],
        }

    @property
    def scores(self) -> tuple[float | None, ...]:
        """A value for each of `SCORES`, None where there is none."""
        if self.bucket == "no face":
            return (None,) * len(SCORES)
        quality = column_json(self.row["quality"], {})
        return tuple(_rounded(quality.get(name)) for name in SCORES)


class Catalog:
    """The items of a build, in the order in which they are shown."""

    def __init__(self, items: list[Item]) -> None:
        self.items = sorted(items, key=lambda item: (BUCKETS.index(item.bucket), item.id))
        self.by_id = {item.id: item for item in self.items}

    @classmethod
    def read(cls, out: Path) -> Catalog:
        """Read the ledger of a build's folder."""
        with Ledger(out) as ledger:
            return cls([*_faces(ledger), *_faceless(ledger)])

    def columns(self) -> dict[str, Any]:
        """The tiles for the page, a list a column, words as numbers into lists of words: short to send and to read.

        `stamps` are the items' stamps after each other, `STAMP` letters each.
        """
        buckets, reasons, sources = _Codes(), _Codes(), _Codes()
        rows = self.items
        return {
            "id": [item.id for item in rows],
            "stamps": "".join(item.stamp.ljust(STAMP, "0") for item in rows),
            "bucket": [buckets.of(item.bucket) for item in rows],
            "reason": [reasons.of(item.reason) for item in rows],
            "source": [sources.of(item.source) for item in rows],
            "words": {"bucket": buckets.words, "reason": reasons.words, "source": sources.words},
        }

    def scores(self) -> dict[str, list[float | None]]:
        """score -> a value an item, None where there is none."""
        rows = [item.scores for item in self.items]
        return {name: [row[n] for row in rows] for n, name in enumerate(SCORES)}


class _Codes:
    def __init__(self) -> None:
        self.words: list[str] = []
        self._of: dict[str, int] = {}

    def of(self, word: str) -> int:
        if word not in self._of:
            self._of[word] = len(self.words)
            self.words.append(word)
        return self._of[word]


def _faces(ledger: Ledger) -> Iterator[Item]:
    for row in ledger.rows(_FACES):
        bucket, reason, detail = _judged(row)
        yield Item(
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


def _faceless(ledger: Ledger) -> Iterator[Item]:
    for row in ledger.rows(_FACELESS):
        yield Item(
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


def _link(url: str) -> str:
    """The address where it is one for people; a hostile record's `javascript:` is none."""
    try:
        return url if urlsplit(url).scheme in ("http", "https") else ""
    except ValueError:
        return ""


def _rounded(value: object) -> float | None:
    return float(f"{value:.4g}") if isinstance(value, int | float) else None
