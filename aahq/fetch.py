"""Fetch: one picture, streamed to disk under the name of its own digest."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from aahq.candidates import Candidate

if TYPE_CHECKING:
    from aahq.http import Http


@dataclass(frozen=True)
class Fetched:
    """A picture on disk.

    Attributes:
        path: `folder/<first 2 of sha256>/<sha256>`; the name holds nothing that the server or the artist chose.
        url: the address that gave it (one of the candidate's).
        response_sha256: hex SHA-256 of the body, after undoing `Content-Encoding`.
        bytes: the body's size.
        content_type: as the server said, or guessed from the first bytes for local files.
        fetched_at: ISO time, UTC.
    """

    path: Path
    url: str
    response_sha256: str
    bytes: int
    content_type: str
    fetched_at: str


def download(candidate: Candidate, http: Http | None, folder: Path) -> Fetched:
    """Fetch the first of the candidate's addresses that answers. Raises `Rejected` or `aahq.stops.Stop`."""
    raise NotImplementedError
