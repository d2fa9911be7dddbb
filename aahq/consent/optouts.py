"""The local opt-out list: artists, addresses and files that are not wanted here, whatever the web says.

One entry a line, `#` begins a comment:

    artist: janepainter
    url: https://www.artstation.com/artwork/aB3dE
    url: https://jane.example.org/*
    sha256: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08

A line that is an address alone counts as `url:`. A `*` at the end covers all addresses that begin so.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from aahq.candidates import Candidate
from aahq.web.addresses import same_address
from suite.errors import SuiteError, did_you_mean

if TYPE_CHECKING:
    from aahq.remove.tombstones import Tombstones

KINDS = ("artist", "url", "sha256")
_SHA256 = re.compile(r"[0-9a-f]{64}\Z")


class OptOuts:
    """The entries of one file; `OptOuts()` has none.

    Attributes:
        path: the file, or None.
        tombstones: what was taken out of this folder on request, or None.
    """

    def __init__(self, path: Path | None = None, tombstones: Tombstones | None = None) -> None:
        self.path = path
        self.tombstones = tombstones
        self.artists: set[str] = set()
        self.urls: set[str] = set()
        self.prefixes: list[str] = []
        self.hashes: set[str] = set()
        if path is None:
            return
        try:
            lines = path.read_text(encoding="utf-8-sig").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise SuiteError(f"--opt-outs {path}: {error}; expected a text file, one entry a line") from None
        for number, line in enumerate(lines, 1):
            self._add(line, number)

    def forgotten(self, candidate: Candidate, hashes: Iterable[str] = ()) -> bool:
        """Whether the work was taken out on request: it must leave no row behind. Arguments as for `blocks`."""
        buried = self.tombstones
        return buried is not None and (buried.names(candidate) or buried.holds(hashes))

    def blocks(self, candidate: Candidate, hashes: Iterable[str] = ()) -> str | None:
        """Why the candidate is on the list ("artist: jane"), or None.

        Args:
            candidate: the picture on offer.
            hashes: hex SHA-256 digests of its file or pixels, where they are known.
        """
        if candidate.artist and candidate.artist.casefold() in self.artists:
            return f"artist: {candidate.artist}"
        if self.urls or self.prefixes:
            for url in (*filter(None, [candidate.page_url]), *candidate.image_urls):
                address = same_address(url)
                if address in self.urls or any(address.startswith(prefix) for prefix in self.prefixes):
                    return f"url: {url}"
        return next((f"sha256: {value}" for value in hashes if value in self.hashes), None)

    def _add(self, line: str, number: int) -> None:
        text = re.sub(r"(^|\s)#.*", "", line).strip()
        if not text:
            return
        kind, _, value = text.partition(":")
        kind, value = kind.strip().lower(), value.strip()
        if kind in ("http", "https"):
            kind, value = "url", text
        if kind not in KINDS or not value:
            raise SuiteError(f"--opt-outs {self.path}, line {number}: {text!r}{did_you_mean(kind, KINDS)}")
        if kind == "artist":
            self.artists.add(value.casefold())
        elif kind == "sha256":
            if not _SHA256.match(value.lower()):
                raise SuiteError(f"--opt-outs {self.path}, line {number}: {value!r} is no hex SHA-256 of 64 digits")
            self.hashes.add(value.lower())
        elif value.endswith("*"):
            self.prefixes.append(same_address(value[:-1]))
        else:
            self.urls.add(same_address(value))
