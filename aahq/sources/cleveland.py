"""`cleveland`: the Cleveland Museum of Art's open works (CC0). https://openaccess-api.clevelandart.org"""

from __future__ import annotations

from typing import Any

from aahq.reasons import Rejected
from aahq.sources.museum import Listed, Museum, Work, address, any_words, path, query_url, same_id
from aahq.sources.reading import Records, need, text

PAGE = 100
# Of the record's pictures; `full` is a TIFF of some hundred megabytes.
SIZES = ("print", "web")


class Cleveland(Museum):
    """The search's pages; the position is how many works were skipped."""

    name, site = "cleveland", "https://openaccess-api.clevelandart.org"
    about = "https://openaccess-api.clevelandart.org"

    def listing_url(self, position: str | None) -> str:
        return query_url(
            f"{self.base}/api/artworks/", q=self.query, has_image=1, cc0=1, limit=PAGE, skip=position or "0"
        )

    def listed(self, answer: Any, url: str) -> tuple[list[Listed], str | None]:
        works = [
            Listed(str(need(item, "id", int, url)), need(item, "share_license_status", str, url))
            for item in need(answer, "data", list, url)
        ]
        info = need(answer, "info", dict, url)
        total, skipped = need(info, "total", int, url), int(url.rpartition("skip=")[2])
        done = skipped + len(works)
        return works, str(done) if works and done < total else None

    def listed_total(self, answer: Any) -> Any:
        return path(answer, "info", "total")

    def record_url(self, id: str) -> str:
        return f"{self.base}/api/artworks/{id}"

    def work(self, record: Any, id: str, url: str, records: Records) -> Work:
        data = need(record, "data", dict, url)
        same_id(data.get("id"), id, url)
        if rights := any_words(data.get("copyright")):
            raise Rejected("not_open", f"{url}: copyright {rights!r:.80}")
        images = need(data, "images", dict, url)
        pictures = [images.get(size) for size in SIZES]
        makers = data.get("creators")
        first = makers[0] if isinstance(makers, list) and makers and isinstance(makers[0], dict) else {}
        culture = data.get("culture")
        return Work(
            {"share_license_status": need(data, "share_license_status", str, url)},
            tuple(need(image, "url", str, url) for image in pictures if isinstance(image, dict)),
            address(data.get("url")),
            text(first.get("description")),
            text(data.get("title")),
            (),
            {
                "medium": text(data.get("technique")) or text(data.get("type")),
                "department": text(data.get("department")),
                "objectDate": text(data.get("creation_date")),
                "style": text(culture[0]) if isinstance(culture, list) and culture else "",
            },
        )
