"""`smithsonian`: pictures of the Smithsonian Institution that are CC0. https://edan.si.edu/openaccess/apidocs/

Needs a key of api.data.gov (free): `--key-file FILE`. It goes into a header, so that no address and no ledger holds it. A
record may have several pictures with terms of their own; the first CC0 picture of a record that is CC0 itself is taken.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote

from aahq.consent.licences import open_licence
from aahq.reasons import Rejected
from aahq.sources.museum import Listed, Museum, Work, any_words, path, query_url, same_id, strings
from aahq.sources.reading import Records, need, text
from suite.errors import SuiteError
from suite.files import read_bytes

PAGE = 100
SIDES = (4096, 2048)
IDS = "https://ids.si.edu"
KEY_MAX = 1 << 12


class Smithsonian(Museum):
    """The search's pages; the position is the first row's number."""

    name, site = "smithsonian", "https://api.si.edu"
    about = "https://edan.si.edu/openaccess/apidocs/"

    def __init__(self, options: Any) -> None:
        super().__init__(options)
        self.pictures = self.base if options.base_url else IDS
        if options.key_file is not None:
            try:
                key = read_bytes(options.key_file, KEY_MAX).decode("ascii").strip()
            except (OSError, ValueError) as error:
                raise SuiteError(f"--key-file {options.key_file}: {error}; expected a file with one key") from None
            if not re.fullmatch(r"[A-Za-z0-9_-]{1,100}", key):
                raise SuiteError(f"--key-file {options.key_file}: expected one key of letters and digits")
            self.headers = {"X-Api-Key": key}
        elif options.base_url is None:
            raise SuiteError("--source smithsonian: needs --key-file FILE with a key of https://api.data.gov/signup/")

    def listing_url(self, position: str | None) -> str:
        words = f'{self.query} AND online_media_type:"Images" AND media_usage:"CC0"'
        return query_url(f"{self.base}/openaccess/api/v1.0/search", q=words, rows=PAGE, start=position or "0")

    def listed(self, listing: Any, url: str) -> tuple[list[Listed], str | None]:
        answer = need(listing, "response", dict, url)
        works = []
        for row in need(answer, "rows", list, url):
            usage = path(row, "content", "descriptiveNonRepeating", "metadata_usage", "access")
            works.append(Listed(need(row, "id", str, url), usage if isinstance(usage, str) else None))
        done = int(url.rpartition("start=")[2]) + len(works)
        return works, str(done) if works and done < need(answer, "rowCount", int, url) else None

    def listed_total(self, answer: Any) -> Any:
        return path(answer, "response", "rowCount")

    def record_url(self, id: str) -> str:
        return f"{self.base}/openaccess/api/v1.0/content/{quote(id, safe=':')}"

    def work(self, record: Any, id: str, url: str, records: Records) -> Work:
        row = need(record, "response", dict, url)
        same_id(row.get("id"), id, url)
        content = need(row, "content", dict, url)
        about = need(content, "descriptiveNonRepeating", dict, url)
        free = content.get("freetext")
        usage = need(need(about, "metadata_usage", dict, url), "access", str, url)
        for rights in _rights(free):
            if rights.casefold() not in ("cc0", "public domain", "no known copyright restrictions"):
                raise Rejected("not_open", f"{url}: objectRights {rights[:80]!r}")
        picture, access = _picture(about, url)
        return Work(
            {"metadata_usage": usage, "media usage": access},
            tuple(f"{self.pictures}/ids/deliveryService?{quote('id')}={quote(picture)}&max={side}" for side in SIDES),
            _link(about),
            next(iter(_labelled(free, "name")), ""),
            text(row.get("title")),
            strings(path(content, "indexedStructured", "topic")),
            {
                "medium": next(iter(_labelled(free, "physicalDescription")), ""),
                "department": text(about.get("data_source")),
                "objectDate": next(iter(_labelled(free, "date")), ""),
            },
        )


def _picture(about: Any, url: str) -> tuple[str, str]:
    """The id and the terms of the first picture; one that is not CC0 gives its terms, which close the work."""
    media = need(need(about, "online_media", dict, url), "media", list, url)
    pictures = [item for item in media if isinstance(item, dict) and item.get("type") == "Images"]
    if not pictures:
        raise Rejected("no_picture", f"{url}: none of {len(media)} media is a picture")
    open_ones = [item for item in pictures if path(item, "usage", "access") == "CC0"]
    first = (open_ones or pictures)[0]
    if (more := any_words(path(first, "usage", "text"))) and open_licence(more) is None:
        raise Rejected(
            "not_open", f"{url}: the picture's usage is {path(first, 'usage', 'access')!r:.40}, and {more[:80]!r}"
        )
    return need(first, "idsId", str, url), str(path(first, "usage", "access"))


def _rights(free: Any) -> list[str]:
    """What the object's own rights say; of another form than a list of labelled texts, as it stands."""
    given = free.get("objectRights") if isinstance(free, dict) else any_words(free)
    if isinstance(given, list) and all(isinstance(part, dict) for part in given):
        return [said for part in given if (said := any_words(part.get("content")))]
    return [said] if (said := any_words(given)) else []


def _labelled(free: Any, name: str) -> list[str]:
    values = free.get(name) if isinstance(free, dict) else None
    parts = values if isinstance(values, list) else []
    return [text(part.get("content")) for part in parts if isinstance(part, dict) and text(part.get("content"))]


def _link(about: Any) -> str | None:
    link = about.get("record_link") or about.get("guid")
    return link if isinstance(link, str) and link.startswith("http") else None
