"""HTTP responses: status to reason, body read within limits and decompressed block by block."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import urllib3

from aahq.reasons import Rejected
from suite.files import foreign_json

CHUNK = 64 * 1024
# Values of Content-Encoding that name no compression; servers send them for bodies as they are.
_PLAIN = frozenset(("", "identity", "none", "binary", "8bit", "utf-8", "utf8", "ascii", "iso-8859-1", "aws-chunked"))


@dataclass(frozen=True)
class Response:
    """A response that was read to its end. `body` is empty for HEAD and for statuses from 400 on."""

    url: str
    status: int
    headers: Mapping[str, str]
    body: bytes

    def ok(self) -> Response:
        """Itself where the status is 2xx.

        Raises:
            Rejected: "gone", "forbidden", "server_error" or "http_status".
        """
        check_status(self.status, self.url)
        return self

    def json(self) -> Any:
        """The body as JSON; numbers that are none (NaN) are refused, and so is what would fill the memory.

        Raises:
            Rejected: "bad_record".
        """
        try:
            return foreign_json(self.body, parse_constant=_no_constant)
        except ValueError as error:
            raise Rejected("bad_record", f"{self.url}: malformed JSON ({error})") from None


class StreamingResponse:
    """A response whose body has not been read; `expired` says whether its total deadline has passed."""

    def __init__(self, url: str, response: urllib3.BaseHTTPResponse, expired: Callable[[], bool]) -> None:
        self.url = url
        self.status = response.status
        self.headers: Mapping[str, str] = response.headers
        self._raw = response
        self._expired = expired

    def chunks(self, max_bytes: int) -> Iterator[bytes]:
        """The body in blocks, unpacked, at most `max_bytes` as sent and as unpacked.

        Raises:
            Rejected: "too_large", "cut_short", "timeout", "network", "bad_response" or "bad_encoding".
        """
        announced = self.headers.get("Content-Length", "")
        length = int(announced) if announced.isascii() and announced.isdigit() else None
        if length is not None and length > max_bytes:
            raise Rejected("too_large", f"{self.url}: {length} bytes announced > {max_bytes}")
        return unpacked(self._sent(length, max_bytes), self.headers.get("Content-Encoding", ""), max_bytes, self.url)

    def _sent(self, length: int | None, max_bytes: int) -> Iterator[bytes]:
        count = 0
        while True:
            try:
                chunk = self._raw.read(CHUNK, decode_content=False)
            except urllib3.exceptions.ReadTimeoutError:
                raise Rejected("timeout", f"{self.url}: no byte in time") from None
            except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
                if self._expired():
                    break
                reason = "cut_short" if "IncompleteRead" in str(error) else "network"
                raise Rejected(reason, f"{self.url}: {short(error)}") from None
            if not chunk:
                break
            count += len(chunk)
            if count > max_bytes:
                raise Rejected("too_large", f"{self.url}: more than {max_bytes} bytes")
            yield chunk
        if self._expired():
            raise Rejected("timeout", f"{self.url}: not complete in time, after {count} bytes")
        if length is not None and count < length:
            raise Rejected("cut_short", f"{self.url}: {count} of {length} bytes")


def unpacked(chunks: Iterable[bytes], encoding: str, max_bytes: int, url: str = "") -> Iterator[bytes]:
    """Undo a `Content-Encoding` block by block, never holding more than a block of a bomb.

    Raises:
        Rejected: "too_large" or "bad_encoding".
    """
    kind = encoding.strip().lower()
    if all(name.strip() in _PLAIN for name in kind.split(",")):
        yield from chunks
        return
    bits = {"gzip": 31, "x-gzip": 31, "deflate": 15}.get(kind)
    if bits is None:
        raise Rejected("bad_encoding", f"{url}: Content-Encoding {encoding[:40]!r} was not asked for")
    unpack, count = zlib.decompressobj(bits), 0
    for chunk in chunks:
        while chunk and not unpack.eof:
            try:
                block = unpack.decompress(chunk, CHUNK)
            except zlib.error as error:
                raise Rejected("bad_encoding", f"{url}: {error}") from None
            chunk = unpack.unconsumed_tail
            count += len(block)
            if count > max_bytes:
                raise Rejected("too_large", f"{url}: more than {max_bytes} bytes when unpacked")
            if block:
                yield block
    if not unpack.eof:
        raise Rejected("bad_encoding", f"{url}: the packed body ends early")


def check_status(status: int, url: str) -> None:
    """Return for 2xx. Raises `Rejected`: "gone", "forbidden", "server_error" or "http_status"."""
    if 200 <= status < 300:
        return
    if status in (404, 410):
        raise Rejected("gone", f"{url}: status {status}")
    if status in (401, 403, 451):
        raise Rejected("forbidden", f"{url}: status {status}")
    raise Rejected("server_error" if status >= 500 else "http_status", f"{url}: status {status}")


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON number")


def short(error: BaseException) -> str:
    """An error in one line of at most 200 characters."""
    return " ".join(str(error).split())[:200] or type(error).__name__
