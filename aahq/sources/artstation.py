"""`artstation`: the works of one channel, page by page, as ArtStation's own pages read them.

Channels are found by name, never by a fixed number. For every work its JSON is read; each image asset is a candidate. A
challenge, a long "too many" or a changed listing ends the crawl resumably; a malformed work is set aside alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

from aahq.candidates import Candidate
from aahq.reasons import Rejected
from aahq.sources import SourceOptions, SourcePage, Unusable
from aahq.sources.reading import Records, listing, need, says_ai_made, tag_names, text
from aahq.web.client import Http
from aahq.web.interrupts import FormatChanged
from suite.errors import SuiteError, did_you_mean

SITE = "https://www.artstation.com"
PER_PAGE = 30
# The listing's own count was seen to stop here, so from here on only an empty page is the end.
CAPPED_TOTAL = 10_000
SORTINGS = ("latest", "trending", "rising")
SIZES = ("4k", "large", "medium", "small")
_SIZE = re.compile(rf"/({'|'.join(SIZES)})/(?=[^/]*$)")
_HASH = re.compile(r"[A-Za-z0-9_-]{1,40}\Z")
_CURSOR = re.compile(r"page=([1-9][0-9]{0,6}) works=([0-9]{1,9})\Z")


class ArtStation:
    """A channel's works.

    The cursor is "page=<next page> works=<works seen>". New works push older ones to later pages; those come twice then,
    with the same key.
    """

    name = "artstation"
    about = "https://www.artstation.com"
    uses = ("channel", "sorting")
    local = False

    def __init__(self, options: SourceOptions) -> None:
        if options.sorting not in SORTINGS:
            raise SuiteError(f"--sorting: no {options.sorting!r}{did_you_mean(options.sorting, SORTINGS)}")
        self.channel = options.channel
        self.sorting = options.sorting
        self.base = (options.base_url or SITE).rstrip("/")

    def pages(self, http: Http | None, cursor: str | None) -> Iterator[SourcePage]:
        """One `SourcePage` for each page of the listing (30 works).

        Raises:
            Stop: the site ends the crawl.
            SuiteError: no such channel.
        """
        assert http is not None, "artstation is read over HTTP"
        page, count = _position(cursor)
        records = Records(http)
        channel = self._channel_id(http)
        while True:
            url = self._listing_url(channel, page)
            answer = listing(http, url)
            try:
                works = need(answer, "data", list, url)
            except Rejected as refused:
                raise FormatChanged(url, refused.detail) from None
            if not works:
                return
            candidates: list[Candidate] = []
            unusable: list[Unusable] = []
            for work in works:
                self._read_work(records, work, candidates, unusable)
            records.settle()
            if len(unusable) == len(works) and all(row.reason == "bad_record" for row in unusable):
                raise FormatChanged(url, f"none of {len(works)} works could be read ({unusable[0].detail})")
            count, page = count + len(works), page + 1
            yield SourcePage(candidates, f"page={page} works={count}", unusable)
            total = answer.get("total_count")
            if isinstance(total, int) and total < CAPPED_TOTAL and (page - 1) * PER_PAGE >= total:
                return

    def _channel_id(self, http: Http) -> int:
        url = f"{self.base}/api/v2/community/channels/channels.json"
        try:
            channels = need(listing(http, url), "data", list, url)
            wanted = self.channel.casefold()
            for channel in channels:
                if wanted in (text(need(channel, key, str, url)).casefold() for key in ("uri", "name")):
                    return need(channel, "id", int, url)
        except Rejected as refused:
            raise FormatChanged(url, refused.detail) from None
        raise SuiteError(
            f"--channel: no {self.channel!r}{did_you_mean(self.channel, [str(c['uri']) for c in channels])}"
        )

    def _listing_url(self, channel: int, page: int) -> str:
        query = {
            "channel_id": channel,
            "page": page,
            "per_page": PER_PAGE,
            "sorting": self.sorting,
            "dimension": "all",
        }
        return f"{self.base}/api/v2/community/channels/projects.json?{urlencode(query)}"

    def _read_work(self, records: Records, item: Any, candidates: list[Candidate], unusable: list[Unusable]) -> None:
        """Add the work's pictures, or the reason why it has none to offer."""
        hash_id = item.get("hash_id") if isinstance(item, dict) else None
        if not isinstance(hash_id, str) or not _HASH.match(hash_id):
            unusable.append(Unusable(f"{hash_id!r:.60}", None, "bad_record", f"hash_id is {hash_id!r:.80}"))
            return
        page_url = f"{self.base}/artwork/{hash_id}"
        url = f"{self.base}/projects/{hash_id}.json"
        try:
            # A mature work is refused by the listing's own mark; its JSON need not be asked for.
            work = item if item.get("hide_as_adult") is True else records.json(url)
            candidates += self._candidates(work, hash_id, page_url)
        except Rejected as refused:
            unusable.append(Unusable(hash_id, page_url, refused.reason, refused.detail))

    def _candidates(self, work: Any, hash_id: str, page_url: str) -> list[Candidate]:
        adult = (
            work.get("hide_as_adult") is True or work.get("adult_content") is True if isinstance(work, dict) else False
        )
        user = need(work, "user", dict, page_url)
        tags = tag_names(work.get("tags"))
        software = tag_names(work.get("software_items"))
        about: dict[str, Any] = {
            "artist": text(need(user, "username", str, page_url)),
            "title": text(work.get("title")),
            "tags": tags,
            "published": text(work.get("published_at")) or None,
            "adult": adult,
            "ai_made": says_ai_made(tags, software),
        }
        facts = {"artist_name": text(user.get("full_name")), "work": hash_id, "software": list(software)}
        if adult and "assets" not in work:
            # One row that keeps the reason; no picture of it is looked for.
            return [Candidate(self.name, hash_id, page_url, (), extra=facts, **about)]
        candidates = []
        for asset in need(work, "assets", list, page_url):
            if not isinstance(asset, dict) or asset.get("asset_type") != "image" or asset.get("has_image") is False:
                continue
            key = f"{hash_id}/{need(asset, 'id', int, page_url)}"
            urls = sizes(need(asset, "image_url", str, page_url))
            size = {name: asset[name] for name in ("width", "height") if isinstance(asset.get(name), int)}
            candidates.append(Candidate(self.name, key, page_url, urls, extra={**facts, **size}, **about))
        if not candidates:
            raise Rejected("no_picture", "the work has no image asset")
        return candidates


def sizes(url: str) -> tuple[str, ...]:
    """The same picture's addresses, largest first, where the size stands in the path; else the address alone."""
    stated = _SIZE.search(url)
    if stated is None:
        return (url,)
    return tuple(f"{url[: stated.start(1)]}{size}{url[stated.end(1) :]}" for size in SIZES)


def _position(cursor: str | None) -> tuple[int, int]:
    if cursor is None:
        return 1, 0
    match = _CURSOR.match(cursor)
    if match is None:
        raise SuiteError(f"artstation: cursor {cursor!r} in the ledger; expected 'page=N works=M'")
    return int(match[1]), int(match[2])
