"""The gallery's server: loopback only, HTTP/1.1 with kept connections, one thread per connection."""

from __future__ import annotations

import json
import re
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from aahq.painted.gallery import answers, museums
from aahq.painted.gallery.faults import FAULTS, record_of
from aahq.painted.gallery.gallery import Gallery
from aahq.painted.gallery.works import GalleryImage, Work

_IMAGE = re.compile(r"/p/assets/images/images/(\d{3})/(\d{3})/(\d{3,})/(4k|large|medium|small|smaller_square)/[^/]+\Z")
_WORK = re.compile(r"/projects/([A-Za-z0-9_-]+)\.json\Z")
_PAGE = re.compile(r"/artwork/([A-Za-z0-9_-]+)\Z")
_OBJECT = re.compile(r"/public/collection/v1/objects/(\d+)\Z")
_IIIF = re.compile(r"/iiif/(?:2/)?(\d+)/full/[!0-9a-z,]+/0/default\.jpg\Z")
_JSON = "application/json; charset=utf-8"
_HTML = "text/html; charset=utf-8"


class GalleryServer(ThreadingHTTPServer):
    """Serves one gallery; `requests` counts answers by kind of address."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, gallery: Gallery, port: int) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.gallery = gallery
        self.requests: Counter[str] = Counter()
        self.seen: Counter[str] = Counter()
        self.guard = threading.Lock()

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up amid an answer is its own business."""


