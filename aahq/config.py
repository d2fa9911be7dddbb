"""What a build is asked for, kept in its ledger: where to crawl, how politely, and what the release is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from aahq.sources import SourceOptions
from suite.files import canonical_json


@dataclass(frozen=True)
class Ask:
    """Where to crawl, as the command line gave it; kept in the ledger, so that the same folder goes on without it.

    Attributes:
        source: a key of `aahq.sources.SOURCES`.
        target: the list, file or folder of the sources that need one.
        channel, sorting, query: what the sources of that kind ask for.
        base_url: another server with the same answers (the embedded gallery).
        limit: pictures in all; None for all that there are.
    """

    source: str
    target: str | None = None
    channel: str = "portraits"
    sorting: str = "latest"
    query: str = "portrait"
    base_url: str | None = None
    limit: int | None = None

    def cursor_key(self) -> str:
        """What tells this use of the source from others; the limit may change and the crawl still goes on."""
        used = {
            "artstation": {"channel": self.channel, "sorting": self.sorting},
            "met": {"query": self.query},
        }.get(self.source, {"target": self.target})
        return canonical_json(used)

    def options(self, left: int | None) -> SourceOptions:
        """For the source, with `left` works to go."""
        return SourceOptions(self.target, self.channel, self.sorting, self.query, left, self.base_url)


@dataclass(frozen=True)
class Manners:
    """Who asks and how.

    Attributes:
        contact: an e-mail address or page of the person who crawls; needed for the real web.
        per_second: requests a second to one host; 0 for no limit.
        connections: pictures taken at the same time.
        processes: processes that ask at the same time, sharing the pace.
        optouts, permissions: files; None where there is none.
        allow: `host:port` of a gallery on this machine.
    """

    contact: str | None = None
    per_second: float = 1.0
    connections: int = 8
    processes: int = 1
    optouts: str | None = None
    permissions: str | None = None
    allow: Sequence[str] = ()


@dataclass(frozen=True)
class Shape:
    """What the release is: its name, the pictures' side, the domain, the seed of the splits. Fixed for a folder."""

    name: str = "aahq"
    size: int = 1024
    domain: str = "art"
    seed: int = 0
