"""`rijksmuseum`: works of the Rijksmuseum whose picture is in the public domain or CC0. https://data.rijksmuseum.nl/docs

The search gives identifiers; each leads to a Linked Art record, from there to what it shows and to the digital picture, which
has rights of its own: a work costs three requests. No key is needed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

from aahq.consent.licences import open_licence
from aahq.reasons import Rejected
from aahq.sources.museum import Listed, Museum, Work, any_words, iiif_sizes, path, query_url
from aahq.sources.reading import Records, need, text

ENTITIES = "https://id.rijksmuseum.nl"
# Getty's concepts that Linked Art names parts of a text by.
_TITLE, _MATERIAL = "300404670", "300435429"


class Rijksmuseum(Museum):
    """The search's pages; the position is the page token of the next one."""

    name, site = "rijksmuseum", "https://data.rijksmuseum.nl"
    about = "https://data.rijksmuseum.nl/docs"
    uses = ("query", "medium")

    def __init__(self, options: Any) -> None:
        super().__init__(options)
        self.entities = self.base if options.base_url else ENTITIES
        self.type = options.medium or "painting"
        self.headers = {"Accept": "application/ld+json, application/json"}

    def listing_url(self, position: str | None) -> str:
        return query_url(
            f"{self.base}/search/collection",
            type=self.type,
            title=self.query,
            imageAvailable="true",
            pageToken=position,
        )

    def listed(self, answer: Any, url: str) -> tuple[list[Listed], str | None]:
        works = [Listed(_number(need(item, "id", str, url), url)) for item in need(answer, "orderedItems", list, url)]
        following = answer.get("next")
        if not works or not isinstance(following, dict):
            return works, None
        token = parse_qs(urlsplit(need(following, "id", str, url)).query).get("pageToken", [])
        if len(token) != 1:
            raise Rejected("bad_record", f"{url}: the next page {following!r:.80} has no pageToken")
        return works, token[0]

    def listed_total(self, answer: Any) -> Any:
        return path(answer, "partOf", "totalItems")

    def record_url(self, id: str) -> str:
        return f"{self.entities}/{id}"

    def work(self, record: Any, id: str, url: str, records: Records) -> Work:
        if _number(need(record, "id", str, url), url) != id:
            raise Rejected("bad_record", f"{url}: the record of {record['id']!r:.60}")
        picture, digital = self._digital(record, url, records)
        rights = dict(_rights(digital, picture))
        for value in dict(_rights(record, url)).values():
            # Of the object itself; who gives its picture freely says so of the picture.
            if open_licence(value) is None:
                raise Rejected("not_open", f"{url}: the work is subject to {value[:80]}")
        points = [need(point, "id", str, picture) for point in _each(digital, "access_point")]
        made = record.get("produced_by")
        return Work(
            rights,
            iiif_sizes(points[0]) if points else (),
            next((page for page in _pages(record)), None),
            _maker(made),
            _named(record, _TITLE) or text(record.get("_label")),
            (),
            {
                "medium": _named(record, _MATERIAL, "referred_to_by"),
                "department": "",
                "objectDate": _date(made),
            },
        )

    def _digital(self, record: Any, url: str, records: Records) -> tuple[str, Any]:
        """The address and record of the first digital picture of what the work shows."""
        for item in _each(record, "shows"):
            visual = records.json(self._here(need(item, "id", str, url)))
            for carrier in _each(visual, "digitally_shown_by"):
                where = self._here(need(carrier, "id", str, url))
                return where, records.json(where)
        raise Rejected("no_picture", f"{url}: it shows nothing that is digitally shown")

    def _here(self, entity: str) -> str:
        return f"{self.entities}/{_number(entity, entity)}"


def _number(entity: str, url: str) -> str:
    """The number at the end of an identifier: nothing else of it is followed."""
    number = urlsplit(entity).path.rpartition("/")[2]
    if not (number.isascii() and number.isdigit() and len(number) < 20):
        raise Rejected("bad_record", f"{url}: identifier {entity!r:.80}")
    return number


def _each(record: Any, name: str) -> Iterator[Any]:
    values = record.get(name) if isinstance(record, dict) else None
    yield from (value for value in values if isinstance(value, dict)) if isinstance(values, list) else ()


def _rights(digital: Any, url: str) -> Iterator[tuple[str, str]]:
    """Every statement of rights over a work or its picture; one that cannot be read as itself, which no licence is."""
    given = digital.get("subject_to") or []
    for number, right in enumerate(given if isinstance(given, list) else [given]):
        kinds = right.get("classified_as") if isinstance(right, dict) else right
        for place, kind in enumerate(kinds if isinstance(kinds, list) else [kinds]):
            yield (
                f"subject_to {number}.{place}",
                any_words(kind.get("id") if isinstance(kind, dict) else kind) or "nothing",
            )


def _named(record: Any, concept: str, where: str = "identified_by") -> str:
    for part in _each(record, where):
        if any(str(kind.get("id", "")).endswith(concept) for kind in _each(part, "classified_as")):
            content = part.get("content")
            return text(content[0] if isinstance(content, list) and content else content)
    return ""


def _maker(made: Any) -> str:
    for part in (made, *_each(made, "part")):
        for person in _each(part, "carried_out_by"):
            if name := text(person.get("_label")):
                return name
        for words in _each(part, "referred_to_by"):
            if name := text(words.get("content")):
                return name
    return ""


def _date(made: Any) -> str:
    span = made.get("timespan") if isinstance(made, dict) else None
    for name in _each(span, "identified_by"):
        if words := text(name.get("content")):
            return words
    return text(span.get("begin_of_the_begin"))[:4] if isinstance(span, dict) else ""


def _pages(record: Any) -> Iterator[str]:
    for subject in _each(record, "subject_of"):
        for carrier in _each(subject, "digitally_carried_by"):
            for point in _each(carrier, "access_point"):
                if isinstance(point.get("id"), str):
                    yield str(point["id"])
