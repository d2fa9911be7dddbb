"""Tombstones: what was taken out on request, kept only as salted hashes, so that no crawl brings it back.

The file lies in the build's folder (`tombstones.json`) and, as `removals.json`, in each of its releases: other copies shrink
by it (`aahq sync`). It holds no name, no address and no picture: anyone holding the file can test a guess, but cannot
read entries back.

A digest or an address is kept as HMAC-SHA-256 of its kind and value under the file's salt. A perceptual hash has to be
found again when a few of its bits differ; its bits are put into an order and turned over as the salt says, which hides
the hash and keeps every distance. Names and addresses are hashed in the form of `aahq.web.addresses`; files of before hold
other forms of them, which are still found.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from pydantic import Field, ValidationError

from aahq.candidates import Candidate
from aahq.ledger import picture_id
from aahq.web.addresses import AddressPattern, address_key, address_keys, name_form, name_key
from suite.errors import SuiteError
from suite.files import read_foreign_json, write_json
from suite.profiles import Settings

TOMBSTONES, REMOVALS = "tombstones.json", "removals.json"
# A mistaken match costs one picture, a missed one costs an artist's trust. Whole pictures: as `aahq rebuild` takes two files
# for one picture. Aligned faces all have eyes and mouth in one place, so their hashes are nearer to each other.
PICTURE_DISTANCE, FACE_DISTANCE = 8, 4
# Bytes of a file: a million hashes.
FILE_MAX = 1 << 27
HASHED = ("artist", "address", "under", "key", "picture", "sha256")


class _File(Settings):
    schema_version: int = Field(1, alias="schema", ge=1, le=1)
    salt: str = Field(pattern=r"^[0-9a-f]{32}$")
    hashes: list[str] = Field(default_factory=list)
    pictures: list[str] = Field(default_factory=list)
    faces: list[str] = Field(default_factory=list)


class Tombstones:
    """The set of one folder.

    Attributes:
        salt: 16 random bytes, drawn once a folder.
        hashes: salted digests (64 hex digits).
        pictures, faces: salted perceptual hashes of whole pictures and of aligned faces.
    """

    def __init__(self, salt: bytes | None = None) -> None:
        self.salt = salt or secrets.token_bytes(16)
        self.hashes: set[str] = set()
        self.pictures: set[int] = set()
        self.faces: set[int] = set()
        stream = hashlib.shake_256(b"perceptual" + self.salt).digest(8 + 8 * 64)
        self._turn = int.from_bytes(stream[:8], "big")
        self._order = np.argsort(np.frombuffer(stream[8:], ">u8"), kind="stable").tolist()

    @classmethod
    def read(cls, path: Path) -> Tombstones:
        """The tombstones of a file; none where there is no file.

        Raises:
            SuiteError: the file is none of this kind. Going on without it would bring back what was taken out.
        """
        if not path.exists():
            return cls()
        try:
            found = _File.model_validate(read_foreign_json(path, FILE_MAX))
            made = cls(bytes.fromhex(found.salt))
            made.hashes = {_hex(value, 64) for value in found.hashes}
            made.pictures = {int(_hex(value, 16), 16) for value in found.pictures}
            made.faces = {int(_hex(value, 16), 16) for value in found.faces}
        except (OSError, ValueError, ValidationError) as error:
            first = str(error).splitlines()[0][:200]
            raise SuiteError(
                f"{path}: not usable as tombstones ({first}); restore it from a copy: without it removed works would return"
            ) from None
        return made

    def as_dict(self) -> dict[str, Any]:
        """What the file holds; the order says nothing of when or together with what an entry came."""
        return {
            "schema": 1,
            "salt": self.salt.hex(),
            "hashes": sorted(self.hashes),
            "pictures": [f"{value:016x}" for value in sorted(self.pictures)],
            "faces": [f"{value:016x}" for value in sorted(self.faces)],
        }

    def write(self, path: Path) -> None:
        """Write the file whole."""
        write_json(path, self.as_dict())

    def __bool__(self) -> bool:
        return bool(self.hashes or self.pictures or self.faces)

    def add(self, kind: str, value: str) -> None:
        """Bury a value of one of the kinds of `HASHED`; an empty one is nothing."""
        if value:
            self.hashes.add(self._salted(kind, value))

    def has(self, kind: str, value: str) -> bool:
        """Whether exactly this value of a kind is buried."""
        return self._salted(kind, value) in self.hashes

    def add_picture(self, phash: str | None) -> None:
        """Bury a whole picture's perceptual hash (16 hex digits)."""
        if phash:
            self.pictures.add(self._hidden(int(phash, 16)))

    def add_face(self, phash: str | None) -> None:
        """Bury an aligned face's perceptual hash (16 hex digits)."""
        if phash:
            self.faces.add(self._hidden(int(phash, 16)))

    def add_candidate(self, candidate: Candidate) -> None:
        """Bury where a work is to be found: its page, its pictures' addresses, its name at the source."""
        for url in candidate.addresses:
            for key in AddressPattern(address_key(url), False).keys:
                self.add("address", key)
        self.add("key", f"{candidate.source}\n{candidate.key}")

    def names(self, candidate: Candidate) -> bool:
        """Whether the candidate is buried by its artist, an address or its name at the source."""
        if not self.hashes:
            return False
        return any(self._salted(kind, value) in self.hashes for kind, value in _values(candidate))

    def has_artist(self, name: str) -> bool:
        """Whether an artist of that name is buried, in any spelling."""
        return any(self.has("artist", key) for key in _names((name,)))

    def has_address(self, url: str) -> bool:
        """Whether an address is buried, alone or with all that lie beside it."""
        return any(self.has(kind, value) for kind, value in _places(url))

    def holds(self, digests: Iterable[str | None]) -> bool:
        """Whether one of the hex SHA-256 digests is buried."""
        return bool(self.hashes) and any(self._salted("sha256", digest) in self.hashes for digest in digests if digest)

    def near_picture(self, phash: str | None) -> bool:
        """Whether a buried whole picture looks like the one with this perceptual hash."""
        return self._near(self.pictures, phash, PICTURE_DISTANCE)

    def near_face(self, phash: str | None) -> bool:
        """Whether a buried aligned face looks like the one with this perceptual hash."""
        return self._near(self.faces, phash, FACE_DISTANCE)

    def buries_row(self, row: Mapping[str, Any]) -> bool:
        """Whether a row of a release's manifest is buried."""
        urls = tuple(url for url in (row["image_url"],) if url)
        candidate = Candidate(row["source"], row["key"], row["page_url"] or None, urls, row["artist"] or None)
        digests = (row["sha256"], row["pixel_sha256"], row["response_sha256"], row["source_pixel_sha256"])
        return (
            self.names(candidate)
            or self.holds(digests)
            or self.near_picture(row["source_phash"])
            or self.near_face(row["phash"])
        )

    def _near(self, buried: set[int], phash: str | None, distance: int) -> bool:
        if not buried or not phash:
            return False
        hidden = self._hidden(int(phash, 16))
        return any((hidden ^ value).bit_count() <= distance for value in buried)

    def _salted(self, kind: str, value: str) -> str:
        return hmac.new(self.salt, f"{kind}\n{value}".encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()

    def _hidden(self, value: int) -> int:
        moved = sum(1 << place for place, bit in enumerate(self._order) if value >> bit & 1)
        return moved ^ self._turn


def _values(candidate: Candidate) -> Iterator[tuple[str, str]]:
    names = (candidate.artist, candidate.extra.get("artist_name"))
    yield from (("artist", name) for name in _names(name for name in names if isinstance(name, str)))
    yield "key", f"{candidate.source}\n{candidate.key}"
    yield from (("picture", name) for name in (candidate.key, picture_id(candidate.source, candidate.key)))
    for url in candidate.places:
        yield from _places(url)


def _names(names: Iterable[str]) -> set[str]:
    """The forms under which artists may be buried; the last two are of files of before."""
    return {form for name in names for form in (name_key(name), name_form(name), name.casefold()) if form}


def _places(url: str) -> Iterator[tuple[str, str]]:
    """The forms under which an address, or a folder that it lies in, may be buried."""
    for address in dict.fromkeys((*address_keys(url), _former_key(url))):
        yield "address", address
        yield from (("under", address[: place + 1]) for place, letter in enumerate(address) if letter == "/")
        yield "under", f"{address}/"


def _former_key(url: str) -> str:
    """The form in which files of before hold an address."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return url
    return f"{parts.netloc.lower().removeprefix('www.')}{parts.path}".rstrip("/")


def _hex(text: str, digits: int) -> str:
    if len(text) != digits or set(text) - set("0123456789abcdef"):
        raise ValueError(f"{text[:80]!r} is not {digits} hex digits")
    return text
