"""Takedown: remove works from ledger, files and releases; a killed removal is finished by the next command.

First the intent is written down in the ledger; then, each step doing nothing where it is done already: tombstones, rows,
files, the review's lines, the releases that were written from this folder (`aahq.remove.releases`). The next command on
the folder ends what a killed one began.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aahq.ledger import RECORD, Ledger, recorded
from aahq.remove.forget import (
    OVERDUE,
    PENDING,
    add_tombstones,
    delete_orphans,
    drop_rows,
    forget_drawn,
    forget_tiles,
    overwrite_deleted,
)
from aahq.remove.releases import locate, owed, refuse_broken, settle_owed, take_out
from aahq.remove.spellings import keep_spellings, pictures_spelt
from aahq.remove.tombstones import TOMBSTONES, Tombstones
from aahq.web.addresses import AddressPattern, address_pattern, name_key
from suite.errors import SuiteError
from suite.files import whole_file

INTENT = "removal"
# A face in a line of the review's log.
_LINE_ID = re.compile(rb'"id":"([A-Za-z0-9._-]{1,90})"')


@dataclass(frozen=True)
class Wanted:
    """What is to go; a picture goes where any of these names it.

    Attributes:
        artists: names as the source gives them, in any case.
        works: page addresses.
        urls: page or picture addresses; with `*` at the end, all that begin so (to a slash).
        pictures: ids of pictures or faces, or the picture's key at its source (a file's name in a folder).
        digests: hex SHA-256 of a file, of pixels or of an aligned face.
    """

    artists: tuple[str, ...] = ()
    works: tuple[str, ...] = ()
    urls: tuple[str, ...] = ()
    pictures: tuple[str, ...] = ()
    digests: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return any((self.artists, self.works, self.urls, self.pictures, self.digests))

    def stones(self) -> Iterator[tuple[str, str]]:
        """Tombstones that hold also for works that are not here yet."""
        yield from (("artist", name_key(name)) for name in self.artists)
        for entry in self.addresses():
            yield from [("under", entry.key)] if entry.prefix else (("address", key) for key in entry.keys)
        yield from (("sha256", digest.lower()) for digest in self.digests)

    def addresses(self) -> list[AddressPattern]:
        """What `works` and `urls` cover. Raises ValueError for an address that is none."""
        return [address_pattern(url) for url in (*self.works, *self.urls)]


@dataclass
class Removed:
    """What went: pictures that were named, copies of them, faces, files, and per release (folder, rows, new digest).

    `owed` are releases that were not found where they were written: they still hold it, until they are back.
    """

    named: list[str] = field(default_factory=list)
    copies: list[str] = field(default_factory=list)
    faces: int = 0
    files: int = 0
    releases: list[dict[str, Any]] = field(default_factory=list)
    owed: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return {**vars(self), "pictures": len(self.named) + len(self.copies)}


def check(wanted: Wanted) -> None:
    """Refuse what would take out nothing or everything by mistake.

    Raises:
        SuiteError: nothing is given, a value is empty, or a digest is none.
    """
    if not wanted:
        raise SuiteError("remove: nothing named; give --artist, --work, --url, --picture, --sha256 or --image")
    for flag, values in (("--artist", wanted.artists), ("--picture", wanted.pictures)):
        for value in values:
            if not name_key(value):
                raise SuiteError(f"{flag} {value!r}: empty; an unnamed artist is no artist")
    for url in (*wanted.works, *wanted.urls):
        try:
            prefix = address_pattern(url).prefix
        except ValueError:
            prefix = None
        # A part of a name, and a whole site by a slip, are refused.
        if prefix is None or prefix != url.endswith("/*"):
            raise SuiteError(f"--url {url!r}: expected a whole address, as https://host/page, or https://host/user/*")
    for digest in wanted.digests:
        if not re.fullmatch(r"[0-9a-fA-F]{64}", digest):
            raise SuiteError(f"--sha256 {digest!r}: expected 64 hex digits")


def find(ledger: Ledger, wanted: Wanted) -> tuple[list[str], list[str]]:
    """Ids of the pictures that are named, and of those that dedup found to be copies of one of them."""
    keep_spellings(ledger)
    named = {id for id in _asked_for(ledger, wanted) if _is_named(ledger, id, wanted)} | _of_named_faces(ledger, wanted)
    return sorted(named), sorted(_copies(ledger, named))


def _asked_for(ledger: Ledger, wanted: Wanted) -> set[str]:
    """Ids of the pictures that may be meant, by the ledger's indexes; digests have none, so they cost a look at all rows."""
    texts = [*wanted.pictures, *(name_key(name) for name in wanted.artists)]
    ids = {*wanted.pictures, *pictures_spelt(ledger, texts, wanted.addresses())}
    if digests := [digest.lower() for digest in wanted.digests]:
        marks = ",".join("?" * len(digests))
        query = f"SELECT id FROM pictures WHERE response_sha256 IN ({marks}) OR pixel_sha256 IN ({marks})"
        ids |= {row["id"] for row in ledger.rows(query, (*digests, *digests))}
    return ids


def _is_named(ledger: Ledger, id: str, wanted: Wanted) -> bool:
    """Whether `wanted` names the picture itself."""
    query = f"SELECT id, {RECORD}, response_sha256, pixel_sha256 FROM pictures WHERE id = ?"
    row = ledger.db.execute(query, (id,)).fetchone()
    if row is None:
        return False
    candidate = recorded(row)
    return bool(
        candidate.artist_keys & {name_key(name) for name in wanted.artists}
        or {row["id"], row["key"]} & set(wanted.pictures)
        or any(entry.covers(url) for entry in wanted.addresses() for url in candidate.places)
        or {row["response_sha256"], row["pixel_sha256"]} & {digest.lower() for digest in wanted.digests}
    )


