"""What a host says of AI in files of its own: `/.well-known/tdmrep.json`, `/ai.txt`, RSL documents, and the list of sites'
terms.

Each is asked for once a host and day. A file that is not there (4xx) says nothing; one that cannot be had is noted; one that is
there and cannot be read counts as a reservation: somebody meant something by it.

Sources of the forms: TDM Reservation Protocol (W3C community group, final report 2024-05-10), ai.txt (spawning.ai, and the
draft with a `Training:` line), RSL 1.0 (rslstandard.org).
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urljoin, urlsplit
from xml.etree import ElementTree

from protego import Protego

from aahq.consent.reservations import Finding
from aahq.reasons import Rejected
from aahq.web.addresses import wire_url
from aahq.web.ai_tokens import AI_TOKENS
from aahq.web.once import Kept, OnceEach
from aahq.web.preferences import TRAINING, covers
from aahq.web.robots_file import EVERYBODY, decoded, read
from suite.errors import SuiteError
from suite.files import TOML_MAX, foreign_json, parse_toml, read_text

TDMREP, AI_TXT = "/.well-known/tdmrep.json", "/ai.txt"
KEEP_SECONDS = 24 * 3600.0
# Characters of files kept for all hosts together.
KEPT_MAX = 4 * 2**20
_LEAST = 512
FILE_MAX = 512 * 1024
LICENSES_MAX = 3
_TRAINING_LINE = re.compile(r"^\s*(?:ai-?)?train(?:ing)?\s*:\s*([A-Za-z-]+)", re.IGNORECASE | re.MULTILINE)
_HOST = re.compile(r"[a-z]+://[^/]*", re.IGNORECASE)
_FREE = ("free", "attribution", "")


class Reply(Protocol):
    """A file as the fetcher gives it back."""

    @property
    def status(self) -> int: ...

    @property
    def body(self) -> bytes: ...


# (path with query) -> what the file says of it.
Judge = Callable[[str], list[Finding]]


@dataclass(frozen=True)
class SiteTerm:
    """A site whose published terms reserve its pictures from AI training, with its subdomains."""

    host: str
    says: str
    source: str


class SiteReservations:
    """Answers for all hosts; hosts do not wait for each other.

    Args:
        fetch: an address -> its `Reply`, redirects followed, robots.txt obeyed; raises `Rejected`.
        licenses: an address -> the RSL documents that its host's robots.txt names.
        token: the crawler's own product token.
        clock: seconds that only rise.
        terms: further sites beside the list that comes with the program.
    """

    def __init__(
        self,
        fetch: Callable[[str], Reply],
        licenses: Callable[[str], tuple[str, ...]],
        token: str,
        clock: Callable[[], float] = time.monotonic,
        terms: Iterable[SiteTerm] = (),
    ) -> None:
        self._fetch, self._licenses, self._token, self._clock = fetch, licenses, token.lower(), clock
        self._terms = (*shipped_terms(), *terms)
        self._kept: OnceEach[Judge] = OnceEach(KEPT_MAX, clock)

    def terms(self, url: str) -> Finding | None:
        """The entry of the list of sites' terms that covers the address; asks nobody."""
        host = urlsplit(wire_url(url)).hostname or ""
        for term in self._terms:
            if host == term.host or host.endswith(f".{term.host}"):
                return Finding("site terms", term.source, f"{term.host}: {term.says}", True)
        return None

    def findings(self, url: str) -> list[Finding]:
        """What the host's files say of training with what stands at `url`. Raises `aahq.web.interrupts.Stop` where the
        fetcher does."""
        sent = wire_url(url)
        parts = urlsplit(sent)
        path = f"{parts.path}?{parts.query}" if parts.query else parts.path
        origin = f"{parts.scheme}://{parts.netloc}"
        found: list[Finding] = []
        for name, parse in ((TDMREP, _tdmrep), (AI_TXT, self._ai_txt)):
            found += self._judge(origin + name, parse)(path)
        for license in self._licenses(sent)[:LICENSES_MAX]:
            where = urljoin(f"{origin}/", license)
            found += self._judge(where, _rsl(origin), missing=True)(path)
        return found

    def _judge(self, where: str, parse: Callable[[str, bytes], Judge], missing: bool = False) -> Judge:
        return self._kept.get(where, lambda: self._read(where, parse, missing))

    def _read(self, where: str, parse: Callable[[str, bytes], Judge], missing: bool) -> Kept[Judge]:
        """`missing`: the file was named by another, so that it is a reservation when it is not there."""
        until = self._clock() + KEEP_SECONDS
        carrier = "RSL" if missing else where.rpartition("/")[2]
        try:
            reply = self._fetch(where)
            if reply.status >= 500:
                raise Rejected("server_error", f"{where}: status {reply.status}")
        except Rejected as refused:
            return Kept(_always(Finding(carrier, where, f"not to be had: {refused}"[:300], missing)), _LEAST, until)
        if reply.status >= 300:
            if missing:
                return Kept(
                    _always(Finding(carrier, where, f"named, and not there ({reply.status})", True)), _LEAST, until
                )
            return Kept(_nothing, _LEAST, until)
        body = reply.body
        if len(body) > FILE_MAX:
            too_long = Finding(carrier, where, f"{len(body)} bytes > {FILE_MAX}: unread, which counts as a no", True)
            return Kept(_always(too_long), _LEAST, until)
        return Kept(parse(where, body), _LEAST + len(body), until)

    def _ai_txt(self, where: str, body: bytes) -> Judge:
        text = decoded(body)
        if text.lstrip()[:1] == "<":
            return _always(Finding("ai.txt", where, "HTML in its place", False))
        rules = [match[1].lower() for match in _TRAINING_LINE.finditer(text)]
        if any(value not in ("allow", "allowed", "yes") for value in rules):
            return _always(Finding("ai.txt", where, f"Training: {', '.join(rules)[:100]}", True))
        file = read(text, {self._token, *AI_TOKENS})
        judges = [
            (name, lines.rule_set())
            for name, lines in sorted(file.groups.items(), key=lambda item: item[0] != EVERYBODY)
        ]
        origin = where.removesuffix(AI_TXT)
        return lambda path: _ai_txt_says(where, judges, origin + path)


