"""`met`: paintings, drawings and prints of the Metropolitan Museum of Art that are open access (CC0).

https://metmuseum.github.io: one search gives all numbers; each object's record says whether it is in the public domain.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

from aahq.reasons import Rejected
from aahq.sources import SourceOptions
from aahq.sources.museum import Listed, Museum, Work, address, any_words, query_url, same_id, strings
from aahq.sources.reading import Records, listing, need, text
from aahq.web.client import Http
from aahq.web.interrupts import FormatChanged
from suite.errors import SuiteError

PAGE = 20
MEDIUMS = "Paintings|Drawings|Prints"


class Met(Museum):
    """The search's objects in the order of their numbers; the cursor is the last number done."""

    name, site = "met", "https://collectionapi.metmuseum.org"
    about = "https://metmuseum.github.io"
    uses = ("query", "medium")

    def __init__(self, options: SourceOptions) -> None:
        super().__init__(options)
        self.medium = options.medium or MEDIUMS
        self.base += "/public/collection/v1"

    def _batches(self, http: Http, cursor: str | None) -> Iterator[tuple[list[Listed], str]]:
        if cursor is not None and not (cursor.isascii() and cursor.isdigit()):
            raise SuiteError(f"met: cursor {cursor!r} in the ledger; expected the last object's number")
        ids = self._ids(http)
        self.total = len(ids)
        left = (number for number in ids if cursor is None or number > int(cursor))
        while batch := list(islice(left, PAGE)):
            yield [Listed(str(number)) for number in batch], str(batch[-1])

    def _ids(self, http: Http) -> list[int]:
        url = query_url(f"{self.base}/search", hasImages="true", medium=self.medium, q=self.query)
        answer = listing(http, url)
        ids = answer.get("objectIDs") if isinstance(answer, dict) else None
        if ids is None and isinstance(answer, dict) and answer.get("total") == 0:
            return []
        if not isinstance(ids, list) or not all(type(number) is int and number >= 0 for number in ids):
            raise FormatChanged(url, f"objectIDs is {ids!r:.80}, expected a list of numbers")
        return sorted(set(ids))

    def record_url(self, id: str) -> str:
        return f"{self.base}/objects/{id}"

    def work(self, record: Any, id: str, url: str, records: Records) -> Work:
        open_access = need(record, "isPublicDomain", bool, url)
        if "objectID" in record:
            same_id(record["objectID"], id, url)
        if not open_access:
            raise Rejected("not_open", f"{url}: isPublicDomain is false")
        if rights := any_words(record.get("rightsAndReproduction")):
            raise Rejected("not_open", f"{url}: isPublicDomain is true, and rightsAndReproduction {rights!r:.80}")
        largest = need(record, "primaryImage", str, url)
        if not largest:
            raise Rejected("no_picture", f"{url}: primaryImage is empty")
        tags = record.get("tags") if isinstance(record.get("tags"), list) else []
        return Work(
            # The Met gives what is in the public domain under CC0.
            {"isPublicDomain": "CC0"},
            strings([largest, record.get("primaryImageSmall")]),
            address(record.get("objectURL")),
            text(record.get("artistDisplayName")),
            text(record.get("title")),
            strings([tag.get("term") if isinstance(tag, dict) else tag for tag in tags]),
            {
                "medium": text(record.get("medium")),
                "department": text(record.get("department")),
                "objectDate": text(record.get("objectDate")),
                "style": text(record.get("period")) or text(record.get("culture")),
            },
        )
