"""The gallery in the published shapes of Chicago, Cleveland, the Rijksmuseum, the Smithsonian and Wikimedia Commons.

Works whose artists reserved them, or that the sites would not give away, are not open here either.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from aahq.painted.gallery.answers import image_path
from aahq.painted.gallery.gallery import Gallery
from aahq.painted.gallery.works import Work

_ENTITY = 10_000_000
Answer = Callable[[Gallery, str, dict[str, str]], Any]


def is_open(work: Work) -> bool:
    """Whether the gallery's museums give the work away."""
    return not (work.noai or work.adult or "NoAI" in work.tags or "CreatedWithAI" in work.tags)


def answer(gallery: Gallery, base: str, path: str, query: dict[str, str]) -> Any:
    """The JSON behind a museum's address, or None where none is there."""
    if (listing := _LISTINGS.get(path)) is not None:
        return listing(gallery, base, query)
    for pattern, record in _RECORDS:
        if match := pattern.match(path):
            number = int(match[1])
            work = gallery.by_number.get(number % _ENTITY)
            return None if work is None else record(gallery, base, work, number)
    return None


def _part(gallery: Gallery, start: int, size: int) -> tuple[list[Work], int]:
    works = gallery.works
    return works[start : start + size], len(works)


def _year(work: Work) -> str:
    return str(1600 + 7 * (work.number % 45))


# --- the Art Institute of Chicago: https://api.artic.edu/docs


