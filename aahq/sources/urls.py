"""`urls`: a person's own list of pictures: one address a line, or a CSV with the columns url, page, artist, license, title.

A picture is fetched where its page can be read and reserves nothing, or an open licence (CC0, CC BY, ...) stands beside
it, or a permission covers it; an address alone says nothing of its terms and stays out.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from hashlib import sha256
from itertools import chain, islice
from pathlib import Path

from aahq.candidates import Candidate
from aahq.reasons import Rejected
from aahq.sources import SourceOptions, SourcePage, Unusable
from aahq.sources.reading import text
from aahq.web.client import Http
from aahq.web.netguard import check_url
from suite.errors import SuiteError, did_you_mean

PAGE = 100
COLUMNS = ("url", "page", "artist", "license", "title")


class Urls:
    """The file's rows in their order; the cursor is the number of rows done. The same address twice is one candidate."""

    name = "urls"

    def __init__(self, options: SourceOptions) -> None:
        if not options.target:
            raise SuiteError("--source urls: expected a file of addresses, as in --source urls list.csv")
        self.path = Path(options.target)
        self.max_works = options.max_works

    def pages(self, http: Http | None, cursor: str | None) -> Iterator[SourcePage]:
        """Pages of up to 100 rows. The file is read from disk; `http` is not used.

        Raises:
            SuiteError: the file cannot be read, or has columns of other names.
        """
        if cursor is not None and not (cursor.isascii() and cursor.isdigit()):
            raise SuiteError(f"urls: cursor {cursor!r} in the ledger; expected a number of rows")
        done = int(cursor or 0)
        rows = islice(read_rows(self.path), self.max_works)
        # Reading past what is done takes the time of reading, and no memory.
        rows = islice(rows, done, None)
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

    Empty lines and `#` comments are left out.

    Raises:
        SuiteError: not readable as UTF-8, or a CSV with unknown columns or without `url`.
    """
    try:
        with path.open(encoding="utf-8-sig") as source:
            lines = (line.replace("\0", "") for line in source)
            first, before = next(((line, number) for number, line in enumerate(lines) if line.strip()), ("", 0))
            names = [name.strip().lower() for name in first.split(",")]
            if "url" in names:
                yield from _table(path, names, lines, before + 1)
            else:
                yield from _addresses(chain([first], lines), before + 1)
    except (OSError, UnicodeDecodeError) as error:
        raise SuiteError(f"--source urls: {path}: {error}; expected a UTF-8 text file or CSV") from None
    except csv.Error as error:
        raise SuiteError(
            f"--source urls: {path}: {error}; expected CSV with the columns {', '.join(COLUMNS)}"
        ) from None


def _addresses(lines: Iterable[str], first: int) -> Iterator[dict[str, str]]:
    for number, line in enumerate(lines, first):
        if _is_entry(line):
            yield _row(line.strip(), number)


def _table(path: Path, names: list[str], lines: Iterable[str], before: int) -> Iterator[dict[str, str]]:
    """The rows under a header that stands on line `before`."""
    for name in names:
        if name not in COLUMNS:
            raise SuiteError(f"--source urls: {path}: no column {name!r}{did_you_mean(name, COLUMNS)}")
    reader = csv.reader(lines)
    for cells in reader:
        given = dict(zip(names, (cell.strip() for cell in cells)))
        if _is_entry(given.get("url", "")):
            url = given.pop("url")
            yield _row(url, before + reader.line_num, **given)


def _is_entry(line: str) -> bool:
    return bool(line.strip()) and not line.lstrip().startswith("#")


def _row(url: str, number: int, **given: str) -> dict[str, str]:
    return {**dict.fromkeys(COLUMNS, ""), **given, "url": url, "line": str(number)}
