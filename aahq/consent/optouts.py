"""The local opt-out list: artists, addresses and files that are not wanted here, whatever the web says.

One entry a line, `#` begins a comment:

    artist: janepainter
    url: https://www.artstation.com/artwork/aB3dE
    url: https://jane.example.org/*
    sha256: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08

A line that is an address alone counts as `url:`. A `*` at the end covers all addresses that begin so, and an address of a
host alone covers that host; an artist's page at ArtStation covers the artist. Names and addresses are compared by
`aahq.web.addresses`: an artist by the account and by the display name, in any spelling.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from aahq.candidates import Candidate
from aahq.web.addresses import AddressPattern, address_keys, address_pattern, name_key
from suite.errors import SuiteError, did_you_mean
from suite.files import read_text

if TYPE_CHECKING:
    from aahq.remove.tombstones import Tombstones

KINDS = ("artist", "url", "sha256")
_SHA256 = re.compile(r"[0-9a-f]{64}\Z")
_COMMENT = re.compile(r"(^|\s)#.*")
# `artist: painter #1` is a name.
_NAMES_COMMENT = re.compile(r"(^|\s)#(?!\d).*")


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
        self.prefixes: list[AddressPattern] = []
        self.hashes: set[str] = set()
        if path is None:
            return
        try:
            lines = read_text(path).splitlines()
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
        if self.artists & candidate.artist_keys:
            return f"artist: {candidate.artist}"
        if self.urls or self.prefixes:
            for url in candidate.places:
                if self.urls.intersection(address_keys(url)) or any(entry.covers(url) for entry in self.prefixes):
                    return f"url: {url}"
        return next((f"sha256: {value}" for value in hashes if value in self.hashes), None)

    def _add(self, line: str, number: int) -> None:
        text = _COMMENT.sub("", line).strip()
        if not text:
            return
        kind, _, value = text.partition(":")
        kind, value = kind.strip().lower(), value.strip()
        if kind == "artist":
            value = _NAMES_COMMENT.sub("", line.partition(":")[2]).strip()
        if kind in ("http", "https"):
            kind, value = "url", text
        if kind not in KINDS or not value:
            raise SuiteError(f"--opt-outs {self.path}, line {number}: {text!r}{did_you_mean(kind, KINDS)}")
        if kind == "artist":
            if not name_key(value):
                raise SuiteError(f"--opt-outs {self.path}, line {number}: {value!r} is no name")
            self.artists.add(name_key(value))
        elif kind == "sha256":
            if not _SHA256.match(value.lower()):
                raise SuiteError(f"--opt-outs {self.path}, line {number}: {value!r} is no hex SHA-256 of 64 digits")
            self.hashes.add(value.lower())
        else:
            self._add_address(value, number)

    def _add_address(self, value: str, number: int) -> None:
        try:
            entry = address_pattern(value)
        except ValueError as error:
            raise SuiteError(f"--opt-outs {self.path}, line {number}: {error}") from None
        if entry.prefix:
            self.prefixes.append(entry)
        else:
            self.urls.update(entry.keys)
