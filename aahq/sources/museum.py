"""What the museums' sources share: a listing page by page, then each work's own record, whose licence is the evidence.

The record is asked for although the listing holds most of it: the licence counts as the record states it, and where listing
and record differ, or the record contradicts itself, the work is set aside as not open. Facts that a release can be balanced by
(medium, decade, style, department) go into the candidate's `extra`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar
from urllib.parse import urlencode

from aahq.candidates import Candidate
from aahq.consent.licences import open_licence
from aahq.reasons import Rejected
from aahq.sources import SourceOptions, SourcePage, Unusable
from aahq.sources.reading import Records, listing, text
from aahq.web.client import Http
from aahq.web.interrupts import FormatChanged
from suite.errors import SuiteError

END = "end"
# IIIF Image API, the size parameter: inside a square of so many pixels. Larger first; some servers stop below.
IIIF_SIDES = (4096, 2048, 1024)
_IIIF = re.compile(r"(.*/)(full|square|[0-9,]+)/([^/]+)/([^/]+)/(\w+\.\w+)\Z")
_YEAR = re.compile(r"(?<![0-9])(1[0-9]{3}|20[0-9]{2})(?![0-9])")


@dataclass(frozen=True)
class Listed:
    """A work in a listing: its id, and what the listing says of its licence (an open licence's name), None for nothing."""

    id: str
    licence: str | None = None


@dataclass(frozen=True)
class Work:
    """A work as its own record describes it.

    Attributes:
        licence: every statement of the record about the terms, field -> value; all of them have to be open and to agree.
        image_urls: largest first.
        facts: what goes into the candidate's `extra`, the decade of `objectDate` besides.
    """

    licence: dict[str, str]
    image_urls: tuple[str, ...]
    page_url: str | None = None
    artist: str | None = None
    title: str = ""
    tags: tuple[str, ...] = ()
    facts: dict[str, Any] = field(default_factory=dict)


class Museum:
    """A museum's open works; subclasses say where its listing and records are and how they read."""

    name: str = ""
    site: str = ""
    uses: ClassVar[tuple[str, ...]] = ("query",)
    local: ClassVar[bool] = False

    def __init__(self, options: SourceOptions) -> None:
        if not options.query.strip():
            raise SuiteError("--query: empty; expected words to search the collection for, as in --query portrait")
        self.query = options.query
        self.base = (options.base_url or self.site).rstrip("/")
        self.headers: dict[str, str] = {}
        # What the listing says of its own length, once it was read.
        self.total: int | None = None

    # What a subclass answers.

    def listing_url(self, position: str | None) -> str:
        """The listing's page at a position, the first one for None."""
        raise NotImplementedError

    def listed(self, answer: Any, url: str) -> tuple[list[Listed], str | None]:
        """The works of a listing's page, and the position of the next one. Raises `Rejected("bad_record")`."""
        raise NotImplementedError

    def listed_total(self, answer: Any) -> Any:
        """The listing's own count of its works; anything else counts as none."""
        return None

    def record_url(self, id: str) -> str:
        """Where a work's record is."""
        raise NotImplementedError

    def work(self, record: Any, id: str, url: str, records: Records) -> Work:
        """Read a record; `records` is for what it refers to. Raises `Rejected`."""
        raise NotImplementedError

    # What is the same for all.

    def pages(self, http: Http | None, cursor: str | None) -> Iterator[SourcePage]:
        """One `SourcePage` for a page of the listing; the cursor is the next one's position.

        Raises:
            Stop: the site ends the crawl.
        """
        assert http is not None, f"{self.name} is read over HTTP"
        records = Records(http, self.headers)
        for works, position in self._batches(http, cursor):
            candidates: list[Candidate] = []
            unusable: list[Unusable] = []
            for item in works:
                try:
                    candidates.append(self._candidate(records, item))
                except Rejected as refused:
                    unusable.append(Unusable(item.id, None, refused.reason, refused.detail))
            records.settle()
            if len(unusable) == len(works) > 1 and all(row.reason == "bad_record" for row in unusable):
                raise FormatChanged(self.base, f"none of {len(works)} works could be read ({unusable[0].detail})")
            yield SourcePage(candidates, position, unusable, self.total)

    def _batches(self, http: Http, cursor: str | None) -> Iterator[tuple[list[Listed], str]]:
        """Pages of the listing, each with the cursor behind it."""
        position, positions = cursor, {cursor}
        while position != END:
            url = self.listing_url(position)
            answer = listing(http, url, self.headers)
            try:
                works, following = self.listed(answer, url)
            except Rejected as refused:
                raise FormatChanged(url, refused.detail) from None
            if following is not None and following in positions:
                raise FormatChanged(url, f"its next page is {following!r} again")
            positions.add(following)
            total = self.listed_total(answer)
            self.total = total if type(total) is int and total >= 0 else None
            position = following if following is not None else END
            # The same work twice on a page is one.
            yield list({work.id: work for work in works}.values()), position

    def _candidate(self, records: Records, item: Listed) -> Candidate:
        url = self.record_url(item.id)
        work = self.work(records.json(url), item.id, url, records)
        licence = agreed(work.licence, item.licence, url)
        if not work.image_urls:
            raise Rejected("no_picture", f"{url}: no address of a picture")
        stated = ", ".join(f"{name}: {value}" for name, value in work.licence.items())
        facts = {**work.facts, "decade": decade(str(work.facts.get("objectDate") or ""))}
        return Candidate(
            source=self.name,
            key=item.id,
            page_url=work.page_url,
            image_urls=work.image_urls,
            artist=work.artist or None,
            title=work.title,
            tags=work.tags,
            license=licence,
            extra={
                **{name: value for name, value in facts.items() if value},
                "license_record": url,
                "license_stated": text(stated),
            },
        )


def agreed(stated: dict[str, str], listed: str | None, url: str) -> str:
    """The one open licence that every statement of a record, and the listing where it says one, comes to.

    Raises:
        Rejected: "not_open", with the statements.
    """
    words = ", ".join(f"{name}: {value}" for name, value in stated.items())[:300]
    names = {open_licence(value) for value in stated.values()}
    if not names or None in names:
        raise Rejected("not_open", f"{url}: {words or 'no licence is stated'}")
    if len(names) > 1:
        raise Rejected("not_open", f"{url}: the record contradicts itself ({words})")
    licence = str(names.pop())
    if listed is not None and open_licence(listed) != licence:
        raise Rejected("not_open", f"{url}: the listing says {listed[:80]}, the record {words}")
    return licence


def path(value: Any, *names: str) -> Any:
    """What stands at the end of a path of names, or None."""
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def any_words(value: Any) -> str:
    """A field that should say nothing, as text whatever it holds: rights in a list or an object are rights, too."""
    return "" if value is False else text(value if isinstance(value, str) else str(value or ""))


def same_id(other: object, id: str, url: str) -> None:
    """Raises `Rejected("bad_record")` where a record is another work's than the one asked for."""
    if str(other) != id:
        raise Rejected("bad_record", f"{url}: the record of {other!r:.60}, not of {id!r:.60}")


def iiif_sizes(url: str) -> tuple[str, ...]:
    """An IIIF picture's addresses, largest first: within the sides of `IIIF_SIDES`, then as it was given; others alone."""
    match = _IIIF.match(url)
    if match is None:
        return (url,)
    sizes = [f"{match[1]}full/!{side},{side}/{match[4]}/{match[5]}" for side in IIIF_SIDES]
    return tuple(dict.fromkeys((*sizes, url)))


def decade(date: str) -> str:
    """The decade of the first year in a date ("ca. 1642" -> "1640s"), or nothing."""
    match = _YEAR.search(date)
    return f"{int(match[1]) // 10 * 10}s" if match else ""


def query_url(base: str, **terms: object) -> str:
    """An address with a query; None terms are left out."""
    return f"{base}?{urlencode({name: value for name, value in terms.items() if value is not None})}"


def strings(values: Any) -> tuple[str, ...]:
    """Those of the values that are text, cleaned; none where it is no list."""
    listed = values if isinstance(values, list) else []
    return tuple(cleaned for value in listed if isinstance(value, str) and (cleaned := text(value)))


def address(value: Any) -> str | None:
    """The value where it is text that is not empty."""
    return value if isinstance(value, str) and value else None
