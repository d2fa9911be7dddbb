"""Everything that parses foreign bytes, as functions of bytes: what may escape is the house's own refusals, nothing else."""

from __future__ import annotations

import io
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from aahq.candidates import Candidate
from aahq.consent import embedded_rights, reservations
from aahq.consent.optouts import OptOuts
from aahq.consent.permissions import Permissions
from aahq.consent.site_reservations import SiteReservations, read_terms
from aahq.images import decode
from aahq.reasons import Rejected
from aahq.release.verify import verify
from aahq.release.write import write
from aahq.remove.shrink import read_metadata, read_superseded
from aahq.remove.tombstones import Tombstones
from aahq.review.log import log_path, read_log
from aahq.sources import SourceOptions, met, open_source
from aahq.sources.aahq_list import AahqList
from aahq.sources.artstation import ArtStation
from aahq.sources.urls import Urls
from aahq.web import pages
from aahq.web.interrupts import Stop
from aahq.web.response import Response
from aahq.web.robots import Robots
from aahq.web.robots_file import decoded
from suite.errors import SuiteError
from suite.progress import set_quiet

REFUSALS = (Rejected, SuiteError, Stop)
set_quiet(True)
_folder = Path(tempfile.mkdtemp(prefix="fuzz-"))


def _file(data: bytes, name: str) -> Path:
    path = _folder / name
    path.write_bytes(data)
    return path


class _Web:
    """Every address answers with the same bytes."""

    def __init__(self, body: bytes) -> None:
        self.body = body

    def get(self, url: str, *_: Any, **__: Any) -> Response:
        return Response(url, 200, {"Content-Type": "application/json"}, self.body)


def _pages(source: Any, data: bytes) -> None:
    for number, _ in enumerate(source.pages(_Web(data), None)):
        # The same page for ever: two of them say enough.
        if number:
            return


def robots(data: bytes) -> None:
    read = Robots(_Web(data).get, "aahq")  # type: ignore[arg-type]
    read.check("https://example.org/art/1")
    read.findings("https://example.org/art/1?a=b")
    read.licenses("https://example.org/")


def site_files(data: bytes) -> None:
    """The same bytes as tdmrep.json, ai.txt and an RSL document."""
    SiteReservations(_Web(data).get, lambda url: ("/license.xml",), "aahq").findings(  # type: ignore[arg-type]
        "https://example.org/art/1.jpg"
    )


def site_terms(data: bytes) -> None:
    read_terms(_file(data, "terms.toml"))


def answered_page(data: bytes) -> None:
    pages.challenge_body(decoded(data))
    pages.why_no_page("https://x.example/a", "https://x.example/b", 200, {"Content-Type": "text/html"}, data)


def museums(data: bytes) -> None:
    for name in ("artic", "cleveland", "rijksmuseum", "smithsonian", "commons"):
        try:
            _pages(open_source(name, SourceOptions(base_url="https://x.example")), data)
        except REFUSALS:
            continue


def artstation(data: bytes) -> None:
    _pages(ArtStation(SourceOptions()), data)


def met_pages(data: bytes) -> None:
    _pages(met.Met(SourceOptions()), data)


def aahq_list(data: bytes) -> None:
    list(AahqList(SourceOptions(target=str(_file(data, "list.json")))).pages(None, None))


def url_list(data: bytes) -> None:
    list(Urls(SourceOptions(target=str(_file(data, "urls.csv")))).pages(None, None))


def page(data: bytes) -> None:
    reservations.page_findings(data)


def header(data: bytes) -> None:
    names = ("X-Robots-Tag", "tdm-reservation", "Content-Usage", "Content-Signal", "Link")
    reservations.header_findings(dict.fromkeys(names, data.decode("latin-1")))


def rights(data: bytes) -> None:
    embedded_rights.read_rights(data)


def picture(data: bytes) -> None:
    decode.canonical(data)


def candidate(data: bytes) -> None:
    Candidate.from_json(data.decode("utf-8", "replace"))


def optouts(data: bytes) -> None:
    OptOuts(_file(data, "optouts.txt"))


def permissions(data: bytes) -> None:
    Permissions(_file(data, "permissions.toml"))


def tombstones(data: bytes) -> None:
    Tombstones.read(_file(data, "tombstones.json")).near_picture("0" * 16)


def superseded(data: bytes) -> None:
    read_superseded(_file(data, "superseded.json"))


def card(data: bytes) -> None:
    read_metadata(_file(data, "release.json").parent)


def review_log(data: bytes) -> None:
    path = log_path(_folder)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)
    read_log(_folder)


def manifest(data: bytes) -> None:
    root = _folder / "release"
    if not root.exists():
        _release(root)
    (root / "manifest.parquet").write_bytes(data)
    verify(root)


def _release(root: Path) -> bytes:
    row = {"id": "a-00", "domain": "art", "split": "train", "source": "met", "license": "CC0-1.0"}
    write(root, [(row, np.zeros((8, 8, 3), np.uint8))], name="f", recipe="r", size=8)
    return (root / "manifest.parquet").read_bytes()


def _picture(kind: str, **how: Any) -> bytes:
    out = io.BytesIO()
    Image.fromarray(np.arange(768, dtype=np.uint8).reshape(16, 16, 3)).save(out, kind, **how)
    return out.getvalue()


