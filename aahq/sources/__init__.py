"""Sources: one file each behind one small protocol, loaded when used."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from pkgutil import resolve_name
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


def page_about(name: str) -> str:
    """The address at which a source describes itself; "" where only the rows can say more, and for names of strangers."""
    if name not in SOURCES:
        return ""
    return str(getattr(resolve_name(SOURCES[name]), "about", ""))


def _option(help: str, metavar: str, default: str | None = None, file: bool = False) -> Any:
    """A field that is also an option of the command line; `file` says that it names a file there."""
    return field(default=default, metadata={"help": help, "metavar": metavar, "file": file})


@dataclass(frozen=True)
class SourceOptions:
    """What the command line may say to a source; each source reads the ones that it names. A field here is an option there.

    Attributes:
        target: the list, URL file or folder (`aahq-list`, `urls`, `folder`).
        leave_out: places that the build itself writes, which are no source (`folder`).
    """

    target: str | None = None
    channel: str = _option("artstation: the channel, by its address or name.", "NAME", "portraits")
    sorting: str = _option("artstation: latest, trending or rising.", "NAME", "latest")
    query: str = _option("Museums: search words.", "WORDS", "portrait")
    base_url: str | None = _option("Another server with the same answers, as 'aahq gallery'.", "URL")
    medium: str | None = _option("met, rijksmuseum: kinds of works, in the museum's words.", "WORDS")
    key_file: str | None = _option("File with the key of an API (smithsonian).", "FILE", file=True)
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
    """A step of a source.

    Attributes:
        candidates: what it found.
        cursor: from here the next run goes on after this page.
        unusable: works that it cannot offer.
        total: works in the whole listing, where it says so.
    """

    candidates: list[Candidate]
    cursor: str
    unusable: list[Unusable] = field(default_factory=list)
    total: int | None = None


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
    return resolve_name(SOURCES[name])