def _of_named_faces(ledger: Ledger, wanted: Wanted) -> set[str]:
    """Pictures with a face that `wanted` names by its id or by a digest."""
    out: set[str] = set()
    if wanted.pictures:
        marks = ",".join("?" * len(wanted.pictures))
        out |= {
            row["picture"] for row in ledger.rows(f"SELECT picture FROM faces WHERE id IN ({marks})", wanted.pictures)
        }
    if digests := [digest.lower() for digest in wanted.digests]:
        marks = ",".join("?" * len(digests))
        query = f"SELECT picture FROM faces WHERE sha256 IN ({marks}) OR pixel_sha256 IN ({marks})"
        out |= {row["picture"] for row in ledger.rows(query, (*digests, *digests))}
    return out


def _names_to_come(ledger: Ledger, wanted: Wanted) -> Iterator[tuple[str, str]]:
    """Tombstones for the pictures that are asked for by a name that nothing here has yet."""
    for name in wanted.pictures:
        ids = {name, *pictures_spelt(ledger, (name,), ())}
        known = any(ledger.one("SELECT 1 FROM pictures WHERE id = ? AND ? IN (id, key)", (id, name)) for id in ids)
        if not known and not ledger.one("SELECT 1 FROM faces WHERE id = ?", (name,)):
            yield from (("picture", value) for value in {name, re.sub(r"-\d{2}\Z", "", name)})


def _copies(ledger: Ledger, named: set[str]) -> set[str]:
    """Pictures with a face that dedup put into one cluster with a face that goes."""
    out: set[str] = set()
    for id in named:
        query = (
            "SELECT DISTINCT o.picture FROM faces f JOIN faces o ON o.cluster = f.cluster "
            "WHERE f.picture = ? AND f.cluster IS NOT NULL"
        )
        out |= {row["picture"] for row in ledger.rows(query, (id,))}
    return out - named


def remove(ledger: Ledger, wanted: Wanted) -> Removed:
    """Take out everything that `wanted` names; the caller holds the folder's lock.

    Raises:
        SuiteError: a release of this folder holds files of the person's own (nothing is removed then), or is broken.
    """
    finish_removal(ledger)
    named, copies = find(ledger, wanted)
    refuse_broken(locate(ledger), {*named, *copies})
    stones = [*wanted.stones(), *_names_to_come(ledger, wanted)]
    intent = {"named": named, "copies": copies, "stones": [list(stone) for stone in stones]}
    with ledger.transaction():
        ledger.put(INTENT, intent)
    return _carry_out(ledger, intent)


def finish_removal(ledger: Ledger) -> Removed | None:
    """End a removal that was killed, and those that a release missed while it was away; None where none was killed."""
    intent = ledger.get(INTENT)
    if intent is not None:
        return _carry_out(ledger, intent)
    settle_owed(ledger)
    if delete_orphans(ledger) or ledger.get(OVERDUE):
        overwrite_deleted(ledger)
    return None


def _carry_out(ledger: Ledger, intent: dict[str, Any]) -> Removed:
    done = Removed(intent["named"], intent["copies"])
    ids = [*done.named, *done.copies]
    tombstones = Tombstones.read(ledger.folder / TOMBSTONES)
    for kind, value in intent["stones"]:
        tombstones.add(kind, value)
    for id in ids:
        add_tombstones(ledger, id, tombstones)
        done.faces += int(ledger.one("SELECT count(*) FROM faces WHERE picture = ?", (id,)))
    tombstones.write(ledger.folder / TOMBSTONES)
    with ledger.transaction():
        drop_rows(ledger, ids)
    done.files = delete_orphans(ledger)
    forget_drawn(ledger)
    forget_tiles(ledger.folder, ids)
    _forget_decisions(ledger.folder, set(ids))
    done.releases = take_out(ledger, set(ids), tombstones)
    done.owed = owed(ledger)
    with ledger.transaction():
        ledger.db.execute("DELETE FROM meta WHERE name IN (?, ?)", (INTENT, PENDING))
    overwrite_deleted(ledger)
    return done


def _forget_decisions(folder: Path, ids: set[str]) -> None:
    """Lines of the review's log that name a removed face go, and those that took them back."""
    from aahq.review.log import log_path

    path = log_path(folder)
    if not path.is_file():
        return
    nonces: set[str] = set()
    # Beside it, and then in its place; a log may hold millions of lines.
    with whole_file(path) as part, path.open("rb") as lines, part.open("wb") as kept:
        for line in lines:
            # A torn line was never acknowledged, and may hold half a name.
            if line.rstrip(b"\n").endswith(b"}") and not _goes(line, ids, nonces):
                kept.write(line.rstrip(b"\n") + b"\n")


def _goes(line: bytes, ids: set[str], nonces: set[str]) -> bool:
    """Whether a line of the log names a removed face, or takes such a line back; `nonces` are the names of such lines."""
    named = _LINE_ID.search(line)
    if named and b'"undoes"' not in line:
        # Most lines; reading each as JSON takes ten times as long.
        id = named[1].decode()
        if id not in ids and id.rpartition("-")[0] not in ids:
            return False
    try:
        said = json.loads(line)
    except ValueError:
        return True
    id = str(said.get("id", ""))
    goes = id in ids or id.rpartition("-")[0] in ids or said.get("undoes") in nonces
    if goes:
        nonces.add(str(said.get("nonce", "")))
    return goes
