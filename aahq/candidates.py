"""A candidate: one picture that a source offers, with all that the source says of it, before anything is fetched."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote_to_bytes

from aahq.reasons import RowError
from aahq.web.addresses import name_key
from suite.files import canonical_json

Point = tuple[float, float]
# The order of the AAHQ list's own points.
POINTS = ("eye_left", "eye_right", "mouth_left", "mouth_right")
FOLDER = "folder"


@dataclass(frozen=True)
class Candidate:
    """One picture on offer.

    Attributes:
        source: the source's name, a key of `aahq.sources.SOURCES`.
        key: stable and unique within the source; running the source again gives the same key.
        page_url: the work's page for people, where its terms stand; None where the source knows none.
        image_urls: the picture's addresses, largest first; they are tried in this order.
        artist: who made it, as the source names them (a user name where there is one).
        title: as given, any text; never used as a path.
        tags: the work's tags as given.
        license: an SPDX-like name ("CC0-1.0") where the source states one.
        published: ISO date or date-time, or None.
        adult: the source marks the work as mature.
        ai_made: the source's tags or software say that a generator made it.
        landmarks: the AAHQ list's four points in pixels of the original picture, in the order of `POINTS`, or None.
        extra: JSON-able facts of the source ("license_record" of a museum, "line" of a list, ...).
    """

    source: str
    key: str
    page_url: str | None
    image_urls: tuple[str, ...]
    artist: str | None = None
    title: str = ""
    tags: tuple[str, ...] = ()
    license: str | None = None
    published: str | None = None
    adult: bool = False
    ai_made: bool = False
    landmarks: tuple[Point, Point, Point, Point] | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def addresses(self) -> tuple[str, ...]:
        """Where the work and its pictures are to be found, the page first."""
        return (self.page_url, *self.image_urls) if self.page_url else self.image_urls

    @property
    def places(self) -> tuple[str, ...]:
        """By what an address may name the work: its own addresses, and the artist's page at a site whose pages we know."""
        if self.source != "artstation" or not self.artist:
            return self.addresses
        name = quote(self.artist, safe="")
        pages = (f"https://www.artstation.com/{spelt}" for spelt in dict.fromkeys((name, name.lower())))
        return (*self.addresses, *pages, f"https://{name}.artstation.com/")

    @property
    def artist_keys(self) -> frozenset[str]:
        """The artist's account and display name, in the form that is compared (`aahq.web.addresses.name_key`)."""
        names = (self.artist, self.extra.get("artist_name"))
        return frozenset(name_key(name) for name in names if isinstance(name, str)) - {""}

    @property
    def local_path(self) -> Path | None:
        """The local file of a `folder` candidate; None for every other source, whatever its addresses say."""
        if self.source != FOLDER:
            return None
        # A file's name is bytes; the address keeps also those that are no text.
        return Path(os.fsdecode(unquote_to_bytes(self.image_urls[0].removeprefix("file://"))))

    def _check_types(self) -> None:
        texts = (self.source, self.key, self.title, *self.image_urls, *self.tags)
        maybe = (self.page_url, self.artist, self.license, self.published)
        if not all(isinstance(text, str) for text in texts) or not all(isinstance(t, str | None) for t in maybe):
            raise TypeError("a text is none")
        if not isinstance(self.extra, Mapping):
            raise TypeError(f"extra is a {type(self.extra).__name__}")

    def to_json(self) -> str:
        """Canonical JSON; `from_json` gives an equal candidate back."""
        # Not `asdict`: it copies every value, which takes ten times as long as the JSON.
        return canonical_json(vars(self))

    @classmethod
    def from_json(cls, text: str) -> Candidate:
        """Read what `to_json` wrote.

        Raises:
            RowError: the text is no candidate.
        """
        try:
            value = json.loads(text)
            if not isinstance(value, dict):
                raise ValueError(f"a {type(value).__name__}")
            unknown = set(value) - {f.name for f in fields(cls)}
            if unknown:
                raise ValueError(f"unknown fields {sorted(unknown)}")
            for name in ("image_urls", "tags"):
                value[name] = tuple(value.get(name, ()))
            if value.get("landmarks") is not None:
                value["landmarks"] = tuple((float(x), float(y)) for x, y in value["landmarks"])
            made = cls(**value)
            made._check_types()
            return made
        except (ValueError, TypeError) as error:
            raise RowError(f"candidate: {error}; expected the JSON of Candidate.to_json") from None
