"""Lookup: am I in it? By name, address, digest or picture; also whether it was there and was taken out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from aahq.candidates import Candidate
from aahq.images import decode
from aahq.images.hashes import hamming, phash64, pixel_sha256
from aahq.ledger import LEDGER, Ledger, recorded
from aahq.reasons import Rejected
from aahq.release.schema import MANIFEST
from aahq.release.tables import read_rows
from aahq.remove.shrink import find_release
from aahq.remove.tombstones import FACE_DISTANCE, PICTURE_DISTANCE, REMOVALS, TOMBSTONES, Tombstones
from aahq.web.addresses import AddressPattern, address_key, address_keys, name_key
from suite.errors import SuiteError
from suite.files import sha256_file


@dataclass(frozen=True)
class Question:
    """What is asked for; a row answers where any of these names it.

    Attributes:
        artists: names, in any spelling; also display names where a ledger is asked.
        urls: page or picture addresses.
        digests: hex SHA-256 of a file, of pixels or of an aligned face.
        phashes: perceptual hashes of whole pictures (also tried on aligned faces).
    """

    artists: tuple[str, ...] = ()
    urls: tuple[str, ...] = ()
    digests: tuple[str, ...] = ()
    phashes: tuple[int, ...] = ()


@dataclass(frozen=True)
class Match:
    """One row that answers: its id, what became of it (`released`, or a state of the ledger), where it is, and why."""

    id: str
    state: str
    artist: str
    title: str
    page_url: str
    license: str
    how: str


@dataclass
class Answer:
    """All of it.

    Attributes:
        where: the folder asked.
        matches: rows that are there.
        removed: whether what was asked for was there once and was taken out on request.
    """

    where: str
    matches: list[Match] = field(default_factory=list)
    removed: bool = False

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return {**asdict(self), "found": bool(self.matches)}


def picture_question(path: Path) -> Question:
    """What a picture asks: its bytes, its pixels, and what it and its mirror image look like.

    Raises:
        SuiteError: the file is no picture that could be in a release.
    """
    try:
        rgb = decode.canonical(path).rgb
        digest = sha256_file(path)
    except (Rejected, OSError) as error:
        raise SuiteError(f"--image {path}: {error}; expected a picture") from None
    mirror = np.ascontiguousarray(rgb[:, ::-1])
    return Question(digests=(digest, pixel_sha256(rgb)), phashes=(phash64(rgb), phash64(mirror)))


def lookup(folder: Path, question: Question) -> Answer:
    """Ask a build's folder (its whole ledger) or a release (its manifest).

    Raises:
        SuiteError: there is neither.
    """
    if (folder / LEDGER).is_file():
        answer, stones = Answer(str(folder)), folder / TOMBSTONES
        with Ledger(folder) as ledger:
            answer.matches += _matches(_ledger_rows(ledger), question)
    else:
        root = find_release(folder)
        answer, stones = Answer(str(root)), root / REMOVALS
        answer.matches += _matches(({**row, "state": "released"} for row in read_rows(root / MANIFEST)), question)
    answer.removed = _was_removed(Tombstones.read(stones), question)
    return answer


_ROWS = (
    "SELECT coalesce(f.id, p.id) AS id, coalesce(f.state, p.state) AS state, p.source, p.key, p.artist, p.title, p.page_url, "
    "p.image_url, p.candidate, p.license, coalesce(f.reason, p.reason) AS reason, p.response_sha256, "
    "p.pixel_sha256 AS source_pixel_sha256, "
    "p.phash AS source_phash, f.sha256, f.pixel_sha256, f.phash FROM pictures p LEFT JOIN faces f ON f.picture = p.id "
    "ORDER BY 1"
)


def _ledger_rows(ledger: Ledger) -> Iterator[dict[str, Any]]:
    for row in ledger.rows(_ROWS):
        state = row["state"] + (f" ({row['reason']})" if row["reason"] else "")
        yield {**dict(row), "state": state}


def _matches(rows: Iterable[dict[str, Any]], question: Question) -> Iterator[Match]:
    artists = {name_key(name) for name in question.artists} - {""}
    urls = {key for url in question.urls for key in AddressPattern(address_key(url), False).keys}
    digests = {digest.lower() for digest in question.digests}
    for row in rows:
        if how := _how(row, artists, urls, digests, question.phashes):
            yield Match(row["id"], row["state"], row["artist"], row["title"], row["page_url"], row["license"], how)


def _how(row: dict[str, Any], artists: set[str], urls: set[str], digests: set[str], phashes: Iterable[int]) -> str:
    candidate = _candidate(row)
    if artists & candidate.artist_keys:
        return "artist"
    if urls and any(urls.intersection(address_keys(url)) for url in (*candidate.places, row["image_url"])):
        return "address"
    named = ("response_sha256", "source_pixel_sha256", "sha256", "pixel_sha256")
    for name in named:
        if row[name] in digests:
            return f"same {name}"
    for asked in phashes:
        for name, most in (("source_phash", PICTURE_DISTANCE), ("phash", FACE_DISTANCE)):
            if row[name] and (distance := hamming(asked, int(row[name], 16))) <= most:
                return f"looks alike ({distance} of 64 bits differ in {name})"
    return ""


def _candidate(row: dict[str, Any]) -> Candidate:
    if "candidate" in row:
        return recorded(row)
    return Candidate(row["source"], row["key"], row["page_url"] or None, (), row["artist"] or None)


def _was_removed(buried: Tombstones, question: Question) -> bool:
    return (
        any(buried.has_artist(name) for name in question.artists)
        or any(buried.has_address(url) for url in question.urls)
        or buried.holds(digest.lower() for digest in question.digests)
        or any(buried.near_picture(f"{value:016x}") or buried.near_face(f"{value:016x}") for value in question.phashes)
    )