def artic_search(gallery: Gallery, base: str, query: dict[str, str]) -> dict[str, Any]:
    limit, page = int(query.get("limit", "10")), int(query.get("page", "1"))
    # The search asks for works in the public domain.
    works = [work for work in _part(gallery, 0, 1 << 30)[0] if is_open(work)]
    part = works[(page - 1) * limit : page * limit]
    paging = {"total": len(works), "limit": limit, "offset": (page - 1) * limit}
    return {
        "pagination": {**paging, "total_pages": -(-len(works) // limit), "current_page": page},
        "data": [{"id": work.number, "is_public_domain": True} for work in part],
        "info": {"license_text": "The data in this response is licensed under CC0."},
        "config": {"iiif_url": f"{base}/iiif/2", "website_url": base},
    }


def artic_record(gallery: Gallery, base: str, work: Work, number: int) -> dict[str, Any]:
    return {
        "data": {
            "id": work.number,
            "title": work.title,
            "is_public_domain": is_open(work),
            "copyright_notice": None,
            "image_id": str(work.shown[0].number),
            "artist_title": work.full_name,
            "date_display": _year(work),
            "medium_display": "Oil on canvas",
            "department_title": "Painting and Sculpture",
            "style_title": work.tags[0],
            "term_titles": list(work.tags),
        },
        "config": {"iiif_url": f"{base}/iiif/2", "website_url": base},
    }


# --- the Cleveland Museum of Art: https://openaccess-api.clevelandart.org


def cleveland_search(gallery: Gallery, base: str, query: dict[str, str]) -> dict[str, Any]:
    skip, limit = int(query.get("skip", "0")), int(query.get("limit", "100"))
    works = [work for work in _part(gallery, 0, 1 << 30)[0] if is_open(work)]
    data = [_cleveland(gallery, base, work) for work in works[skip : skip + limit]]
    return {"info": {"total": len(works), "parameters": {"skip": skip, "limit": limit}}, "data": data}


def cleveland_record(gallery: Gallery, base: str, work: Work, number: int) -> dict[str, Any]:
    return {"data": _cleveland(gallery, base, work)}


def _cleveland(gallery: Gallery, base: str, work: Work) -> dict[str, Any]:
    url = base + image_path(gallery, work, work.shown[0])
    return {
        "id": work.number,
        "accession_number": f"1916.{work.number}",
        "share_license_status": "CC0" if is_open(work) else "Copyrighted",
        "copyright": None,
        "title": work.title,
        "creation_date": _year(work),
        "creators": [{"description": work.full_name, "role": "artist"}],
        "technique": "oil on canvas",
        "type": "Painting",
        "department": "European Painting and Sculpture",
        "culture": [work.tags[0]],
        "images": {"web": {"url": url.replace("/large/", "/medium/")}, "print": {"url": url}, "full": {"url": url}},
        "url": f"{base}/artwork/{work.hash_id}",
    }


# --- the Rijksmuseum: https://data.rijksmuseum.nl/docs


def rijks_search(gallery: Gallery, base: str, query: dict[str, str]) -> dict[str, Any]:
    start = int(query.get("pageToken", "0"))
    works, total = _part(gallery, start, 100)
    url = f"{base}/search/collection"
    answer: dict[str, Any] = {
        "@context": "https://linked.art/ns/v1/search.json",
        "id": url,
        "type": "OrderedCollectionPage",
        "partOf": {"id": url, "type": "OrderedCollection", "totalItems": total},
        "orderedItems": [
            {"id": f"https://id.rijksmuseum.nl/{_ENTITY + work.number}", "type": "HumanMadeObject"} for work in works
        ],
    }
    if start + 100 < total:
        answer["next"] = {"id": f"{url}?pageToken={start + 100}", "type": "OrderedCollectionPage"}
    return answer


def rijks_record(gallery: Gallery, base: str, work: Work, number: int) -> dict[str, Any]:
    """The object (1...), what it shows (2...), and the digital picture (3...)."""
    kind, own = number // _ENTITY, f"https://id.rijksmuseum.nl/{number}"
    following = f"https://id.rijksmuseum.nl/{number + _ENTITY}"
    if kind == 2:
        return {"id": own, "type": "VisualItem", "digitally_shown_by": [{"id": following, "type": "DigitalObject"}]}
    if kind == 3:
        rights = "publicdomain/mark/1.0/" if is_open(work) else "licenses/by-nc-nd/4.0/"
        return {
            "id": own,
            "type": "DigitalObject",
            "access_point": [{"id": f"{base}/iiif/{work.shown[0].number}/full/max/0/default.jpg"}],
            "subject_to": [{"type": "Right", "classified_as": [{"id": f"https://creativecommons.org/{rights}"}]}],
        }
    title = {"content": work.title, "classified_as": [{"id": "http://vocab.getty.edu/aat/300404670"}]}
    material = {"content": "oil on canvas", "classified_as": [{"id": "http://vocab.getty.edu/aat/300435429"}]}
    return {
        "id": own,
        "type": "HumanMadeObject",
        "identified_by": [title],
        "referred_to_by": [material],
        "produced_by": {
            "timespan": {"identified_by": [{"content": _year(work)}]},
            "part": [{"carried_out_by": [{"id": "https://id.rijksmuseum.nl/2101", "_label": work.full_name}]}],
        },
        "shows": [{"id": following, "type": "VisualItem"}],
    }


# --- the Smithsonian: https://edan.si.edu/openaccess/apidocs/


def smithsonian_search(gallery: Gallery, base: str, query: dict[str, str]) -> dict[str, Any]:
    works, total = _part(gallery, int(query.get("start", "0")), int(query.get("rows", "10")))
    rows = [_smithsonian(base, work) for work in works]
    return {"status": 200, "responseCode": 1, "response": {"rows": rows, "rowCount": total}}


def smithsonian_record(gallery: Gallery, base: str, work: Work, number: int) -> dict[str, Any]:
    return {"status": 200, "responseCode": 1, "response": _smithsonian(base, work)}


def _smithsonian(base: str, work: Work) -> dict[str, Any]:
    access = {"access": "CC0" if is_open(work) else "Usage conditions apply"}
    media = {"type": "Images", "idsId": str(work.shown[0].number), "usage": access}
    return {
        "id": f"edanmdm:saam_{work.number}",
        "title": work.title,
        "unitCode": "SAAM",
        "content": {
            "descriptiveNonRepeating": {
                "record_link": f"{base}/artwork/{work.hash_id}",
                "data_source": "Smithsonian American Art Museum",
                "metadata_usage": access,
                "online_media": {"mediaCount": 1, "media": [media]},
            },
            "freetext": {
                "name": [{"label": "Artist", "content": work.full_name}],
                "date": [{"label": "Date", "content": _year(work)}],
                "physicalDescription": [{"label": "Medium", "content": "oil on canvas"}],
            },
            "indexedStructured": {"topic": list(work.tags), "online_media_type": ["Images"]},
        },
    }


# --- Wikimedia Commons: https://commons.wikimedia.org/w/api.php


def commons(gallery: Gallery, base: str, query: dict[str, str]) -> dict[str, Any]:
    if "pageids" in query:
        work = gallery.by_number.get(int(query["pageids"]))
        return {"batchcomplete": True, "query": {"pages": [_commons(gallery, base, work)] if work else []}}
    name = query.get("list", "search")
    start = int(query.get("sroffset") or query.get("cmcontinue") or "0")
    works, total = _part(gallery, start, 50)
    items = [{"ns": 6, "title": f"File:{work.hash_id}.jpg", "pageid": work.number} for work in works]
    answer: dict[str, Any] = {"query": {name: items}}
    if name == "search":
        answer["query"]["searchinfo"] = {"totalhits": total}
    if start + 50 < total:
        position = "cmcontinue" if name == "categorymembers" else "sroffset"
        answer["continue"] = {position: start + 50, "continue": "-||"}
    return answer


def _commons(gallery: Gallery, base: str, work: Work) -> dict[str, Any]:
    licences = [
        ("Public domain", "pd", ""),
        ("CC0", "cc0", "http://creativecommons.org/publicdomain/zero/1.0/deed.en"),
        ("CC BY-SA 4.0", "cc-by-sa-4.0", "https://creativecommons.org/licenses/by-sa/4.0"),
    ]
    short, code, page = licences[work.number % 3] if is_open(work) else ("CC BY-NC-ND 2.0", "cc-by-nc-nd-2.0", "")
    fields = {
        "LicenseShortName": short,
        "License": code,
        "LicenseUrl": page,
        "Artist": f'<a href="//x">{work.full_name}</a>',
        "ObjectName": work.title,
        "DateTimeOriginal": _year(work),
        "Categories": "|".join(work.tags),
    }
    info = {
        "url": base + image_path(gallery, work, work.shown[0]),
        "mime": "image/jpeg",
        "descriptionurl": f"{base}/artwork/{work.hash_id}",
        "extmetadata": {
            name: {"value": value, "source": "commons-desc-page"} for name, value in fields.items() if value
        },
    }
    return {"pageid": work.number, "ns": 6, "title": f"File:{work.hash_id}.jpg", "imageinfo": [info]}


_LISTINGS: dict[str, Answer] = {
    "/api/v1/artworks/search": artic_search,
    "/api/artworks/": cleveland_search,
    "/search/collection": rijks_search,
    "/openaccess/api/v1.0/search": smithsonian_search,
    "/w/api.php": commons,
}
_RECORDS: tuple[tuple[re.Pattern[str], Callable[[Gallery, str, Work, int], Any]], ...] = (
    (re.compile(r"/api/v1/artworks/(\d+)\Z"), artic_record),
    (re.compile(r"/api/artworks/(\d+)\Z"), cleveland_record),
    (re.compile(r"/openaccess/api/v1\.0/content/edanmdm:saam_(\d+)\Z"), smithsonian_record),
    (re.compile(r"/([123]\d{7})\Z"), rijks_record),
)