_WORK = {"hash_id": "aB3dE", "permalink": "https://www.artstation.com/artwork/aB3dE", "id": 7}
_LISTING = {
    "data": [
        {
            **_WORK,
            "title": "t",
            "user": {"username": "jane"},
            "tags": ["noai"],
            "assets": [{"image_url": "https://x/1.jpg"}],
        }
    ],
    "total_count": 1,
}
_MET = {
    "objectIDs": [1],
    "total": 1,
    "objectID": 1,
    "isPublicDomain": True,
    "primaryImage": "https://x/1.jpg",
    "tags": [{"term": "Men"}],
}
# name -> (parser, whole inputs that reach deep into it)
TARGETS: dict[str, tuple[Callable[[bytes], None], list[bytes]]] = {
    "robots": (
        robots,
        [
            b"User-agent: *\nDisallow: /a*$\nAllow: /art\nCrawl-delay: 3\nSitemap: x\n",
            b"License: /l.xml\nUser-agent: GPTBot\nDisallow: /\n\nUser-agent: *\nContent-Signal: ai-train=no\n"
            b"Content-Usage: /art train-ai=n\n",
        ],
    ),
    "site_files": (
        site_files,
        [
            b'[{"location": "/art/*.jpg", "tdm-reservation": 1, "tdm-policy": "https://x/p"}]',
            b"User-Agent: *\nDisallow: *.jpg\nTraining: deny\n",
            b'<rsl xmlns="https://rslstandard.org/rsl"><content url="/*"><license><prohibits type="usage">all</prohibits>'
            b"</license></content></rsl>",
        ],
    ),
    "site_terms": (site_terms, [b'[[site]]\nhost = "x.example"\nsays = "no"\nsource = "https://x.example/terms"\n']),
    "answered_page": (
        answered_page,
        [b"<html><head><title>Log in | x</title><meta http-equiv='refresh' content='0; url=/b'></head></html>"],
    ),
    "museums": (
        museums,
        [
            json.dumps(
                {
                    "data": [{"id": 1, "is_public_domain": True, "share_license_status": "CC0"}],
                    "pagination": {"current_page": 1, "total_pages": 2},
                    "info": {"total": 3},
                }
            ).encode(),
            json.dumps(
                {
                    "orderedItems": [{"id": "https://id.rijksmuseum.nl/1"}],
                    "next": {"id": "https://x?pageToken=2"},
                    "id": "https://id.rijksmuseum.nl/1",
                    "shows": [{"id": "https://id.rijksmuseum.nl/2"}],
                    "digitally_shown_by": [{"id": "https://id.rijksmuseum.nl/3"}],
                    "subject_to": [],
                }
            ).encode(),
            json.dumps(
                {
                    "response": {
                        "rows": [{"id": "a"}],
                        "rowCount": 5,
                        "id": "a",
                        "content": {
                            "descriptiveNonRepeating": {
                                "online_media": {"media": []},
                                "metadata_usage": {"access": "CC0"},
                            }
                        },
                    }
                }
            ).encode(),
            json.dumps(
                {
                    "query": {
                        "search": [{"pageid": 1}],
                        "pages": [
                            {
                                "pageid": 1,
                                "imageinfo": [
                                    {
                                        "mime": "image/jpeg",
                                        "url": "https://x/1.jpg",
                                        "extmetadata": {"License": {"value": "pd"}},
                                    }
                                ],
                            }
                        ],
                    }
                }
            ).encode(),
        ],
    ),
    "artstation": (artstation, [json.dumps(_LISTING).encode(), b"[]"]),
    "met": (met_pages, [json.dumps(_MET).encode()]),
    "aahq_list": (
        aahq_list,
        [json.dumps({"00001": {"image_url": "https://x/1.jpg", "face_landmarks": {"left_eye": [1, 2]}}}).encode()],
    ),
    "url_list": (url_list, [b"url,artist,license\nhttps://x/1.jpg,jane,CC0-1.0\n", b"https://x/1.jpg\n# c\n"]),
    "page": (
        page,
        [b'<html><head><meta name="robots" content="noai, noimageai"><meta name="tdm-reservation" content="1">'],
    ),
    "header": (header, [b"noai, noimageai", b"aahq: noai"]),
    "rights": (
        rights,
        [
            _picture("JPEG"),
            _picture("PNG"),
            b'\xff\xd8\xff\xe1\x00\x20http://ns.adobe.com/xap/1.0/\x00<x plus:DataMining="x"/>',
        ],
    ),
    "picture": (picture, [_picture("JPEG"), _picture("PNG"), _picture("WEBP"), _picture("GIF"), _picture("TIFF")]),
    "candidate": (candidate, [Candidate("met", "1", None, ("https://x",), tags=("a",)).to_json().encode()]),
    "optouts": (optouts, [b"artist: jane\nurl: https://x/*\nsha256: " + b"0" * 64]),
    "permissions": (
        permissions,
        [b'[[permission]]\nwho = "Jane <j@x>"\ndate = 2026-05-01\ntext = "yes yes"\nartist = "jane"\n'],
    ),
    "tombstones": (
        tombstones,
        [json.dumps({**Tombstones(bytes(16)).as_dict(), "hashes": ["0" * 64], "pictures": ["0" * 16]}).encode()],
    ),
    "superseded": (superseded, [b'{"superseded": [{"manifest_sha256": "00"}]}']),
    "card": (card, [b'{"name": "f", "recipe": "r", "size": 8, "form": "folder"}']),
    "review_log": (
        review_log,
        [
            b'{"act":"keep","nonce":"nonce-0001","reviewer":"ann","id":"a-00"}\n'
            b'{"act":"undo","nonce":"nonce-0002","reviewer":"ann","id":"a-00","undoes":"nonce-0001"}\n',
        ],
    ),
    "manifest": (manifest, [_release(_folder / "seed")]),
}


def try_one(name: str, data: bytes) -> None:
    """Parse; the house's refusals are answers, anything else is a find."""
    try:
        TARGETS[name][0](data)
    except REFUSALS as refused:
        if "\n" in str(refused):
            raise AssertionError(f"a refusal is one line: {refused}") from refused


__all__ = ["TARGETS", "try_one"]