class _Handler(BaseHTTPRequestHandler):
    server: GalleryServer
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "gallery", ""
    disable_nagle_algorithm = True
    wbufsize = 1 << 16
    timeout = 60
    times = 0
    shown: GalleryImage | None = None

    @property
    def base(self) -> str:
        return self.server.base_url

    @property
    def socket(self) -> socket.socket:
        return self.connection

    def log_message(self, format: str, *args: Any) -> None:
        """Silence: the crawler keeps the record."""

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        gallery = self.server.gallery
        if match := _IMAGE.match(url.path):
            self._image(int(match[1] + match[2] + match[3]), match[4])
        elif match := _WORK.match(url.path):
            self._of_work(gallery.by_hash.get(match[1]), "work", self._work)
        elif match := _PAGE.match(url.path):
            self._of_work(gallery.by_hash.get(match[1]), "page", self._page)
        elif match := _OBJECT.match(url.path):
            self._of_work(gallery.by_number.get(int(match[1])), "object", self._object)
        elif match := _IIIF.match(url.path):
            self._image(int(match[1]), "large")
        else:
            self._listing(url.path, {key: values[-1] for key, values in parse_qs(url.query).items()})

    def _of_work(self, work: Work | None, at: str, send: Callable[[Work], None]) -> None:
        self._count(at)
        if work is None:
            self.answer(404, b"", "text/plain")
        elif not self._misbehaves(work, at, work.shown[0]):
            send(work)

    def _misbehaves(self, work: Work, at: str, shown: GalleryImage) -> bool:
        fault = FAULTS.get(work.fault)
        if fault is None or fault.act is None or fault.at != at:
            return False
        self.shown = shown
        self._act(work.fault)
        return True

    def _act(self, name: str) -> None:
        with self.server.guard:
            # A HEAD comes before the GET of the same picture; tries are counted by GETs.
            self.server.seen[name] += self.command == "GET"
            self.times = self.server.seen[name]
        act = FAULTS[name].act
        assert act is not None
        act(self)

    def healthy(self) -> bytes:
        """The picture that a healthy server would send here."""
        return self.server.gallery.data(self.shown) if self.shown else b""

    def _image(self, asset: int, size: str) -> None:
        self._count("image")
        found = self.server.gallery.by_asset.get(asset)
        if found is None or (size == "4k" and not (found[0].fault or asset % 30 == 0)):
            self.answer(404, b"", "text/plain")
            return
        work, shown = found
        if self._misbehaves(work, "image", shown):
            return
        more = {"X_Robots_Tag": "noai, noimageai"} if work.noai == "header" else {}
        kind = self.server.gallery.type_of(shown) if size in ("4k", "large") else "image/jpeg"
        self.answer(
            200, self.server.gallery.data(shown, size), kind, Last_Modified="Sun, 13 Sep 2020 12:26:40 GMT", **more
        )

    def _work(self, work: Work) -> None:
        record = record_of(work.fault, answers.work_json(self.server.gallery, self.base, work))
        self._json(record)

    def _page(self, work: Work) -> None:
        # Half a surrogate pair can stand in JSON, but not in UTF-8.
        page = answers.work_page(self.server.gallery, self.base, work).encode("utf-8", "replace")
        self.answer(200, page, _HTML)

    def _object(self, work: Work) -> None:
        self._json(answers.met_object(self.server.gallery, self.base, work))

    def _listing(self, path: str, query: dict[str, str]) -> None:
        gallery = self.server.gallery
        if path == "/robots.txt":
            self.answer(200, answers.robots_txt(gallery).encode(), "text/plain")
        elif path == "/api/v2/community/channels/channels.json":
            self._json(answers.channels())
        elif path == "/api/v2/community/channels/projects.json":
            self._works(query, answers.in_channel(gallery, _number(query, "channel_id", 0)))
        elif path == "/public/collection/v1/search":
            self._json(answers.met_search(gallery))
        elif path == "/ids/deliveryService":
            self._image(_number(query, "id", 0), "large")
        elif (found := museums.answer(self.server.gallery, self.base, path, query)) is not None:
            self._count("museum")
            self._json(found)
        elif path == "/":
            self.answer(200, answers.front_page(gallery, self.base).encode("utf-8", "replace"), _HTML)
        else:
            self.answer(404, b"", "text/plain")

    def _works(self, query: dict[str, str], works: list[Work]) -> None:
        self._count("listing")
        for name in self.server.gallery.faults:
            if FAULTS[name].at == "listing":
                self._act(name)
                return
        page, per_page = _number(query, "page", 1), _number(query, "per_page", 30)
        if page < 1 or not 1 <= per_page <= 100:
            self.answer(400, b'{"error": "per_page"}', _JSON)
            return
        self._json(answers.listing(self.server.gallery, self.base, works, page, per_page))

    def _count(self, kind: str) -> None:
        with self.server.guard:
            self.server.requests[kind] += 1

    def _json(self, value: dict[str, Any]) -> None:
        self.answer(200, json.dumps(value).encode(), _JSON)

    def answer(self, status: int, body: bytes, kind: str, **headers: str) -> None:
        """A whole answer; header names are written with `_` for `-`."""
        lines = [
            f"HTTP/1.1 {status} {self.responses.get(status, ('',))[0]}",
            f"Server: {self.server_version}",
            f"Date: {self.date_time_string(int(time.time()))}",
            f"Content-Type: {kind}",
            f"Content-Length: {len(body)}",
            *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items()),
            "\r\n",
        ]
        self.wfile.write("\r\n".join(lines).encode("latin-1") + (body if self.command != "HEAD" else b""))

    def raw(self, data: bytes) -> None:
        """Bytes as they are; the connection ends with this answer."""
        self.close_connection = True
        self.wfile.write(data)
        self.wfile.flush()


def _number(query: dict[str, str], name: str, default: int) -> int:
    text = query.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 9 else default


def start(gallery: Gallery, port: int = 0) -> GalleryServer:
    """Serve the gallery from a thread of this process on 127.0.0.1; stop it with `shutdown` and `server_close`."""
    server = GalleryServer(gallery, port)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    return server


@contextmanager
def serve(gallery: Gallery | None = None, *, faults: tuple[str, ...] = (), cache: Path | None = None) -> Iterator[str]:
    """`with serve(Gallery(count=60), faults=("status-404",)) as base_url:`, the address without a slash at its end.

    Args:
        gallery: what to serve; without one a small gallery of small pictures.
        faults: for the small gallery made here; give them to `Gallery` itself otherwise.
    """
    shown = gallery or Gallery(count=12, side=160, faults=faults, cache=cache)
    if gallery is not None and faults:
        gallery.add_faults(faults)
    server = start(shown)
    try:
        yield server.base_url
    finally:
        server.shutdown()
        server.server_close()
