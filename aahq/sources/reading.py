"""What all web sources share: a listing read safely, fields checked, the marks of AI-made and mature work."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, TypeVar

from aahq.reasons import REASONS, Rejected
from aahq.web.client import Http
from aahq.web.interrupts import FormatChanged, RobotsDisallowed, SiteBusy

JSON = "application/json"
T = TypeVar("T")
# Refusals that may be the record's own (withdrawn, broken) or the API's to everybody: the next records tell.
REFUSED = frozenset(("forbidden", "server_error", "http_status"))
# Failures that say something of the server's state, and nothing of the record that was asked for.
UNANSWERED = frozenset(name for name, reason in REASONS.items() if reason.retry) - REFUSED
REFUSALS_IN_A_ROW = 3
_AI_TAGS = frozenset(
    {
        *("createdwithai", "madewithai", "generatedbyai", "aigenerated", "aigeneratedart", "aiart", "aiartwork"),
        *("generativeai", "midjourney", "stablediffusion", "dalle", "dalle2", "dalle3", "novelai"),
    }
)
_AI_SOFTWARE = ("midjourney", "stablediffusion", "dalle", "novelai", "adobefirefly", "leonardoai", "fluxai")
_MARKUP = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]+")
TITLE_MAX = 300
_HALF = re.compile(r"[\ud800-\udfff]")


def listing(http: Http, url: str, headers: Mapping[str, str] | None = None) -> Any:
    """The JSON of an address without which the source cannot go on.

    Raises:
        Stop: the format changed (`FormatChanged`), the site is busy (`SiteBusy`) or forbids it (`RobotsDisallowed`,
            `BotChallenge`).
    """
    try:
        return http.get(url, JSON, headers=headers).ok().json()
    except Rejected as refused:
        if refused.reason == "robots":
            raise RobotsDisallowed(url, refused.detail) from None
        if refused.reason in UNANSWERED | REFUSED:
            raise SiteBusy(url, str(refused)) from None
        raise FormatChanged(url, str(refused)) from None


class Records:
    """Reads the records of one API; tells a record that is refused from an API that refuses."""

    def __init__(self, http: Http, headers: Mapping[str, str] | None = None) -> None:
        self._http, self._headers, self._in_a_row = http, headers, 0
        # A record that was given, and the last refusal.
        self._given: str | None = None
        self._refusal = ""

    def json(self, url: str) -> Any:
        """One record.

        Raises:
            Rejected: this record cannot be had; "bad_record" where it is no JSON.
            Stop: the API cannot be asked at present.
        """
        try:
            answer = self._http.get(url, JSON, headers=self._headers).ok()
        except Rejected as refused:
            if refused.reason == "robots":
                raise RobotsDisallowed(url, refused.detail) from None
            if refused.reason in UNANSWERED:
                raise SiteBusy(url, str(refused)) from None
            if refused.reason in REFUSED:
                self._in_a_row, self._refusal = self._in_a_row + 1, str(refused)
                if self._in_a_row >= REFUSALS_IN_A_ROW:
                    self.settle()
            raise
        self._given, self._in_a_row = url, 0
        return answer.json()

    def settle(self) -> None:
        """Were the last refusals the records' own? Asks once more for something that was given before.

        Call it before the page with those records is handed on.

        Raises:
            Stop: the API refuses that too; its word on the records is no verdict.
        """
        if self._in_a_row:
            if self._given is None:
                raise SiteBusy(self._refusal.split(": ")[1], f"{self._refusal}, and no other record was given")
            listing(self._http, self._given, self._headers)
            self._in_a_row = 0


def need(record: Any, name: str, kind: type[T], where: str) -> T:
    """A field that must be there.

    Raises:
        Rejected: "bad_record", naming the field.
    """
    if not isinstance(record, dict):
        raise Rejected("bad_record", f"{where}: a {type(record).__name__} where an object was expected")
    value = record.get(name)
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise Rejected("bad_record", f"{where}: field {name!r} is {value!r:.80}, expected {kind.__name__}")
    if _HALF.search(str(value) if kind is str else ""):
        raise Rejected("bad_record", f"{where}: field {name!r} contains an unpaired surrogate")
    return value


def text(value: Any) -> str:
    """A title or name for people: one line, without control and direction characters and halves, at most 300 characters."""
    return " ".join(_MARKUP.sub(" ", value).split())[:TITLE_MAX] if isinstance(value, str) else ""


def tag_names(tags: Any) -> tuple[str, ...]:
    """Tags as strings, whether the source gives strings or objects with a name."""
    names = (tag.get("name") if isinstance(tag, dict) else tag for tag in tags) if isinstance(tags, list) else ()
    return tuple(text(name) for name in names if isinstance(name, str) and text(name))


def says_ai_made(tags: tuple[str, ...], software: tuple[str, ...] = ()) -> bool:
    """Whether tags or software names say that a generator made the work."""
    if any(_plain(tag) in _AI_TAGS for tag in tags):
        return True
    return any(_plain(name).startswith(_AI_SOFTWARE) for name in software)


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())
