"""`aahq-list`: the released AAHQ list (AAHQ-dataset.json of onion-liu/aahq-dataset), with its own four landmarks.

The list names pictures, not the works' pages, so nothing tells whether the artist has reserved the work since: without a
permission (or a `page_url` added to an entry) such a picture is not fetched. `aahq.sources.survival` asks, without fetching,
what is still there.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

import ijson

from aahq.candidates import POINTS, Candidate, Point
from aahq.reasons import Rejected
from aahq.sources import SourceOptions, SourcePage, Unusable
from aahq.sources.reading import need, text
from aahq.web.client import Http
from suite.errors import SuiteError
from suite.files import open_file

PAGE = 100
# Entries have some hundred bytes.
ENTRY_MAX = 1 << 20


class AahqList:
    """The list's entries in their order; the cursor is the last name done."""

    name = "aahq-list"
    about = "https://github.com/onion-liu/aahq-dataset"
    uses = ("target",)
    local = True

    def __init__(self, options: SourceOptions) -> None:
        if not options.target:
            raise SuiteError("--source aahq-list: expected the list's path, as in --source aahq-list AAHQ-dataset.json")
        self.path = Path(options.target)

    def pages(self, http: Http | None, cursor: str | None) -> Iterator[SourcePage]:
        """Pages of up to 100 entries. The list is read from disk, entry by entry; `http` is not used.

        Raises:
            SuiteError: the file is no such list.
        """
        entries = self._after(cursor)
        while batch := list(islice(entries, PAGE)):
            candidates: list[Candidate] = []
            unusable: list[Unusable] = []
            for key, entry in batch:
                try:
                    candidates.append(_candidate(key, entry))
                except Rejected as refused:
                    unusable.append(Unusable(key, None, refused.reason, refused.detail))
            yield SourcePage(candidates, batch[-1][0], unusable)

    def _after(self, cursor: str | None) -> Iterator[tuple[str, Any]]:
        """The entries behind the one of that name; all where the list no longer has it (known pictures are not doubled)."""
        entries = read_list(self.path)
        if cursor is None or any(key == cursor for key, _ in entries):
            return entries
        return read_list(self.path)


def read_list(path: Path) -> Iterator[tuple[str, Any]]:
    """The list's names and entries, one at a time, whatever the list's length; entries are not checked.

    Numbers with a fraction are `Decimal`s.

    Raises:
        SuiteError: not readable, not JSON, or not an object.
    """
    fix = "expected AAHQ-dataset.json of the repository onion-liu/aahq-dataset"
    try:
        with open_file(path) as source:
            head = source.read(64).lstrip()
            if not head.startswith(b"{"):
                raise SuiteError(f"--source aahq-list: {path} begins with {head[:20]!r}, not with an object; {fix}")
            source.seek(0)
            metered = _Entries(source)
            for key, entry in ijson.kvitems(metered, ""):
                metered.since = 0
                yield key.encode("utf-8", "backslashreplace").decode(), entry
    except (OSError, ValueError, RecursionError, ijson.JSONError) as error:
        raise SuiteError(f"--source aahq-list: {path}: {error}; {fix}") from None


class _Entries:
    """A list's file, in which no single entry fills the memory.

    Attributes:
        since: bytes read since the last entry.
    """

    def __init__(self, source: BinaryIO) -> None:
        self._source, self.since = source, 0

    def read(self, size: int = -1) -> bytes:
        data = self._source.read(size)
        self.since += len(data)
        if self.since > ENTRY_MAX:
            raise ValueError(f"an entry of more than {ENTRY_MAX >> 20} MiB")
        return data


def _candidate(key: str, entry: Any) -> Candidate:
    url = need(entry, "image_url", str, key)
    landmarks = need(entry, "landmarks", dict, key)
    points = tuple(_point(landmarks, name, key) for name in POINTS)
    page = entry.get("page_url")
    # The landmarks are in pixels of the listed size: another size would need other points.
    return Candidate(
        source=AahqList.name,
        key=key,
        page_url=page if isinstance(page, str) else None,
        image_urls=(url,),
        title=text(entry.get("raw_name")),
        landmarks=(points[0], points[1], points[2], points[3]),
        extra={"raw_name": text(entry.get("raw_name"))},
    )


def _point(landmarks: dict[str, Any], name: str, key: str) -> Point:
    value = landmarks.get(name)
    numbers = isinstance(value, list) and len(value) == 2 and all(type(v) in (int, Decimal) for v in value)
    if not numbers or not all(math.isfinite(v) and abs(v) < 1e6 for v in value):  # type: ignore[union-attr]
        raise Rejected("bad_record", f"{key}: landmark {name!r} is {value!r:.80}, expected [x, y]")
    return float(value[0]), float(value[1])  # type: ignore[index]
