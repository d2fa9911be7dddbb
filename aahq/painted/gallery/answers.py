"""Responses in the shape of the sites' own: ArtStation's JSON and pages; the Met's search and objects."""

from __future__ import annotations

import html
from typing import Any

from aahq.painted.gallery.gallery import Gallery
from aahq.painted.gallery.works import GalleryImage, Work

CHANNELS = ((70, "Abstract", "abstract"), (87, "Portraits", "portraits"), (91, "Landscapes", "landscapes"))
CAP = 10_000
STAMP = "1600000000"


def image_path(gallery: Gallery, work: Work, shown: GalleryImage, size: str = "large") -> str:
    """`/p/assets/images/images/000/123/456/large/name.jpg?1600000000`."""
    digits = f"{shown.number:09d}"
    return f"/p/assets/images/images/{digits[:3]}/{digits[3:6]}/{digits[6:]}/{size}/{gallery.name_of(shown)}?{STAMP}"


def channels() -> dict[str, Any]:
    data = [{"id": number, "name": name, "uri": uri, "usage_count": 0} for number, name, uri in CHANNELS]
    return {"data": data, "total_count": len(data)}


def in_channel(gallery: Gallery, channel: int) -> list[Work]:
    """The works of a channel: portraits hold everything, landscapes the landscapes, abstract nothing."""
    if channel == 87:
        return gallery.works
    return [work for work in gallery.works if channel == 91 and work.shown[0].kind == "landscape"]


def project(gallery: Gallery, base: str, work: Work) -> dict[str, Any]:
    """A work as the listings show it."""
    cover = image_path(gallery, work, work.shown[0], "smaller_square")
    return {
        "id": work.number,
        "hash_id": work.hash_id,
        "url": f"{base}/artwork/{work.hash_id}",
        "title": work.title,
        "hide_as_adult": work.adult,
        "icons": {"image": True, "multiple_images": len(work.shown) > 1, "video": False, "model3d": False},
        "assets_count": len(work.shown),
        "user": user(base, work),
        "smaller_square_cover_url": base + cover,
    }


def user(base: str, work: Work) -> dict[str, Any]:
    number = sum(work.user.encode()) % 9973
    return {"id": number, "username": work.user, "full_name": work.full_name, "permalink": f"{base}/{work.user}"}


def listing(gallery: Gallery, base: str, works: list[Work], page: int, per_page: int) -> dict[str, Any]:
    """A page of works, with how many there are, up to the cap that the site shows."""
    part = works[(page - 1) * per_page : page * per_page]
    return {"data": [project(gallery, base, work) for work in part], "total_count": min(len(works), CAP)}


def work_json(gallery: Gallery, base: str, work: Work) -> dict[str, Any]:
    """`projects/HASH.json`."""
    assets = [
        {
            "id": shown.number,
            "asset_type": "image",
            "has_image": True,
            "has_embedded_player": False,
            "image_url": base + image_path(gallery, work, shown),
            "width": shown.width,
            "height": shown.height,
            "title": ("Sketch", "Underpainting", "Final")[shown.step] if shown.kind == "progress" else None,
            "position": position,
        }
        for position, shown in enumerate(work.shown)
    ]
    return {
        "id": work.number,
        "hash_id": work.hash_id,
        "title": work.title,
        "description": f"<p>{html.escape(work.title)}</p>",
        "user": user(base, work),
        "permalink": f"{base}/artwork/{work.hash_id}",
        "tags": list(work.tags),
        "categories": [{"id": 1, "name": "Portraits"}],
        "mediums": [{"id": 1, "name": "Digital 2D"}],
        "software_items": [],
        "published_at": f"20{10 + work.number % 15:02d}-0{1 + work.number % 9}-1{work.number % 10}T12:00:00.000-06:00",
        "hide_as_adult": work.adult,
        "adult_content": work.adult,
        "assets": assets,
    }


def work_page(gallery: Gallery, base: str, work: Work) -> str:
    """`artwork/HASH`: the page with its metas."""
    title, first = html.escape(work.title), html.escape(base + image_path(gallery, work, work.shown[0]))
    robots = '<meta name="robots" content="noai, noimageai">' if work.noai == "meta" else ""
    images = "".join(
        f'<img src="{html.escape(base + image_path(gallery, work, s))}" alt="{title}">' for s in work.shown
    )
    return (
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>{robots}'
        f'<meta property="og:title" content="{title}"><meta property="og:image" content="{first}">'
        f'<link rel="canonical" href="{base}/artwork/{work.hash_id}"></head>'
        f"<body><h1>{title}</h1><p>{html.escape(work.full_name)}</p>{images}</body></html>"
    )


def robots_txt(gallery: Gallery) -> str:
    closed = [work for work in gallery.works if work.noai == "robots"]
    lines = ["User-agent: *", "Disallow: /private/", *(f"Disallow: /artwork/{work.hash_id}" for work in closed)]
    lines += [f"Disallow: {image_path(gallery, w, s).split('/large/')[0]}/" for w in closed for s in w.shown]
    return "\n".join([*lines, ""])


def front_page(gallery: Gallery, base: str) -> str:
    """The works, for a person who opens the gallery's address."""
    links = "".join(f'<li><a href="{base}/artwork/{w.hash_id}">{html.escape(w.title)}</a></li>' for w in gallery.works)
    return f'<!DOCTYPE html><html lang="en"><meta charset="utf-8"><title>Gallery</title><ol>{links}</ol></html>'


def met_search(gallery: Gallery) -> dict[str, Any]:
    numbers = sorted(work.number for work in gallery.works)
    return {"total": len(numbers), "objectIDs": numbers}


def met_object(gallery: Gallery, base: str, work: Work) -> dict[str, Any]:
    """`objects/ID`; works whose artists reserved them are not in the public domain."""
    first, *more = work.shown
    return {
        "objectID": work.number,
        "isPublicDomain": not (work.noai or work.adult or "NoAI" in work.tags or "CreatedWithAI" in work.tags),
        "primaryImage": base + image_path(gallery, work, first),
        "primaryImageSmall": base + image_path(gallery, work, first, "medium"),
        "additionalImages": [base + image_path(gallery, work, shown) for shown in more],
        "title": work.title,
        "artistDisplayName": work.full_name,
        "objectDate": f"20{10 + work.number % 15:02d}",
        "medium": "Pixels on phosphor",
        "department": "European Paintings",
        "objectURL": f"{base}/artwork/{work.hash_id}",
        "tags": [{"term": tag} for tag in work.tags],
    }