def _ai_txt_says(where: str, judges: list[tuple[str, Protego]], url: str) -> list[Finding]:
    for name, judge in judges:
        if not judge.can_fetch(url, name):
            return [Finding("ai.txt", where, f"disallowed for {name}", True)]
    return [Finding("ai.txt", where, "no reservation", False)]


def _nothing(path: str) -> list[Finding]:
    return []


def _always(finding: Finding) -> Judge:
    return lambda path: [finding]


def _tdmrep(where: str, body: bytes) -> Judge:
    try:
        text = decoded(body)
        rules = [_tdm_rule(entry) for entry in _as_list(foreign_json(text.encode()))]
        if text.count('"tdm-reservation"') > len(rules):
            raise ValueError("a rule that says tdm-reservation twice")
    except ValueError as error:
        return _always(Finding("tdmrep.json", where, f"unreadable, which counts as a no: {error}"[:300], True))

    def says(path: str) -> list[Finding]:
        met = [(location, value) for location, value in rules if covers(location, path)]
        if not met:
            return []
        # The first in the file, and the most exact: a yes only where both say it.
        decisive = (met[0], max(met, key=lambda rule: len(rule[0])))
        location, value = next((rule for rule in decisive if rule[1] != "0"), decisive[0])
        return [Finding("tdmrep.json", where, f"location {location[:100]}: tdm-reservation {value}", value != "0")]

    return says


def _as_list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError(f"a {type(value).__name__} where a list of rules was expected")
    return value


