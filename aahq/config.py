"""A build's settings, kept in its ledger: where to crawl, how politely, and what the release is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from aahq.sources import Source, SourceOptions, open_source, source_class
from suite.files import canonical_json

# Their names in the ledger's `meta`, the same in folders of every version.
SOURCE_KEY, POLICY_KEY, RELEASE_KEY = "ask", "manners", "shape"


@dataclass(frozen=True)
class SourceConfig:
    """The source, as the command line gave it; kept in the ledger, so that the same folder goes on without it.

    Attributes:
        name: a key of `aahq.sources.SOURCES`.
        options: what it is told.
        limit: pictures in all; None for all that there are.
    """

    name: str
    options: SourceOptions
    limit: int | None = None

    @classmethod
    def from_stored(cls, values: Mapping[str, Any]) -> SourceConfig:
        """From the values in a ledger: "source", "limit" and the options, all on one level."""
        known = {field.name for field in fields(SourceOptions)}
        options = SourceOptions(**{name: value for name, value in values.items() if name in known})
        return cls(values["source"], options, values.get("limit"))

    def cursor_key(self) -> str:
        """What tells this use of the source from others; the limit may change and the crawl still goes on."""
        return canonical_json({name: getattr(self.options, name) for name in source_class(self.name).uses})

    def open(self, leave_out: Iterable[Path] = ()) -> Source:
        """The source; `leave_out` is what the build itself writes."""
        return open_source(self.name, replace(self.options, leave_out=tuple(leave_out)))


@dataclass(frozen=True)
class CrawlPolicy:
    """Who crawls, how fast, and what binds them.

    Attributes:
        contact: an e-mail address or page of the person who crawls; needed for the real web.
        per_second: requests per second to one host; 0 for no limit.
        connections: pictures of one host fetched at a time.
        optouts, permissions, site_terms: files; None where there is none.
        ai_tokens: further AI crawlers whose robots.txt groups count as a reservation.
        allow: `host:port` of a gallery on this machine.
    """

    contact: str | None = None
    per_second: float = 1.0
    connections: int = 8
    optouts: str | None = None
    permissions: str | None = None
    site_terms: str | None = None
    ai_tokens: Sequence[str] = ()
    allow: Sequence[str] = ()

    @classmethod
    def from_stored(cls, values: Mapping[str, Any]) -> CrawlPolicy:
        """From the values in a ledger, which an earlier version may have written: options that are gone are left out."""
        return cls(**{field.name: values[field.name] for field in fields(cls) if field.name in values})


@dataclass(frozen=True)
class ReleaseConfig:
    """The release: name, side of the pictures in pixels, domain ("art" or "photo"), seed of the splits. Fixed per folder."""

    name: str = "aahq"
    size: int = 1024
    domain: str = "art"
    seed: int = 0


@dataclass(frozen=True)
class Layout:
    """How a release is laid out; remembered for each.

    Attributes:
        form: `folder`, `shards` or `links`.
        public: for handing on: rows whose licence does not allow it keep their link and lose their picture.
        shard_bytes: the most that a shard holds; None for the usual.
        quotas: field -> faces of one value of it, at most; None for no quota.
        require: screens that must have looked at every face.
    """

    form: str = "folder"
    public: bool = False
    shard_bytes: int | None = None
    quotas: dict[str, int] | None = None
    require: Sequence[str] = ()
