"""Server faults by name; each belongs to one work and one of its responses."""

from __future__ import annotations

import gzip
import io
import socket
import struct
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import formatdate
from functools import cache
from typing import Any, Protocol


class Wire(Protocol):
    """What a fault may do with a connection; the server's handler is one."""

    path: str
    times: int

    @property
    def base(self) -> str: ...

    def answer(self, status: int, body: bytes, kind: str, **headers: str) -> None:
        """A whole, well-formed answer."""
        ...

    def raw(self, data: bytes) -> None:
        """Bytes as they are; the connection is closed afterwards."""
        ...

    def healthy(self) -> bytes:
        """The picture (or other body) that a healthy server would have sent."""
        ...

    @property
    def socket(self) -> socket.socket: ...


@dataclass(frozen=True)
class Fault:
    """One misbehaviour.

    Attributes:
        at: which answer misbehaves: `image`, `page` (HTML), `work` (its JSON) or `listing`.
        what: one line for people.
        expect: what a build should record: a reason of `aahq.reasons`, "arrives" (a retry or care gets the picture after
            all), or "stop" (the crawl ends, resumably).
        act: does it on the wire; None where the record itself (a title, a file name) is the fault.
        title: the work's hostile title.
    """

    at: str
    what: str
    expect: str
    act: Callable[[Wire], None] | None = None
    title: str = ""


def _status(code: int, **headers: str) -> Callable[[Wire], None]:
    def act(wire: Wire) -> None:
        wire.answer(code, f"<h1>{code}</h1>".encode(), "text/html", **headers)

    return act


def _to(code: int, where: str | None) -> Callable[[Wire], None]:
    """A redirect; None leads back to itself."""

    def act(wire: Wire) -> None:
        wire.answer(code, b"", "text/plain", Location=wire.base + wire.path if where is None else where)

    return act


def _later(code: int, in_words: Callable[[], str], tries: int = 1) -> Callable[[Wire], None]:
    """Refuses `tries` times with Retry-After, then sends the picture."""

    def act(wire: Wire) -> None:
        # A HEAD counts as no try and is answered well.
        if 0 < wire.times <= tries:
            wire.answer(code, b"later", "text/plain", Retry_After=in_words())
        else:
            wire.answer(200, wire.healthy(), "image/jpeg")

    return act


def _head(length: int, kind: str = "image/jpeg", more: str = "") -> bytes:
    return f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n{more}Connection: close\r\n\r\n".encode()


def _challenge(wire: Wire) -> None:
    page = b"<!DOCTYPE html><html><head><title>Just a moment...</title></head><body>Checking your browser</body></html>"
    wire.answer(403, page, "text/html; charset=UTF-8", Cf_Mitigated="challenge", Server="cloudflare")


def _reset(wire: Wire) -> None:
    # Linger zero makes close() send RST instead of FIN.
    wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    wire.raw(b"")


