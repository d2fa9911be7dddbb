"""`artic`: the Art Institute of Chicago's works in the public domain (CC0). https://api.artic.edu/docs

Pictures come from its IIIF server; the side that it keeps ready for works in the public domain is asked for first.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from aahq.reasons import Rejected
from aahq.sources.museum import Listed, Museum, Work, any_words, path, query_url, same_id, strings
from aahq.sources.reading import Records, need, text

PAGE = 100
# The search gives no more than this many works, however many it counts.
DEPTH = 10_000
WIDTHS = (1686, 843)
FIELDS = "id,is_public_domain"


class Artic(Museum):
    """The search's pages; the position is the page's number."""

    name, site = "artic", "https://api.artic.edu"
    about = "https://api.artic.edu/docs"

    def listing_url(self, position: str | None) -> str:
        terms = {"query[term][is_public_domain]": "true", "fields": FIELDS, "limit": PAGE, "page": position or "1"}
        return query_url(f"{self.base}/api/v1/artworks/search", q=self.query, **terms)

    def listed(self, answer: Any, url: str) -> tuple[list[Listed], str | None]:
        works = []
        for item in need(answer, "data", list, url):
            licence = "CC0" if need(item, "is_public_domain", bool, url) else "closed"
            works.append(Listed(str(need(item, "id", int, url)), licence))
        paging = need(answer, "pagination", dict, url)
        page, pages = need(paging, "current_page", int, url), need(paging, "total_pages", int, url)
        more = works and page < pages and (page + 1) * PAGE <= DEPTH
        return works, str(page + 1) if more else None

    def listed_total(self, answer: Any) -> Any:
        return path(answer, "pagination", "total")

    def record_url(self, id: str) -> str:
        return f"{self.base}/api/v1/artworks/{id}"

    def work(self, record: Any, id: str, url: str, records: Records) -> Work:
        data = need(record, "data", dict, url)
        same_id(data.get("id"), id, url)
        if not need(data, "is_public_domain", bool, url):
            raise Rejected("not_open", f"{url}: is_public_domain is false")
        if rights := any_words(data.get("copyright_notice")):
            raise Rejected("not_open", f"{url}: is_public_domain is true, and copyright_notice {rights!r:.80}")
        if not data.get("image_id"):
            raise Rejected("no_picture", f"{url}: no image_id")
        image = need(data, "image_id", str, url)
        config = record.get("config")
        iiif = config.get("iiif_url") if isinstance(config, dict) else None
        server = iiif if isinstance(iiif, str) else "https://www.artic.edu/iiif/2"
        return Work(
            {"is_public_domain": "CC0"},
            tuple(f"{server.rstrip('/')}/{quote(image, safe='')}/full/{width},/0/default.jpg" for width in WIDTHS),
            f"https://www.artic.edu/artworks/{id}",
            text(data.get("artist_title")) or text(data.get("artist_display")),
            text(data.get("title")),
            strings(data.get("term_titles")),
            {
                "medium": text(data.get("medium_display")) or text(data.get("classification_title")),
                "department": text(data.get("department_title")),
                "objectDate": text(data.get("date_display")),
                "style": text(data.get("style_title")),
            },
        )
