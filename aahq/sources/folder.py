"""`folder`: the pictures of a local directory. Nothing is fetched; every file is a row, whatever it turns out to be."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from aahq.candidates import FOLDER, Candidate
from aahq.sources import SourceOptions, SourcePage, Unusable
from suite.errors import SuiteError

if TYPE_CHECKING:
    from aahq.web.client import Http

PAGE = 200
# A relative path, and why what stands there is no file to take; empty where it is one.
Entry = tuple[str, str]


class Folder:
    """Every file under the folder in the order of its relative path; hidden files and folders are left out.

    Links are followed: a link to a file is that file, a link to a folder outside is listed once, one to a folder that is
    listed anyway (its own parent, a neighbour) is not listed again. What the build itself writes is left out. What cannot be
    read is a row with the reason, and never the end of the listing.
    """

    name = FOLDER
    uses = ("target",)
    local = True

    def __init__(self, options: SourceOptions) -> None:
        if not options.target:
            raise SuiteError("--source folder: expected --source folder DIR")
        self.root = Path(options.target).absolute()
        self.leave_out = frozenset(options.leave_out)

    def pages(self, http: Http | None, cursor: str | None) -> Iterator[SourcePage]:
        """Pages of up to 200 files; the cursor is the last relative path done.

        Raises:
            SuiteError: there is no such folder.
        """
        if not self.root.is_dir():
            raise SuiteError(f"--source folder: {str(self.root)!r} is no directory; expected --source folder DIR")
        self.root = self.root.resolve()
        self._listed: set[Path] = set()
        files = (entry for entry in self._files() if cursor is None or _printable(entry[0]) > cursor)
        while batch := list(islice(files, PAGE)):
            candidates = [self._candidate(name) for name, why in batch if not why]
            unusable = [Unusable(_printable(name), None, "unreadable", why) for name, why in batch if why]
            yield SourcePage(candidates, _printable(batch[-1][0]), unusable)

    def _files(self, inside: str = "") -> Iterator[Entry]:
        """Relative paths in order. One folder's names are held at a time, and those of the folders around it."""
        rows: list[Entry] = []
        try:
            with os.scandir(self.root / inside) as entries:
                # In order, because of links to the same folder the first one counts.
                visible = sorted(
                    (entry for entry in entries if not entry.name.startswith(".")), key=lambda e: _printable(e.name)
                )
                rows = [self._look(entry) for entry in visible]
        except OSError as error:
            if not inside:
                raise SuiteError(f"--source folder: {self.root}: {error.strerror or error}; make it readable") from None
            yield inside, f"the folder cannot be read: {error.strerror or error}"
            return
        for name, why in sorted(rows, key=lambda entry: _printable(entry[0])):
            if not name:
                continue
            if name.endswith("/") and not why:
                yield from self._files(inside + name)
            else:
                yield inside + name, why

    def _look(self, entry: os.DirEntry[str]) -> Entry:
        """An entry's name, with a slash for a folder to go into, and why it cannot be taken; ("", "") for one that is
        passed."""
        if self._is_left_out(entry):
            return "", ""
        try:
            mode = entry.stat().st_mode
            if stat.S_ISDIR(mode):
                return (f"{entry.name}/", "") if not entry.is_symlink() or self._is_new(entry) else ("", "")
            return entry.name, "" if stat.S_ISREG(mode) else "no regular file"
        except OSError as error:
            what = "a link that leads nowhere" if entry.is_symlink() else "it cannot be read"
            return entry.name, f"{what}: {error.strerror or error}"

    def _is_left_out(self, entry: os.DirEntry[str]) -> bool:
        """Whether an entry is what the build writes, or a link into it. The source itself may be the build's folder."""
        if not self.leave_out:
            return False
        place = Path(entry.path)
        if not entry.is_symlink():
            return place in self.leave_out
        # `Path.resolve` fails on a link that leads round in a circle.
        target = Path(os.path.realpath(place))
        return any(
            at in self.leave_out for at in (target, *target.parents) if at not in (self.root, *self.root.parents)
        )

    def _is_new(self, entry: os.DirEntry[str]) -> bool:
        """Whether a linked folder lies outside and outside of those that other links have led to."""
        target = Path(entry.path).resolve()
        known = {self.root, *self._listed}
        if any(target == place or place in target.parents or target in place.parents for place in known):
            return False
        self._listed.add(target)
        return True

    def _candidate(self, name: str) -> Candidate:
        path, text = self.root / name, _printable(name)
        facts = {"path": text, "folder": _printable(str(self.root))}
        return Candidate(self.name, text, None, (path.as_uri(),), title=Path(text).stem, extra=facts)


def _printable(name: str) -> str:
    """A file's name as text: bytes that are no UTF-8 as `\\xNN`."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")
