"""`folder`: the pictures of a local directory. Nothing is fetched; every file is a row, whatever it turns out to be."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from aahq.candidates import FOLDER, Candidate
from aahq.sources import SourceOptions, SourcePage
from suite.errors import SuiteError

if TYPE_CHECKING:
    from aahq.web.client import Http

PAGE = 200


class Folder:
    """Every file under the folder in the order of its relative path; hidden files and folders are left out."""

    name = FOLDER

    def __init__(self, options: SourceOptions) -> None:
        if not options.target or not Path(options.target).is_dir():
            raise SuiteError(f"--source folder: {options.target!r} is no directory; expected --source folder DIR")
        self.root = Path(options.target).resolve()
        self.max_works = options.max_works

    def pages(self, http: Http | None, cursor: str | None) -> Iterator[SourcePage]:
        """Pages of up to 200 files; the cursor is the last relative path done."""
        files = islice((name for name in self._files() if cursor is None or _shown(name) > cursor), self.max_works)
        while names := list(islice(files, PAGE)):
            yield SourcePage([self._candidate(name) for name in names], _shown(names[-1]))

    def _files(self, inside: str = "") -> Iterator[str]:
        """Relative paths in order. One folder's names are held at a time, and those of the folders around it."""
        found = []
        # A folder that may not be read is passed over, as its files could not be read either.
        with contextlib.suppress(OSError), os.scandir(self.root / inside) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    found.append(f"{entry.name}/")
                elif entry.is_file():
                    found.append(entry.name)
        for name in sorted(found, key=_shown):
            if name.endswith("/"):
                yield from self._files(inside + name)
            else:
                yield inside + name

    def _candidate(self, name: str) -> Candidate:
        path, shown = self.root / name, _shown(name)
        facts = {"path": shown, "folder": _shown(str(self.root))}
        return Candidate(self.name, shown, None, (path.as_uri(),), title=Path(shown).stem, extra=facts)


def _shown(name: str) -> str:
    """A file's name as text: bytes that are no UTF-8 as `\\xNN`."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")
