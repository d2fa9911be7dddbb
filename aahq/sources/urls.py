"""`urls`: a person's own list of pictures: one address a line, or a CSV with the columns url, page, artist, license, title.

A picture is fetched where its page can be read and reserves nothing, or an open licence (CC0, CC BY, ...) stands beside
it, or a permission covers it; an address alone says nothing of its terms and stays out.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

from aahq.candidates import Candidate
from aahq.http import Http
from aahq.netguard import check_url
from aahq.reasons import Rejected
from aahq.sources import SourceOptions, SourcePage, Unusable
from aahq.sources.reading import text
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
        rows = read_rows(self.path)[: self.max_works]
        for start in range(int(cursor or 0), len(rows), PAGE):
            candidates: list[Candidate] = []
            unusable: list[Unusable] = []
            for row in rows[start : start + PAGE]:
                key = sha256(row["url"].encode()).hexdigest()[:32]
                try:
                    candidates.append(self._candidate(row, key))
                except Rejected as refused:
                    unusable.append(Unusable(key, None, refused.reason, refused.detail))
            yield SourcePage(candidates, str(min(start + PAGE, len(rows))), unusable)

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


def read_rows(path: Path) -> list[dict[str, str]]:
    """The rows as text, every column of `COLUMNS` and "line" (from 1); empty lines and `#` comments are left out.

    Raises:
        SuiteError: not readable as UTF-8, or a CSV with unknown columns or without `url`.
    """
    try:
        content = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise SuiteError(f"--source urls: {path}: {error}; expected a UTF-8 text file or CSV") from None
    content = content.replace("\0", "")
    lines = content.splitlines()
    first = next((line for line in lines if line.strip()), "")
    names = [name.strip().lower() for name in first.split(",")]
    if "url" not in names:
        return [_row(line.strip(), number) for number, line in enumerate(lines, 1) if _is_entry(line)]
    for name in names:
        if name not in COLUMNS:
            raise SuiteError(f"--source urls: {path}: no column {name!r}{did_you_mean(name, COLUMNS)}")
    try:
        reader = csv.reader(io.StringIO(content))
        rows, header_seen = [], False
        for cells in reader:
            if not header_seen:
                header_seen = any(cell.strip() for cell in cells)
                continue
            given = dict(zip(names, (cell.strip() for cell in cells)))
            if _is_entry(given.get("url", "")):
                rows.append(_row(given["url"], reader.line_num, **{k: v for k, v in given.items() if k != "url"}))
        return rows
    except csv.Error as error:
        raise SuiteError(
            f"--source urls: {path}: {error}; expected CSV with the columns {', '.join(COLUMNS)}"
        ) from None


def _is_entry(line: str) -> bool:
    return bool(line.strip()) and not line.lstrip().startswith("#")


def _row(url: str, number: int, **given: str) -> dict[str, str]:
    return {**dict.fromkeys(COLUMNS, ""), **given, "url": url, "line": str(number)}
