"""`urls`: a person's own list of pictures: one address a line, or a table with the columns url, page, artist, license, title.

A picture is fetched where its page can be read and reserves nothing, or an open licence (CC0, CC BY, ...) stands beside
it, or a permission covers it; an address alone says nothing of its terms and stays out.
"""

from __future__ import annotations

import codecs
import csv
from collections.abc import Iterable, Iterator
from hashlib import sha256
from itertools import chain, islice
from pathlib import Path
from typing import TextIO

from aahq.candidates import Candidate
from aahq.reasons import Rejected
from aahq.sources import SourceOptions, SourcePage, Unusable
from aahq.sources.reading import text
from aahq.web.client import Http
from aahq.web.netguard import check_url
from suite.errors import SuiteError, did_you_mean
from suite.files import open_file

PAGE = 100
COLUMNS = ("url", "page", "artist", "license", "title")
# What other programs call the same columns.
ALSO = {"image_url": "url", "image url": "url", "imageurl": "url", "page_url": "page", "page url": "page"}
# Of a line; an address alone has at most 4096 characters.
LINE_MAX = 1 << 20
DELIMITERS = (",", ";", "\t", "|")
FIX = f"expected one address a line, or a table with the columns {', '.join(COLUMNS)}"


class Urls:
    """The file's rows in their order; the cursor is the number of rows done. The same address twice is one candidate."""

    name = "urls"
    uses = ("target",)
    local = True

    def __init__(self, options: SourceOptions) -> None:
        if not options.target:
            raise SuiteError("--source urls: expected a file of addresses, as in --source urls list.csv")
        self.path = Path(options.target)

    def pages(self, http: Http | None, cursor: str | None) -> Iterator[SourcePage]:
        """Pages of up to 100 rows. The file is read from disk; `http` is not used.

        Raises:
            SuiteError: the file cannot be read, or has columns of other names.
        """
        if cursor is not None and not (cursor.isascii() and cursor.isdigit()):
            raise SuiteError(f"urls: cursor {cursor!r} in the ledger; expected a number of rows")
        done = int(cursor or 0)
        # Reading past what is done takes the time of reading, and no memory.
        rows = islice(read_rows(self.path), done, None)
        while batch := list(islice(rows, PAGE)):
            candidates: list[Candidate] = []
            unusable: list[Unusable] = []
            for row in batch:
                key = sha256(row["url"].encode()).hexdigest()[:32]
                try:
                    candidates.append(self._candidate(row, key))
                except Rejected as refused:
                    unusable.append(Unusable(key, None, refused.reason, refused.detail))
            done += len(batch)
            yield SourcePage(candidates, str(done), unusable)

    def _candidate(self, row: dict[str, str], key: str) -> Candidate:
        check_url(row["url"])
        if row["page"]:
            check_url(row["page"])
        return Candidate(
            source=self.name,
            key=key,
            page_url=row["page"] or None,
            image_urls=(row["url"],),
            artist=text(row["artist"]) or None,
            title=text(row["title"]),
            license=text(row["license"]) or None,
            extra={"list": self.path.name, "line": int(row["line"])},
        )


def read_rows(path: Path) -> Iterator[dict[str, str]]:
    """The rows as text, one at a time, every column of `COLUMNS` and "line" (from 1).

    The table may be separated by commas, semicolons, tabs or bars, quoted or not, in UTF-8 or UTF-16 with its mark. Empty lines
    and `#` comments are left out, and so is a column without a name.

    Raises:
        SuiteError: not readable as text, a table with unknown columns or without `url`, or a quote that is never closed.
    """
    try:
        with _opened(path) as source:
            lines = _lines(path, source)
            first, number = next(((line, at) for at, line in enumerate(lines, 1) if _is_entry(line)), ("", 0))
            if not first:
                return
            delimiter, names = _header(first)
            if "url" in names:
                yield from _table(path, names, delimiter, lines, number)
            elif "://" not in first.split("#")[0]:
                raise SuiteError(f"--source urls: {path}, line {number}: {first.strip()[:60]!r} is no address; {FIX}")
            elif first.lstrip().startswith(("{", "[")):
                raise SuiteError(f"--source urls: {path}: this looks like JSON; {FIX}")
            else:
                yield from _addresses(chain([first], lines), number)
    except (OSError, UnicodeError) as error:
        raise SuiteError(f"--source urls: {path}: {error}; {FIX}, in UTF-8") from None


def _lines(path: Path, source: TextIO) -> Iterator[str]:
    number = 0
    while line := source.readline(LINE_MAX + 1):
        number += 1
        if len(line) > LINE_MAX:
            raise SuiteError(f"--source urls: {path}, line {number}: longer than {LINE_MAX} characters; {FIX}")
        yield line.replace("\0", "")


def _opened(path: Path) -> TextIO:
    with open_file(path) as source:
        head = source.read(4)
    marked = head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return path.open(encoding="utf-16" if marked else "utf-8-sig")


def _header(line: str) -> tuple[str, list[str]]:
    """The delimiter that makes most known columns of a header, and the columns in `COLUMNS`' words."""

    def columns(delimiter: str) -> list[str]:
        try:
            cells = next(csv.reader([line], delimiter=delimiter), [])
        except csv.Error:
            return []
        return [ALSO.get(name, name) for name in (cell.strip().lower() for cell in cells)]

    delimiter = max(DELIMITERS, key=lambda one: len({*columns(one)} & {*COLUMNS}))
    return delimiter, columns(delimiter)


def _addresses(lines: Iterable[str], first: int) -> Iterator[dict[str, str]]:
    for number, line in enumerate(lines, first):
        if _is_entry(line):
            yield _row(line.strip(), number)


def _table(path: Path, names: list[str], delimiter: str, lines: Iterable[str], before: int) -> Iterator[dict[str, str]]:
    """The rows under a header that stands on line `before`."""
    for name in names:
        if name and name not in COLUMNS:
            raise SuiteError(f"--source urls: {path}: no column {name!r}{did_you_mean(name, COLUMNS)}")
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        began = before + reader.line_num + 1
        try:
            cells = next(reader, None)
        except csv.Error as error:
            why = "a quote is opened and not closed" if "unexpected end" in str(error) else str(error)
            raise SuiteError(
                f"--source urls: {path}, line {began}: {why}; double a quote inside of a quoted cell"
            ) from None
        if cells is None:
            return
        row = dict(zip(names, (cell.strip() for cell in cells)))
        row.pop("", None)
        if _is_entry(row.get("url", "")):
            url = row.pop("url")
            yield _row(url, before + reader.line_num, **row)


def _is_entry(line: str) -> bool:
    return bool(line.strip()) and not line.lstrip().startswith("#")


def _row(url: str, number: int, **fields: str) -> dict[str, str]:
    return {**dict.fromkeys(COLUMNS, ""), **fields, "url": url, "line": str(number)}
