"""The releases that a build wrote, wherever they lie: what is taken out goes out of each, also of one that is away for now.

The ledger keeps where each was written. One that is not there, because it was moved or its disk is not mounted, is owed:
it is named, and the first command that finds it again takes out of it what was taken out meanwhile.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

from aahq.config import Layout
from aahq.folder import LOCK
from aahq.ledger import LEDGER, Ledger
from aahq.own import FACES, NOTES, PICTURES, REPORT, REVIEW
from aahq.release.own import IMAGES, claim_release, has_card, is_release, only_release_writer, own_files
from aahq.release.schema import MANIFEST, METADATA, REJECTS, SIGNATURE, SPLITS, UNFINISHED
from aahq.release.tables import read_rows
from aahq.remove.shrink import (
    SUPERSEDED,
    digest_of,
    extra_files,
    open_release,
    read_metadata,
    read_superseded,
    refuse_fixed,
    settle,
    shrink,
    superseded_json,
)
from aahq.remove.tombstones import TOMBSTONES, Tombstones
from suite.errors import SuiteError
from suite.files import write_whole
from suite.ownership import real, refuse_overlap
from suite.terminal import say

RELEASES, OWED, LAYOUTS, LAST = "releases", "releases owed a removal", "layouts", "*"
DEFAULT = "release"


@dataclass
class Releases:
    """Where a build's releases are.

    Attributes:
        found: folders of finished ones, behind all links.
        unfinished: folders in which one was being written; no manifest names what is in them.
        missing: places where there is none now.
    """

    found: list[Path] = field(default_factory=list)
    unfinished: list[Path] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)


def choose_layout(ledger: Ledger, folder: Path, given: dict[str, Any]) -> Layout:
    """How a release is to be laid out: as asked, else as it was the last time, else as the folder's last one was.

    A release that was made for handing on is not written again with pictures that may not be, unless somebody says so.
    """
    layouts = ledger.get(LAYOUTS) or {}
    before = layouts.get(_place(ledger, folder.absolute()))
    if before is None and has_card(folder / METADATA):
        # A folder of before: its release says how it was written.
        card = read_metadata(folder)
        before = {name: card[name] for name in ("form", "public", "shard_bytes", "quotas") if name in card}
    if before is None:
        before = layouts.get(LAST, {})
    return Layout(**{**before, **given})


@contextmanager
def remembered_release(ledger: Ledger, folder: Path, layout: Layout) -> Iterator[None]:
    """Keep where a release of the build is written, by name and behind its links, and how: a removal rewrites it there.

    Kept before the writing begins, so that what a killed writer leaves is known; not where nothing was begun.
    """
    was = ledger.get(RELEASES)
    places = {_place(ledger, folder.absolute()), _place(ledger, real(folder))}
    with ledger.transaction():
        ledger.put(RELEASES, sorted({*(was or ()), *places}))
        layouts = ledger.get(LAYOUTS) or {}
        ledger.put(LAYOUTS, {**layouts, LAST: vars(layout), **{place: vars(layout) for place in places}})
    try:
        yield
    except SuiteError:
        if not folder.exists():
            ledger.put(RELEASES, was or [])
        raise
    if owed := ledger.get(OWED):
        # Written anew from a ledger that lost the works already.
        ledger.put(OWED, sorted(set(owed) - places))


def _place(ledger: Ledger, folder: Path) -> str:
    """Relative to the build's folder where it lies in it, so that both may be moved together."""
    for home in (ledger.folder.absolute(), real(ledger.folder)):
        if folder.is_relative_to(home):
            return folder.relative_to(home).as_posix()
    return str(folder)


def written_places(ledger: Ledger) -> list[Path]:
    """What the build writes, behind all links: its own names where it began in a folder of the person's own, its releases."""
    own = (PICTURES, FACES, REVIEW, DEFAULT, REPORT, LEDGER, f"{LEDGER}-wal", f"{LEDGER}-shm", LOCK, *NOTES)
    names = [*own, *(ledger.get(RELEASES) or ())]
    return [real(ledger.folder), *sorted({real(ledger.folder / name) for name in names})]


def locate(ledger: Ledger) -> Releases:
    """Find the releases; what killed calls left of them is settled, so only for one who holds the build's folder."""
    out, written = Releases(), set(ledger.get(RELEASES) or ())
    for name in sorted(written | {DEFAULT}):
        place = real(ledger.folder / name)
        settle(place)
        if (place / MANIFEST).is_file() and is_release(place):
            out.found.append(place)
        elif (place / UNFINISHED).is_file():
            out.unfinished.append(place)
        elif name in written:
            out.missing.append(name)
    out.found, out.unfinished = sorted(set(out.found)), sorted(set(out.unfinished))
    # A link that is gone, or another name of the same place, is none that is missing.
    seen = {*out.found, *out.unfinished}
    missing = {real(ledger.folder / name): name for name in reversed(out.missing)}
    out.missing = sorted(name for place, name in missing.items() if place not in seen)
    return out


def refuse_release_place(ledger: Ledger, folder: Path) -> None:
    """Refuse a place for a release that lies in another one or in what the build keeps, or holds another build's release.

    Raises:
        SuiteError: naming both.
    """
    for name in {*(ledger.get(RELEASES) or ()), DEFAULT, PICTURES, FACES, REVIEW}:
        other = real(ledger.folder / name)
        if real(folder) != other or name in (PICTURES, FACES, REVIEW):
            refuse_overlap("--out", folder, "the build's own", other)
    claim_release("--out", folder)
    known = {real(ledger.folder / name) for name in (DEFAULT, *(ledger.get(RELEASES) or ()))}
    if is_release(folder) and real(folder) not in known:
        raise SuiteError(
            f"--out {folder}: holds a release that this build did not write; give a new or an empty folder"
        )


