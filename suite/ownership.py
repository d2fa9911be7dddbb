"""Ownership of files: this suite deletes, renames or overwrites only what it can prove to be its own.

A folder is the suite's own where it is new, empty, or holds the marker that the suite wrote into it; and in such a folder only
the names that the suite gives are its own. A file is its own where it carries a mark. Both are asked before any work.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from suite.errors import SuiteError
from suite.files import PART_SUFFIX

if TYPE_CHECKING:
    from PIL.PngImagePlugin import PngInfo

# What `suite.files.whole_file` puts between a name and its suffix while the file is not whole yet.
_PART = re.compile(rf"\.(?P<name>.+)\.[a-z0-9_]{{8}}{re.escape(PART_SUFFIX)}", re.DOTALL)

# A file that is written anew would take its place: as root even that of /dev/null.
_NO_FILE = "is a pipe or a device; expected a file's name"


def real(path: str | os.PathLike[str]) -> Path:
    """The place itself, behind every link on the way there; also of what does not exist yet."""
    return Path(os.path.realpath(path))


def overlap(one: str | os.PathLike[str], other: str | os.PathLike[str]) -> bool:
    """Whether two places are one, or one of them lies in the other, whatever links lead there."""
    first, second = real(one), real(other)
    return first == second or first in second.parents or second in first.parents


def refuse_overlap(flag: str, path: str | os.PathLike[str], other_flag: str, other: str | os.PathLike[str]) -> None:
    """Refuse to write to a place that is, holds, or lies in another one.

    Args:
        flag, path: where is written, by its name on the command line.
        other_flag, other: what must stay as it is.

    Raises:
        SuiteError: they overlap.
    """
    if not overlap(path, other):
        return
    how = (
        "is the same place as"
        if real(path) == real(other)
        else "lies in"
        if real(other) in real(path).parents
        else "holds"
    )
    raise SuiteError(f"{flag} {path}: {how} {other_flag} {other}; give another place")


def output_fault(path: str | os.PathLike[str], kind: Literal["folder", "file"]) -> str:
    """Why `path` cannot become or be a folder or a file to write, in words; "" when it can. Nothing is made.

    Permissions say too little: a read-only disk, /proc, and root, who may do everything but that. So a file without a name
    is written into the nearest folder that is there.
    """
    at = Path(path)
    try:
        if kind == "file" and at.is_dir():
            return "is a folder; expected a file's name"
        if kind == "file" and at.exists() and not at.is_file():
            return _NO_FILE
        for place in (at, *at.absolute().parents) if kind == "folder" else at.absolute().parents:
            # In this order: another process may make the folder in between.
            if os.path.lexists(place) and not place.is_dir():
                what = "is a link to nothing" if place.is_symlink() else "is a file"
                return f"{place} {what}; expected a folder, or a name for a new one"
            if place.is_dir():
                with tempfile.TemporaryFile(dir=place):
                    return ""
    except OSError as error:
        return f"cannot be written ({error.strerror or error}); give another place"
    return "cannot be written; give another place"


def refuse_unwritable(flag: str, folder: str | os.PathLike[str]) -> None:
    """Refuse a folder in which nothing can be written; it may not exist yet.

    Raises:
        SuiteError: it or something on the way there is a file, or may not be written.
    """
    if fault := output_fault(folder, "folder"):
        raise SuiteError(f"{flag} {folder}: {fault}")


def claim_folder(
    flag: str, folder: str | os.PathLike[str], is_own: Callable[[Path], bool], what: str = "of this command's"
) -> None:
    """Refuse to write a result into a folder that holds something else.

    Args:
        flag: its name on the command line.
        folder: it may not exist yet.
        is_own: whether the folder carries the command's marker; asked only where there is something in it.
        what: whose results the folder may hold, for the message.

    Raises:
        SuiteError: it holds other files, or cannot be written.
    """
    refuse_unwritable(flag, folder)
    place = Path(folder)
    if not place.is_dir() or is_own(place):
        return
    with os.scandir(place) as entries:
        first = min((entry.name for entry in entries), default=None)
    if first is not None:
        raise SuiteError(f"{flag} {folder}: holds {first!r} and nothing {what}; give a new or an empty folder")


def claim_file(flag: str, path: str | os.PathLike[str], is_own: Callable[[Path], bool]) -> None:
    """Refuse to write over a file that is not the command's own.

    Args:
        flag: its name on the command line.
        path: it may not exist yet; also its folder may not.
        is_own: whether an existing file was written by this command.

    Raises:
        SuiteError: the file is foreign, is a folder, or cannot be written.
    """
    place = Path(path)
    if place.is_dir():
        raise SuiteError(f"{flag} {path}: is a folder; expected a file's name")
    refuse_unwritable(flag, place.parent)
    if place.exists() and not place.is_file():
        raise SuiteError(f"{flag} {path}: {_NO_FILE}")
    if place.exists() and not is_own(place):
        raise SuiteError(f"{flag} {path}: is there already and not this command's own; move it, or give another name")


def head_of(path: Path, count: int = 4096) -> bytes:
    """The first bytes of a file: what tells whose it is."""
    with path.open("rb") as source:
        return source.read(count)


def png_mark(by: str) -> PngInfo:
    """What a command writes into its PNG files, so that it knows them again: `picture.save(..., pnginfo=...)`."""
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    info.add_text("Software", by)
    return info


def is_png_of(by: str) -> Callable[[Path], bool]:
    """Whether a file is a PNG with the mark of a command; also an empty file, in which nothing can be lost."""

    def is_own(path: Path) -> bool:
        head = head_of(path)
        return not head or (head.startswith(b"\x89PNG") and b"Software\x00" + by.encode() in head)

    return is_own


def part_of(name: str) -> str | None:
    """Of a half-written file's name the name that it was to get; None of every other name."""
    match = _PART.fullmatch(name)
    return None if match is None else match["name"]
