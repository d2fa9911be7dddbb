"""Sources: one file each behind one small protocol, loaded when used."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from aahq.candidates import Candidate
from suite.errors import SuiteError, did_you_mean

if TYPE_CHECKING:
    from aahq.web.client import Http

# name -> "module:class"; the class takes `SourceOptions`.
SOURCES: dict[str, str] = {
    "artstation": "aahq.sources.artstation:ArtStation",
    "aahq-list": "aahq.sources.aahq_list:AahqList",
    "met": "aahq.sources.met:Met",
    "artic": "aahq.sources.artic:Artic",
    "cleveland": "aahq.sources.cleveland:Cleveland",
    "rijksmuseum": "aahq.sources.rijksmuseum:Rijksmuseum",
    "smithsonian": "aahq.sources.smithsonian:Smithsonian",
    "commons": "aahq.sources.commons:Commons",
    "urls": "aahq.sources.urls:Urls",
    "folder": "aahq.sources.folder:Folder",
}


@dataclass(frozen=True)
class SourceOptions:
    """What the command line may say to a source; each source reads the ones that it names.

    Attributes:
        target: the list, URL file or folder (`aahq-list`, `urls`, `folder`).
        channel: ArtStation's channel by its `uri` or name.
        sorting: ArtStation's order: "latest", "trending", "rising".
        query: the museums' search words.
        base_url: another server with the same answers (the embedded gallery); None for the real site.
        medium: what kind of works (`met`, `rijksmuseum`), in the museum's words; None for the source's own choice.
        key_file: a file with the key that an API wants (`smithsonian`).
        leave_out: places that the build itself writes, which are no source (`folder`).
    """

    target: str | None = None
    channel: str = "portraits"
    sorting: str = "latest"
    query: str = "portrait"
    base_url: str | None = None
    medium: str | None = None
    key_file: str | None = None
    leave_out: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Unusable:
    """A work that the source cannot offer, with the reason (a key of `aahq.reasons.REASONS`)."""

    key: str
    page_url: str | None
    reason: str
    detail: str


@dataclass(frozen=True)
class SourcePage:
    """A step of a source: what it found, and the cursor from which the next run goes on after this page."""

    candidates: list[Candidate]
    cursor: str
    unusable: list[Unusable] = field(default_factory=list)


class Source(Protocol):
    """What every source is. It knows no limit: the crawl stops asking for pages.

    `pages` yields until there is no more. A `cursor` of an earlier run skips what came before it; None starts afresh.
    It raises `aahq.web.interrupts.Stop` where the site ends the crawl; every page yielded until then stands.

    Attributes:
        name: its key in `SOURCES`.
        uses: the options that tell one use of it from another; each use has a cursor of its own.
        local: it reads this machine's disk alone; a finished one is listed anew each time, for what was added.
    """

    name: str
    uses: ClassVar[tuple[str, ...]]
    local: ClassVar[bool]

    def pages(self, http: Http | None, cursor: str | None) -> Iterator[SourcePage]: ...


def open_source(name: str, options: SourceOptions) -> Source:
    """The source of that name.

    Raises:
        SuiteError: no such source, or an option that it cannot use.
    """
    source: Source = source_class(name)(options)
    return source


def source_class(name: str) -> Any:
    """The class of that source. Raises `SuiteError` for an unknown name."""
    if name not in SOURCES:
        raise SuiteError(f"--source: no {name!r}{did_you_mean(name, SOURCES)}")
    module, _, attribute = SOURCES[name].partition(":")
    return getattr(importlib.import_module(module), attribute)