def _reset_midway(wire: Wire) -> None:
    data = wire.healthy()
    wire.raw(_head(len(data)) + data[: len(data) // 2])
    wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def _drip(wire: Wire) -> None:
    data = wire.healthy()
    wire.raw(_head(len(data)))
    for k in range(min(len(data), 1200)):
        wire.raw(data[k : k + 1])
        time.sleep(0.1)


def _slow_headers(wire: Wire) -> None:
    wire.raw(b"HTTP/1.1 200 OK\r\n")
    for k in range(600):
        wire.raw(f"X-Slow-{k}: 1\r\n".encode())
        time.sleep(0.2)


def _length(share: float) -> Callable[[Wire], None]:
    def act(wire: Wire) -> None:
        data = wire.healthy()
        wire.raw(_head(int(len(data) * share)) + data)

    return act


def _endless(wire: Wire) -> None:
    """A JPEG's beginning, and then four gigabytes more if anyone listens that long."""
    wire.raw(b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n")
    block = wire.healthy()[:4096].ljust(65536, b"\0")
    for _ in range(65536):
        wire.raw(b"10000\r\n" + block + b"\r\n")


@cache
def _bomb() -> bytes:
    """A fully flushed deflate block can be repeated as it is, so the bomb costs no time. No trailer: nobody gets there."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    start = packer.compress(b"\xff\xd8\xff\xe0") + packer.flush(zlib.Z_FULL_FLUSH)
    block = packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    return start + block * 1024


def _gzip_bomb(wire: Wire) -> None:
    """About a megabyte that unpacks to a gigabyte."""
    wire.answer(200, _bomb(), "image/jpeg", Content_Encoding="gzip")


def _pixel_bomb(wire: Wire) -> None:
    """A PNG of 30,000 x 30,000 pixels in under 3 kB before its data ends."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    rows = zlib.compress(bytes(1 << 20), 9)
    png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 30000, 30000, 8, 2, 0, 0, 0))
    wire.answer(200, png + chunk(b"IDAT", rows) + chunk(b"IEND", b""), "image/png")


def _body(make: Callable[[bytes], bytes], kind: str = "image/jpeg", **headers: str) -> Callable[[Wire], None]:
    def act(wire: Wire) -> None:
        wire.answer(200, make(wire.healthy()), kind, **headers)

    return act


def _gzip_broken(data: bytes) -> bytes:
    out = io.BytesIO()
    with gzip.GzipFile(fileobj=out, mode="wb") as packer:
        packer.write(data)
    return out.getvalue()[:-40] + b"broken" * 4


def _says(text: bytes, kind: str) -> Callable[[Wire], None]:
    def act(wire: Wire) -> None:
        wire.answer(200, text, kind)

    return act


_HTML = b"<!DOCTYPE html><html><body>Not a picture</body></html>"
_JSON = "application/json; charset=utf-8"
_BAD_PAGE = (
    b"<html><head><title>x<meta property='og:image' content=\"<<<\"><meta name=robots content='index'"
    b"<body><div><p></head>" + b"<b><i>" * 2000 + b"\xff\xfe\x00"
)

FAULTS: dict[str, Fault] = {
    **{
        f"redirect-loop-{code}": Fault("image", f"{code} to itself, without end", "redirects", _to(code, None))
        for code in (301, 302, 303, 307, 308)
    },
    "redirect-port": Fault("image", "302 to another port of this machine", "address_refused", _to(302, "http://127.0.0.1:9/x")),
    "redirect-private": Fault("image", "302 to a private network", "address_refused", _to(302, "http://10.0.0.1/x.jpg")),
    "redirect-metadata": Fault("image", "302 to a cloud's metadata address", "address_refused",
                               _to(302, "http://169.254.169.254/latest/meta-data/")),
    "redirect-file": Fault("image", "302 to a file", "url_refused", _to(302, "file:///etc/passwd")),
    "redirect-nowhere": Fault("image", "302 without a Location", "redirects", _status(302)),
    "status-400": Fault("image", "400", "http_status", _status(400)),
    "status-401": Fault("image", "401", "forbidden", _status(401, WWW_Authenticate="Basic")),
    "status-403": Fault("image", "403", "forbidden", _status(403)),
    "status-404": Fault("image", "404", "gone", _status(404)),
    "status-410": Fault("image", "410", "gone", _status(410)),
    "status-418": Fault("image", "418", "http_status", _status(418)),
    "status-500": Fault("image", "500 each time", "server_error", _status(500)),
    "status-502": Fault("image", "502 each time", "server_error", _status(502)),
    "status-503": Fault("image", "503 each time", "server_error", _status(503)),
    "once-500": Fault("image", "500 once, then the picture", "arrives", _later(500, lambda: "0")),
    "once-429-seconds": Fault("image", "429 and seconds, then the picture", "arrives", _later(429, lambda: "1")),
    "once-429-date": Fault("image", "429 with Retry-After as a date, then it", "arrives",
                           _later(429, lambda: formatdate(time.time() + 1, usegmt=True))),
    "once-503-retry": Fault("image", "503 with Retry-After, then the picture", "arrives", _later(503, lambda: "1")),
    "reset": Fault("image", "the connection is reset before the answer", "network", _reset),
    "reset-midway": Fault("image", "the connection is reset amid the picture", "cut_short", _reset_midway),
    "slow-body": Fault("image", "ten bytes a second", "timeout", _drip),
    "slow-headers": Fault("image", "headers without end, five a second", "timeout", _slow_headers),
    "length-long": Fault("image", "Content-Length larger than the body", "cut_short", _length(1.5)),
    "length-short": Fault("image", "Content-Length smaller than the body", "truncated", _length(0.6)),
    "type-html": Fault("image", "a picture that calls itself text/html", "not_an_image", _body(lambda d: d, "text/html")),
    "html-as-image": Fault("image", "HTML that calls itself image/jpeg", "not_an_image", _body(lambda d: _HTML)),
    "empty-body": Fault("image", "200 and nothing", "empty", _body(lambda d: b"")),
    "endless-body": Fault("image", "a body without end", "too_large", _endless),
    "gzip-bomb": Fault("image", "a megabyte that unpacks to a gigabyte", "too_large", _gzip_bomb),
    "gzip-broken": Fault("image", "Content-Encoding gzip, and broken", "bad_encoding",
                         _body(_gzip_broken, Content_Encoding="gzip")),
    "encoding-unknown": Fault("image", "Content-Encoding nobody knows", "bad_encoding",
                              _body(lambda d: d, Content_Encoding="rot13")),
    "pixel-bomb": Fault("image", "a PNG of 900 million pixels in a kilobyte", "too_many_pixels", _pixel_bomb),
    "truncated-image": Fault("image", "half of a picture, declared as whole", "truncated", _body(lambda d: d[: len(d) // 2])),
    "garbled-image": Fault("image", "a JPEG's beginning and noise", "corrupt",
                           _body(lambda d: d[:24] + bytes(k * 73 % 251 for k in range(3000)))),
    "not-http": Fault("image", "an answer that is no HTTP", "bad_response", lambda wire: wire.raw(b"SSH-2.0-x\r\n\r\n")),
    "json-malformed": Fault("work", "the work's JSON breaks off", "bad_record", _says(b'{"id": 1, "assets": [{"id":', _JSON)),
    "json-list": Fault("work", "the work's JSON is a list", "bad_record", _says(b"[1, 2, 3]", _JSON)),
    "json-missing": Fault("work", "the work's JSON lacks its assets", "bad_record",
                          _says(b'{"id": 1, "title": "x", "user": {"username": "mischief"}}', _JSON)),
    "json-types": Fault("work", "the work's JSON has numbers for text and text for numbers", "bad_record",
                        _says(b'{"id": "x", "title": 3, "user": {"username": 7}, "assets": {"id": 1}}', _JSON)),
    "json-bytes": Fault("work", "the work's JSON is not UTF-8", "bad_record", _says(b'{"title": "\xff\xfe\xfa"}', _JSON)),
    "json-deep": Fault("work", "the work's JSON nests 100,000 deep", "bad_record", _says(b"[" * 100_000, _JSON)),
    "json-html": Fault("work", "the work's JSON is a page", "bad_record", _says(_HTML, "text/html")),
    "page-malformed": Fault("page", "the work's page is broken HTML", "arrives", _says(_BAD_PAGE, "text/html; charset=utf-8")),
    "page-404": Fault("page", "the work's page is gone", "no_evidence", _status(404)),
    "page-500": Fault("page", "the work's page fails each time", "no_evidence", _status(500)),
    "title-path": Fault("work", "a title that climbs out of folders", "arrives", None, "../../../../etc/passwd"),
    "title-newline": Fault("work", "a title with line breaks", "arrives", None, "one\r\nSet-Cookie: a=b\n\ntwo"),
    "title-nul": Fault("work", "a title with NUL and escapes", "arrives", None, "nul\x00 \x1b[31mred\x1b[0m \x07"),
    "title-rtl": Fault("work", "a title that turns writing round", "arrives", None, "photo \u202egpj.exe\u202c \u2066x\u2069"),
    "title-long": Fault("work", "a title of 10,000 characters", "arrives", None, "long " * 2000),
    "title-html": Fault("work", "a title with markup", "arrives", None, "<script>alert(1)</script><img onerror=alert(2)>"),
    "title-surrogate": Fault("work", "a title with half a character", "arrives", None, "half \ud83d character"),
    "name-path": Fault("work", "a file name that climbs out of folders", "arrives", None, "A file name that climbs"),
    "challenge": Fault("listing", "the listing is a 403 challenge page", "stop", _challenge),
    "listing-429": Fault("listing", "the listing asks to wait an hour", "stop", _status(429, Retry_After="3600")),
    "listing-malformed": Fault("listing", "the listing's JSON breaks off", "stop", _says(b'{"data": [{"id": 5,', _JSON)),
    "listing-shape": Fault("listing", "the listing's fields have other names", "stop",
                           _says(b'{"results": [], "count": 0}', _JSON)),
    "listing-500": Fault("listing", "the listing fails each time", "stop", _status(500)),
}  # fmt: skip


def record_of(name: str, record: dict[str, Any]) -> dict[str, Any]:
    """The work's JSON of a fault whose record itself is the fault."""
    if name == "name-path":
        for asset in record["assets"]:
            head, _, tail = asset["image_url"].rpartition("/")
            asset["image_url"] = f"{head}/..%2f..%2f..%2fetc%2fpasswd%00{tail}"
    return record
