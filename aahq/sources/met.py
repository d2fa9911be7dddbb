"""`met`: paintings of the Metropolitan Museum of Art that are open access (CC0): lawful without asking anyone.

Each object's own record says whether it is in the public domain; that statement is the evidence of consent.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any
from urllib.parse import urlencode

from aahq.candidates import Candidate
from aahq.reasons import Rejected
from aahq.sources import SourceOptions, SourcePage, Unusable
from aahq.sources.reading import Records, listing, need, tag_names, text
from aahq.web.client import Http
from aahq.web.interrupts import Changed
from suite.errors import SuiteError

SITE = "https://collectionapi.metmuseum.org"
PAGE = 20
LICENSE = "CC0-1.0"


class Met:
    """The search's objects in the order of their numbers; the cursor is the last number done."""

    name = "met"
    uses = ("query",)
    local = False

    def __init__(self, options: SourceOptions) -> None:
        if not options.query.strip():
            raise SuiteError("--query: empty; expected words to search the collection for, as in --query portrait")
        self.query = options.query
        self.base = (options.base_url or SITE).rstrip("/") + "/public/collection/v1"

    def pages(self, http: Http | None, cursor: str | None) -> Iterator[SourcePage]:
        """Pages of 20 objects. Raises `aahq.web.interrupts.Stop`."""
        assert http is not None, "the Met is read over HTTP"
        if cursor is not None and not (cursor.isascii() and cursor.isdigit()):
            raise SuiteError(f"met: cursor {cursor!r} in the ledger; expected the last object's number")
        ids = self._ids(http)
        records = Records(http)
        left = (number for number in ids if cursor is None or number > int(cursor))
        while batch := list(islice(left, PAGE)):
            candidates: list[Candidate] = []
            unusable: list[Unusable] = []
            for number in batch:
                self._read_object(records, number, candidates, unusable)
            records.settle()
            if len(unusable) == len(batch) > 1 and all(row.reason == "bad_record" for row in unusable):
                raise Changed(self.base, f"none of {len(batch)} objects could be read ({unusable[0].detail})")
            yield SourcePage(candidates, str(batch[-1]), unusable)

    def _search_url(self) -> str:
        query = urlencode({"hasImages": "true", "medium": "Paintings", "q": self.query})
        return f"{self.base}/search?{query}"

    def _ids(self, http: Http) -> list[int]:
        url = self._search_url()
        found = listing(http, url)
        ids = found.get("objectIDs") if isinstance(found, dict) else None
        if ids is None and isinstance(found, dict) and found.get("total") == 0:
            return []
        if not isinstance(ids, list) or not all(type(number) is int and number >= 0 for number in ids):
            raise Changed(url, f"objectIDs is {ids!r:.80}, expected a list of numbers")
        return sorted(set(ids))

    def _read_object(
        self, records: Records, number: int, candidates: list[Candidate], unusable: list[Unusable]
    ) -> None:
        url = f"{self.base}/objects/{number}"
        try:
            candidates.append(_candidate(records.json(url), number, url))
        except Rejected as refused:
            unusable.append(Unusable(str(number), None, refused.reason, refused.detail))


def _candidate(record: Any, number: int, url: str) -> Candidate:
    if not need(record, "isPublicDomain", bool, url):
        raise Rejected("not_open", f"{url}: isPublicDomain is false")
    largest = need(record, "primaryImage", str, url)
    if not largest:
        raise Rejected("no_picture", f"{url}: primaryImage is empty")
    smaller = record.get("primaryImageSmall")
    page = record.get("objectURL")
    tags = record.get("tags")
    facts = {name: text(record.get(name)) for name in ("medium", "department", "objectDate")}
    return Candidate(
        source=Met.name,
        key=str(number),
        page_url=page if isinstance(page, str) and page else None,
        image_urls=(largest, smaller) if isinstance(smaller, str) and smaller else (largest,),
        artist=text(record.get("artistDisplayName")) or None,
        title=text(record.get("title")),
        tags=tag_names(
            [tag.get("term", tag) if isinstance(tag, dict) else tag for tag in tags] if isinstance(tags, list) else []
        ),
        license=LICENSE,
        extra={**facts, "license_record": url},
    )
