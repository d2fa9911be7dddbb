"""`commons`: pictures of Wikimedia Commons under CC0, the public domain mark or the CC BY family.

https://commons.wikimedia.org/w/api.php: a search or a category (`--query "Category:Portrait paintings"`), then each file's own
record, whose fields for the licence have to agree. Commons' robots.txt is obeyed like any other; as it was last known it keeps
crawlers out of /w/, and then this source stops with exit code 78: ask its operators, or give addresses with `--source urls`.
"""

from __future__ import annotations

import re
from typing import Any

from aahq.reasons import Rejected
from aahq.sources.museum import Listed, Museum, Work, any_words, path, query_url, same_id
from aahq.sources.reading import Records, need, text

PAGE = 50
WIDTH = 4096
_MARKUP = re.compile(r"<[^>]{0,500}>")
# In the fields of free text, beside a licence that is open.
_CLOSED = re.compile(
    r"all rights reserved|fair use|non-?free|no[ -]?deriv|-nd\b|permission (?:is )?required", re.IGNORECASE
)
_TYPES = ("image/jpeg", "image/png", "image/tiff", "image/webp")
# Short codes of `License` that are no licence's name.
_CODES = {"pd": "public domain", "cc0": "CC0"}


class Commons(Museum):
    """The search's pages; the position is the API's own word for going on."""

    name, site = "commons", "https://commons.wikimedia.org"
    about = "https://commons.wikimedia.org"

    def _api(self, **terms: object) -> str:
        return query_url(f"{self.base}/w/api.php", action="query", format="json", formatversion=2, **terms)

    def listing_url(self, position: str | None) -> str:
        if self.query.casefold().startswith("category:"):
            return self._api(
                list="categorymembers", cmtitle=self.query, cmtype="file", cmlimit=PAGE, cmcontinue=position
            )
        return self._api(
            list="search", srsearch=f"{self.query} filetype:bitmap", srnamespace=6, srlimit=PAGE, sroffset=position
        )

    def listed(self, answer: Any, url: str) -> tuple[list[Listed], str | None]:
        query = need(answer, "query", dict, url)
        name = "categorymembers" if "list=categorymembers" in url else "search"
        works = [Listed(str(need(item, "pageid", int, url))) for item in need(query, name, list, url)]
        following = answer.get("continue")
        if not works or not isinstance(following, dict):
            return works, None
        position = following.get("cmcontinue" if name == "categorymembers" else "sroffset")
        if not isinstance(position, str | int):
            raise Rejected("bad_record", f"{url}: continue is {following!r:.80}")
        return works, str(position)

    def listed_total(self, answer: Any) -> Any:
        return path(answer, "query", "searchinfo", "totalhits")

    def record_url(self, id: str) -> str:
        return self._api(
            pageids=id,
            prop="imageinfo",
            iiprop="url|size|mime|extmetadata",
            iiurlwidth=WIDTH,
            iiextmetadatalanguage="en",
        )

    def work(self, record: Any, id: str, url: str, records: Records) -> Work:
        pages = need(need(record, "query", dict, url), "pages", list, url)
        page = pages[0] if pages else {}
        same_id(need(page, "pageid", int, url), id, url)
        info = need(page, "imageinfo", list, url)
        if len(info) != 1:
            raise Rejected("bad_record", f"{url}: {len(info)} versions where one was expected")
        file = info[0]
        if (mime := need(file, "mime", str, url)) not in _TYPES:
            raise Rejected("no_picture", f"{url}: {mime[:60]}")
        about = need(file, "extmetadata", dict, url)
        for name in ("NonFree", "DeletionReason"):
            if any_words(about.get(name)) and any_words(
                path(about, name, "value") if isinstance(about[name], dict) else about[name]
            ):
                raise Rejected("not_open", f"{url}: marked as not free, or for deletion")
        if _CLOSED.search(terms := _value(about, "UsageTerms") + _value(about, "Permission")):
            raise Rejected("not_open", f"{url}: its terms say {terms[:80]!r}")
        original = need(file, "url", str, url)
        smaller = file.get("thumburl")
        return Work(
            _licence(about),
            tuple(dict.fromkeys(filter(None, (smaller if isinstance(smaller, str) else None, original)))),
            file.get("descriptionurl") if isinstance(file.get("descriptionurl"), str) else None,
            _value(about, "Artist"),
            _value(about, "ObjectName") or text(page.get("title")),
            tuple(filter(None, (text(name) for name in _value(about, "Categories").split("|")))),
            {
                "medium": _value(about, "Medium"),
                "objectDate": _value(about, "DateTimeOriginal"),
                "credit": _value(about, "Credit"),
                "restrictions": _value(about, "Restrictions"),
            },
        )


def _licence(about: dict[str, Any]) -> dict[str, str]:
    """Every field about the terms, in words that `open_licence` knows where it can be."""
    stated = {name: _value(about, name) for name in ("LicenseShortName", "License", "LicenseUrl")}
    stated["License"] = _CODES.get(stated["License"].lower(), stated["License"])
    if "publicdomain/mark" in stated["LicenseUrl"] or stated["License"] == "public domain":
        # The template that says why is no licence of its own ("PD-old-100", "Public domain").
        stated["LicenseShortName"] = re.sub(r"^PD-[\w-]{1,60}$", "public domain", stated["LicenseShortName"])
    return {name: value for name, value in stated.items() if value}


def _value(about: dict[str, Any], name: str) -> str:
    """A field's value without markup, or nothing."""
    entry = about.get(name)
    value = entry.get("value") if isinstance(entry, dict) else None
    return text(_MARKUP.sub(" ", str(value))) if isinstance(value, str | int) else ""