def refuse_broken(known: Releases, ids: set[str]) -> None:
    """Refuse, before anything is taken out, releases that hold some of it and could not be rewritten.

    Raises:
        SuiteError: one holds files of the person's own, is being changed, or cannot be put in its place.
    """
    with ExitStack() as stack:
        for root in known.found:
            if any(_affected(root, ids)):
                refuse_fixed(stack.enter_context(open_release(root)))


def take_out(ledger: Ledger, ids: set[str], tombstones: Tombstones) -> list[dict[str, Any]]:
    """Take the faces of pictures out of every release that is there; note the ones that are not."""
    known = locate(ledger)
    for root in known.unfinished:
        _clear(root)
    _clear_unknown(real(ledger.folder / DEFAULT), ids)
    affected = {root: _affected(root, ids) for root in known.found}
    # Written before any release changes: after a kill in between, the old digests are known still.
    listed = _supersede(ledger.folder, [digest_of(root) for root, (gone, _) in affected.items() if gone])
    done = []
    for root, (gone, rejects) in affected.items():
        before = after = digest_of(root)
        signed = (root / SIGNATURE).is_file()
        if gone or rejects:
            after = _rewrite(root, ids, extra_files(listed, tombstones))
        done.append(
            {
                "folder": str(root),
                "rows": gone,
                "superseded": before if gone else None,
                "manifest_sha256": after,
                "unsigned": signed and not (root / SIGNATURE).is_file(),
            }
        )
    if ids and known.missing:
        ledger.put(OWED, sorted({*(ledger.get(OWED) or ()), *known.missing}))
    return done


def owed(ledger: Ledger) -> list[str]:
    """The releases that still hold what was taken out, as full paths."""
    return [os.path.abspath(ledger.folder / name) for name in ledger.get(OWED) or ()]


def forget_release(ledger: Ledger, folder: Path) -> None:
    """Name a release no longer that is gone for good.

    Raises:
        SuiteError: no such release is missing.
    """
    names = [name for name in ledger.get(RELEASES) or () if real(ledger.folder / name) == real(folder)]
    if not names or (folder / MANIFEST).is_file():
        what = "is there" if names else "was not written from this folder"
        raise SuiteError(f"--gone {folder}: {what}; expected one that a removal named as missing")
    with ledger.transaction():
        for key in (RELEASES, OWED):
            ledger.put(key, sorted(set(ledger.get(key) or ()) - set(names)))


def settle_owed(ledger: Ledger) -> list[Path]:
    """Take out of releases that are back what was taken out while they were away; returns which were."""
    names = ledger.get(OWED)
    if not names:
        return []
    tombstones = Tombstones.read(ledger.folder / TOMBSTONES)
    opted_out = {row["id"] for row in ledger.rows("SELECT id FROM pictures WHERE reason IN ('opted_out', 'listed')")}
    done = []
    for name in names:
        place = real(ledger.folder / name)
        if not (place / MANIFEST).is_file():
            continue
        try:
            with open_release(place) as root:
                ids = {row["id"] for row in read_rows(root / MANIFEST) if tombstones.buries_row(row)} | opted_out
                gone, rejects = _affected(root, ids)
                if gone or rejects:
                    listed = _supersede(ledger.folder, [digest_of(root)] if gone else [])
                    _shrink(root, ids, extra_files(listed, tombstones))
        except SuiteError as error:
            # Other work in the folder need not wait for it; it is said until it is done.
            say(f"note: {place} is back and still holds what was taken out: {error}", err=True)
            continue
        done.append(place)
        ledger.put(OWED, sorted(set(ledger.get(OWED)) - {name}))
    return done


def _goes(row: dict[str, Any], ids: set[str]) -> bool:
    return row["id"] in ids or row["id"].rpartition("-")[0] in ids


def _affected(root: Path, ids: set[str]) -> tuple[int, int]:
    """Rows of a release's manifest and of its rejects that go."""
    gone, rejects = (
        sum(_goes(row, ids) for row in read_rows(root / name, ("id",))) if (root / name).is_file() else 0
        for name in (MANIFEST, REJECTS)
    )
    return gone, rejects


def _supersede(folder: Path, digests: list[str]) -> list[str]:
    """Add manifests' digests to the build's `superseded.json`; returns all that it lists."""
    listed = read_superseded(folder / SUPERSEDED)
    if new := [digest for digest in dict.fromkeys(digests) if digest not in listed]:
        listed += new
        write_whole(folder / SUPERSEDED, superseded_json(listed))
    return listed


def _rewrite(root: Path, ids: set[str], extras: dict[str, bytes]) -> str:
    with open_release(root) as place:
        return _shrink(place, ids, extras)


def _shrink(root: Path, ids: set[str], extras: dict[str, bytes]) -> str:
    return shrink(
        root, lambda row: None if _goes(row, ids) else row, lambda row: not _goes(row, ids), extras
    ).manifest_sha256


def _clear_unknown(root: Path, ids: set[str]) -> None:
    """Remove the pictures' faces from what a killed writer of before left in the build's own place, without any list."""
    if is_release(root) or not (root / IMAGES).is_dir():
        return
    for id, split in product(ids, ("", *SPLITS)):
        for path in (root / IMAGES / split / id[:2]).glob(f"{id}-*.png"):
            if re.fullmatch(rf"{re.escape(id)}-\d{{2}}\.png", path.name):
                path.unlink()


def _clear(root: Path) -> None:
    """Remove the pictures of a release that was never finished: nothing says which of them may stay."""
    with only_release_writer(root):
        for path in own_files(root):
            (root / path).unlink(missing_ok=True)
