"""Download one picture, streamed to disk under the name of its SHA-256."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path
from typing import IO

from aahq.candidates import Candidate
from aahq.consent.reservations import header_reservation
from aahq.folder import explain_disk_errors
from aahq.reasons import Rejected
from aahq.web.client import Http, utc_now
from aahq.web.response import CHUNK, StreamingResponse, check_status
from aahq.web.sender import Hops, Request
from suite.files import PART_SUFFIX, open_file
from suite.pictures.decode import DecodeLimits
from suite.pictures.magic import HEAD, picture_type

# Types that say that there is no picture. Every other, vague or wrong as it may be, leaves it to the first bytes.
_NO_PICTURE = re.compile(
    r"text/(?:html|xml|css|javascript|csv)|application/(?:xhtml|json|xml|pdf|ld\+json|javascript|zip)|"
    r"image/svg|video/|audio/|font/"
)
_FRESH = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
_NUMBERS = count()
LOCAL_MAX = DecodeLimits().max_bytes


@dataclass(frozen=True)
class Fetched:
    """A picture on disk.

    Attributes:
        path: `folder/<first 2 of sha256>/<sha256>`; the name holds nothing that the server or the artist chose.
        url: the address that gave it (one of the candidate's).
        response_sha256: hex SHA-256 of the body, after undoing `Content-Encoding`.
        bytes: the body's size.
        content_type: of the picture, by its first bytes.
        fetched_at: ISO time, UTC.
    """

    path: Path
    url: str
    response_sha256: str
    bytes: int
    content_type: str
    fetched_at: str


# Told a file and its SHA-256 before the file gets its name; raises what keeps it from it.
Inspect = Callable[[Path, str], None]


def download(
    candidate: Candidate,
    http: Http | None,
    folder: Path,
    hops: Hops | None = None,
    inspect: Inspect = lambda file, sha256: None,
) -> Fetched:
    """Fetch the first of the candidate's addresses that gives a picture; a local file is copied.

    Args:
        candidate: the picture; `aahq.consent.decide` has said yes.
        http: the client; None is enough for local files.
        folder: where pictures are kept by digest; `fsync_files` them before a ledger says so. A killed run
            leaves `.part` files there, which the next one's `sweep_parts` removes.
        hops: the candidate's `aahq.consent.decide.Case`, which judges every address sent and every answer's headers; without
            one the headers alone are judged, by `aahq.consent.reservations`.
        inspect: asked before the file gets its name: a name of content may be another work's file too, so that it can
            never be taken back.

    Raises:
        Rejected: the reason of the last address tried.
        Stop: a challenge, or a busy host.
    """
    local = candidate.local_path
    if local is not None:
        return _copied(local, folder, inspect)
    assert http is not None, "only local files are fetched without a client"
    last = Rejected("no_picture", "no address")
    for url in candidate.image_urls:
        try:
            if hops is not None:
                http.look(url, hops)
            # Asked for as it is: pictures are packed already, and a packed one may be a bomb.
            save = partial(_save, http=http, folder=folder, judge=hops is None, inspect=inspect)
            return http.request(Request("GET", url, save, {"Accept-Encoding": "identity"}, hops=hops))
        except Rejected as refused:
            if refused.entry.withdrawn or refused.entry.unreached:
                raise
            last = refused
    raise last


def fsync_files(files: Iterable[Path]) -> None:
    """Flush downloaded files to the disk, before the ledger refers to them.

    For several at once: the first one's flush takes the others' with it.
    """
    for path in files:
        with explain_disk_errors(path), path.open("rb") as done:
            os.fsync(done.fileno())


def _save(incoming: StreamingResponse, http: Http, folder: Path, judge: bool, inspect: Inspect) -> Fetched:
    check_status(incoming.status, incoming.url)
    if judge and (reserved := header_reservation(incoming.headers)):
        raise Rejected("header_noai", f"{incoming.url}: {reserved}")
    stated = incoming.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if _NO_PICTURE.match(stated):
        raise Rejected("not_an_image", f"{incoming.url}: Content-Type {stated[:80]!r}")
    return _store(incoming.chunks(http.limits.image_bytes), incoming.url, folder, inspect)


def _copied(path: Path, folder: Path, inspect: Inspect) -> Fetched:
    try:
        with open_file(path) as source:
            # One that would not be decoded is not copied either.
            if (size := os.fstat(source.fileno()).st_size) > LOCAL_MAX:
                raise Rejected("too_large", f"{path}: {size} bytes > {LOCAL_MAX}")
            return _store(iter(lambda: source.read(CHUNK), b""), path.as_uri(), folder, inspect)
    except OSError as error:
        raise Rejected("gone", f"{path}: {error.strerror}") from None


def _store(chunks: Iterable[bytes], url: str, folder: Path, inspect: Inspect) -> Fetched:
    """Write the chunks beside, and rename to their digest; refuse at the first block what is no picture."""
    digest, size, head = hashlib.sha256(), 0, b""
    with _part(folder) as (part, beside):
        for chunk in chunks:
            if len(head) < HEAD:
                head += chunk[: HEAD - len(head)]
                if len(head) == HEAD and picture_type(head) is None:
                    raise Rejected("not_an_image", f"{url}: begins with {head!r}")
            digest.update(chunk)
            size += len(chunk)
            # A full disk is no fault of the picture: it must end the crawl, and reject nothing.
            with explain_disk_errors(folder):
                rest = memoryview(chunk)
                # A disk with little room takes a part of a block before it refuses the next.
                while rest:
                    rest = rest[part.write(rest) :]
        if not size:
            raise Rejected("empty", url)
        kind = picture_type(head)
        if kind is None:
            raise Rejected("not_an_image", f"{url}: begins with {head!r}")
        name = digest.hexdigest()
        inspect(beside, name)
        target = folder / name[:2] / name
        with explain_disk_errors(folder):
            try:
                beside.replace(target)
            except FileNotFoundError:
                target.parent.mkdir(exist_ok=True)
                beside.replace(target)
    return Fetched(target, url, name, size, kind, utc_now())


@contextmanager
def _part(folder: Path) -> Iterator[tuple[IO[bytes], Path]]:
    # The digest, and so the name, is known at the end only: `suite.files.whole_file` wants it at the beginning.
    beside = folder / f".fetch-{os.getpid()}-{next(_NUMBERS)}{PART_SUFFIX}"
    with explain_disk_errors(folder):
        try:
            handle = os.open(beside, _FRESH, 0o666)
        except FileNotFoundError:
            folder.mkdir(parents=True, exist_ok=True)
            handle = os.open(beside, _FRESH, 0o666)
    try:
        # Unbuffered: what does not fit is known at the write, not when the file is closed.
        with open(handle, "wb", buffering=0) as part:
            yield part, beside
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