def _tdm_rule(entry: Any) -> tuple[str, str]:
    if not isinstance(entry, dict) or not isinstance(entry.get("location"), str):
        raise ValueError("a rule without a location")
    # Whatever host is named: it stands on this one.
    location = _HOST.sub("", entry["location"].strip()) or "/"
    if not location.startswith(("/", "*")):
        location = f"/{location}"
    value = entry.get("tdm-reservation")
    return location, str(int(value) if isinstance(value, bool | float) and value in (0, 1) else value).strip()[:40]


def _rsl(origin: str) -> Callable[[str, bytes], Judge]:
    return lambda where, body: lambda path: rsl_findings(body, where, origin, path)


def rsl_findings(body: bytes, where: str, origin: str, path: str) -> list[Finding]:
    """What an RSL document says of training with what stands at `origin` + `path`; what cannot be read is a no."""
    try:
        # As text, so that no encoding hides what is looked for.
        text = decoded(body)
        if re.search("<!DOCTYPE|<!ENTITY", text, re.IGNORECASE):
            raise ValueError("a document type, which RSL has none of")
        root = ElementTree.fromstring(text)
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        return [Finding("RSL", where, f"unreadable, which counts as a no: {error}"[:300], True)]
    reserved: list[Finding] = []
    for content in (node for node in root.iter() if _name(node) == "content"):
        pattern = (content.get("url") or "/").strip().removeprefix(origin) or "/"
        if pattern.startswith(("http://", "https://")) or not covers(pattern, path):
            continue
        for license in (node for node in content.iter() if _name(node) == "license"):
            no = _license_no(license)
            reserved.append(Finding("RSL", where, f"{pattern[:100]}: {no or 'training permitted'}", no is not None))
    return reserved


def _license_no(license: ElementTree.Element) -> str | None:
    usage = {"permits": set[str](), "prohibits": set[str]()}
    payment = ""
    for node in license.iter():
        name = _name(node)
        if name in usage and (node.get("type") or "usage").lower() == "usage":
            usage[name] |= set(re.split(r"[\s,]+", (node.text or "").strip().lower())) - {""}
        elif name == "payment":
            payment = (node.get("type") or "unnamed").lower()
    if usage["prohibits"] & TRAINING:
        return f"prohibits {', '.join(sorted(usage['prohibits']))[:100]}"
    if usage["permits"] and not usage["permits"] & TRAINING:
        return f"permits {', '.join(sorted(usage['permits']))[:100]} alone"
    if payment not in _FREE:
        return f"asks for a {payment[:40]} licence"
    return None


def _name(node: ElementTree.Element) -> str:
    return str(node.tag).rpartition("}")[2].lower()


@cache
def shipped_terms() -> tuple[SiteTerm, ...]:
    """The list that comes with the program, `site_terms.toml`."""
    return _terms(files("aahq.consent").joinpath("site_terms.toml").read_text(encoding="utf-8"), "site_terms.toml")


def read_terms(path: Path | None) -> tuple[SiteTerm, ...]:
    """A person's own list, in the form of `site_terms.toml`; it adds to that and takes nothing away.

    Raises:
        SuiteError: not readable, not TOML, or an entry without host, says and source.
    """
    if path is None:
        return ()
    try:
        return _terms(read_text(path, TOML_MAX), str(path))
    except (OSError, ValueError) as error:
        raise SuiteError(f"--site-terms {path}: {error}; expected TOML with [[site]] tables") from None


def _terms(text: str, name: str) -> tuple[SiteTerm, ...]:
    terms: list[SiteTerm] = []
    for number, entry in enumerate(parse_toml(text).get("site", []), 1):
        fields = [entry.get(key) if isinstance(entry, dict) else None for key in ("host", "says", "source")]
        if not all(isinstance(value, str) and value.strip() for value in fields):
            raise SuiteError(f"--site-terms {name}: site {number}: expected host, says and source as text")
        host = wire_url(f"https://{str(fields[0]).strip().lower().removeprefix('https://').strip('/')}/")
        terms.append(SiteTerm((urlsplit(host).hostname or "").removeprefix("www."), str(fields[1]), str(fields[2])))
    return tuple(terms)
