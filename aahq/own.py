"""Which files of a build's folder the build itself wrote.

Own are the ledger, the lock and the files that only a build makes; in `pictures` and `faces`, files named by SHA-256. Whoever
begins a build in a folder of their own keeps everything else: where something else has one of these names, nothing begins.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from aahq.dedup.rooms import SUFFIX
from aahq.ledger import LEDGER, refuse_foreign_ledger
from aahq.release.own import is_release, refuse_foreign, remove_empty, take_away
from suite.errors import SuiteError
from suite.files import read_foreign_json
from suite.ownership import claim_file, part_of, real, refuse_overlap, refuse_unwritable

# What the workers of one dedup share while it runs.
ROOMS = ".dedup.part"
PICTURES, FACES, REVIEW, RELEASE, REPORT = "pictures", "faces", "review", "release", "report.html"
# Written whole beside the ledger: name -> keys by which each is known.
NOTES = {"tombstones.json": {"schema", "salt"}, "superseded.json": {"superseded"}, "rebuild.json": {"policy", "alive"}}
NOTE_MAX = 1 << 27
_CONTENT = {PICTURES: re.compile(r"([0-9a-f]{2})[0-9a-f]{62}"), FACES: re.compile(r"([0-9a-f]{2})[0-9a-f]{62}\.png")}
_FETCHING = re.compile(r"\.fetch-\d+-\d+\.part")
_REVIEWED = re.compile(r"decisions\.jsonl|tiles/[^/]{2}/[A-Za-z0-9._-]+-[0-9a-f]+\.jpg")
# The second is how the page began before it had a mark.
_REPORT_MARKS = (b'<meta name="generator" content="aahq report">', b"what was kept, what was dropped and why</title>")


def content_files(out: Path, kind: str) -> Iterator[Path]:
    """The files of `pictures` or `faces` that a build names so; nothing else that lies there."""
    for path in _files(out / kind):
        match = _CONTENT[kind].fullmatch(path.name)
        if match is not None and path.parent.name == match[1] and path.parent.parent == out / kind:
            yield path


def is_report(path: Path) -> bool:
    """Whether a file is a page that `aahq report` drew."""
    with path.open("rb") as page:
        head = page.read(4096)
    return any(mark in head for mark in _REPORT_MARKS)


def claim_build(out: Path) -> None:
    """Refuse a folder in which a build would touch what is not its own; before any work.

    Raises:
        SuiteError: naming the first such file, or that nothing can be written there.
    """
    refuse_unwritable("OUT", out)
    if not out.is_dir():
        return
    if (out / LEDGER).exists():
        refuse_foreign_ledger(out / LEDGER)
        return
    if is_release(out / RELEASE):
        raise SuiteError(
            f"OUT {out}: holds {RELEASE!r} without the ledger that it was built from; move the release away, or give another "
            "folder"
        )
    for name in _foreign_names(out):
        raise SuiteError(
            f"OUT {out}: holds {name!r}, where a build would keep files of its own; give another folder, as {out / 'set'}"
        )


def claim_results(out: Path) -> None:
    """Refuse, before the stages begin, a release or a report in `out` that are not this program's."""
    claim_file("OUT", out / REPORT, is_report)
    place = out / RELEASE
    if place.is_dir() and any(place.iterdir()) and not is_release(place):
        raise SuiteError(f"OUT {out}: its {RELEASE!r} is no release of this program; move it, or give another folder")


def refuse_source(out: Path, source: Path, flag: str = "--source folder") -> None:
    """Refuse to read from where a build writes.

    Raises:
        SuiteError: the source lies in one of the folders that the build keeps.
    """
    for name in (PICTURES, FACES, RELEASE, REVIEW):
        if real(out / name) == real(source) or real(out / name) in real(source).parents:
            refuse_overlap(flag, source, "the build's own", out / name)


def _foreign_names(out: Path) -> Iterator[str]:
    for kind in (PICTURES, FACES):
        own = set(content_files(out, kind))
        yield from _relative(
            out, (path for path in _files(out / kind) if path not in own and not _is_content_part(kind, path))
        )
    # Also a release of this program: without the ledger that it was written from it is somebody's copy.
    yield from _relative(out, _files(out / RELEASE))
    yield from _relative(
        out,
        (path for path in _files(out / REVIEW) if not _REVIEWED.fullmatch(path.relative_to(out / REVIEW).as_posix())),
    )
    if (out / REPORT).exists() and not ((out / REPORT).is_file() and is_report(out / REPORT)):
        yield REPORT
    yield from (name for name, keys in NOTES.items() if os.path.lexists(out / name) and not _is_note(out / name, keys))
    for name in (PICTURES, FACES, RELEASE, REVIEW):
        if os.path.lexists(out / name) and not (out / name).is_dir():
            yield name


def _is_note(path: Path, keys: set[str]) -> bool:
    try:
        note = read_foreign_json(path, NOTE_MAX)
    except (OSError, ValueError):
        return False
    return isinstance(note, dict) and keys <= note.keys()


def _relative(out: Path, paths: Iterator[Path]) -> Iterator[str]:
    return (path.relative_to(out).as_posix() for path in paths)


def _files(folder: Path) -> Iterator[Path]:
    """Every file and link under a folder, which itself may be a link."""
    for place, folders, files in os.walk(folder):
        links = [name for name in folders if os.path.islink(os.path.join(place, name))]
        yield from (Path(place, name) for name in sorted((*files, *links)))


def _is_content_part(kind: str, path: Path) -> bool:
    if kind == PICTURES and _FETCHING.fullmatch(path.name):
        return True
    whole = part_of(path.name)
    return whole is not None and _CONTENT[kind].fullmatch(whole) is not None


def clear_build(out: Path) -> None:
    """Remove a build's pictures, faces, release and ledger, and nothing else that lies among them.

    Raises:
        SuiteError: its release holds files of the person's own; nothing is removed then.
    """
    if is_release(out / RELEASE):
        refuse_foreign(out / RELEASE)
    for kind in (PICTURES, FACES):
        for path in content_files(out, kind):
            path.unlink(missing_ok=True)
        remove_empty(out / kind)
    if is_release(out / RELEASE):
        take_away(real(out / RELEASE), keep_folder=True)
    for name in (LEDGER, f"{LEDGER}-wal", f"{LEDGER}-shm"):
        (out / name).unlink(missing_ok=True)


def sweep_parts(out: Path) -> None:
    """Remove what a killed build left half-written; only for the holder of the folder's lock."""
    beside = [path for path in out.glob(".*.part") if part_of(path.name) in (*NOTES, REPORT)]
    fetching = [path for path in (out / PICTURES).glob(".fetch-*.part") if _is_content_part(PICTURES, path)]
    aligning = [path for path in (out / FACES).glob("*/.*.part") if _is_content_part(FACES, path)]
    for part in (*beside, *fetching, *aligning):
        part.unlink(missing_ok=True)
    clear_rooms(out)


def clear_rooms(out: Path) -> None:
    """Remove what the workers of a dedup shared."""
    if not (out / ROOMS).is_symlink():
        for room in (out / ROOMS).glob(f"*{SUFFIX}"):
            # Where a worker still has it open, some systems keep it; the next to open the folder removes it.
            with suppress(OSError):
                room.unlink()
        remove_empty(out / ROOMS)
