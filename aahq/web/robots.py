"""robots.txt by RFC 9309, kept per host for a day: whether an address may be fetched, and what the file says of AI training.

Allow and Disallow for this crawler say whether an address may be fetched. Whether its content is reserved from training is
said by groups for AI crawlers (`aahq.web.ai_tokens`), Content-Signal and Content-Usage lines; License lines name an RSL
document.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlsplit

from protego import Protego

from aahq.consent.reservations import Finding
from aahq.reasons import Rejected
from aahq.web.addresses import wire_url
from aahq.web.ai_tokens import AI_TOKENS
from aahq.web.once import Kept, OnceEach
from aahq.web.preferences import Statement, reading, statement
from aahq.web.robots_file import decoded, read

# RFC 9309: section 2.4 (at most 24 hours).
KEEP_SECONDS = 24 * 3600.0
KEEP_UNREACHABLE_SECONDS = 600.0
# Characters of rules kept for all hosts together; their parsed form takes some seven times as much.
KEPT_MAX = 4 * 2**20
# What a host with nothing to say counts.
_LEAST = 1024


class Reply(Protocol):
    """What the fetcher gives back: the final status and body."""

    @property
    def status(self) -> int: ...

    @property
    def body(self) -> bytes: ...


@dataclass(frozen=True)
class RobotsAnswer:
    """What robots.txt says of one address.

    Attributes:
        allowed: whether it may be fetched.
        reachable: False where the file could not be had (server error, network): everything is disallowed then.
        url: of the robots.txt.
        value: the finding in words, for the evidence.
    """

    allowed: bool
    reachable: bool
    url: str
    value: str


@dataclass(frozen=True)
class _Rules:
    """A file's rules; `own` is None where there is no file to go by."""

    own: Protego | None
    allowed: bool
    reachable: bool
    value: str
    others: tuple[tuple[str, Protego], ...] = ()
    signals: tuple[Statement, ...] = ()
    usage: tuple[Statement, ...] = ()
    licenses: tuple[str, ...] = ()
    unknown: str = ""


class Robots:
    """Answers for all hosts; hosts do not wait for each other.

    Args:
        fetch: robots.txt's URL -> its `Reply`, redirects followed; raises `Rejected` where there is none.
        token: the crawler's product token, matched with `User-agent` lines.
        clock: seconds that only rise.
        delay: told (url, seconds) where a file has a Crawl-delay for this crawler.
        ai_tokens: further tokens of AI crawlers whose groups count as a reservation.
    """

    def __init__(
        self,
        fetch: Callable[[str], Reply],
        token: str,
        clock: Callable[[], float] = time.monotonic,
        delay: Callable[[str, float], None] | None = None,
        ai_tokens: Iterable[str] = (),
    ) -> None:
        self._fetch, self._token, self._clock, self._delay = fetch, token, clock, delay
        self._ai_tokens = AI_TOKENS | {name.strip().lower() for name in ai_tokens}
        self._kept: OnceEach[_Rules] = OnceEach(KEPT_MAX, clock)

    def check(self, url: str) -> RobotsAnswer:
        """May `url` be fetched? Raises `aahq.web.interrupts.Stop` where the fetcher does (a challenge, 429)."""
        sent, where, rules = self._rules(url)
        if rules.own is None:
            return RobotsAnswer(rules.allowed, rules.reachable, where, rules.value)
        allowed = all(rules.own.can_fetch(spelling, self._token) for spelling in _spellings(sent))
        value = "allowed" if allowed else f"disallowed for {self._token}"
        return RobotsAnswer(allowed, True, where, value)

    def findings(self, url: str) -> list[Finding]:
        """What the file says of training with what stands at `url`, a no or not. Raises as `check`."""
        sent, where, rules = self._rules(url)
        out = [
            Finding("robots.txt for AI crawlers", where, f"disallowed for {names}", True)
            for names, judge in rules.others
            if not all(judge.can_fetch(spelling, names) for spelling in _spellings(sent))
        ]
        parts = urlsplit(sent)
        path = f"{parts.path}?{parts.query}" if parts.query else parts.path
        for carrier, statements in (("Content-Signal", rules.signals), ("Content-Usage in robots.txt", rules.usage)):
            terms = reading(statements, path)
            if terms.noted:
                out.append(Finding(carrier, where, terms.no or terms.noted, terms.no is not None))
        if rules.unknown:
            out.append(Finding("unknown robots.txt lines", where, f"unknown: {rules.unknown}", False))
        return out

    def licenses(self, url: str) -> tuple[str, ...]:
        """The addresses of RSL documents that the host's file names. Raises as `check`."""
        return self._rules(url)[2].licenses

    def _rules(self, url: str) -> tuple[str, str, _Rules]:
        sent = wire_url(url)
        parts = urlsplit(sent)
        where = f"{parts.scheme}://{parts.netloc}/robots.txt"
        return sent, where, self._kept.get(where, lambda: self._read(where))

    def _read(self, where: str) -> Kept[_Rules]:
        now = self._clock()
        try:
            reply = self._fetch(where)
        except Rejected as refused:
            # RFC 9309 2.3.1.2: more than five redirects may be taken as "no such file"; 2.3.1.4: unreachable is a no.
            if refused.reason == "redirects":
                return _yes("allowed: robots.txt redirects without end", now)
            return _no(f"unreachable: {refused}", now)
        if 400 <= reply.status < 500:
            return _yes(f"allowed: no robots.txt ({reply.status})", now)
        if reply.status >= 300:
            return _no(f"unreachable: status {reply.status}", now)
        return self._parse(reply.body, where, now)

    def _parse(self, body: bytes, where: str, now: float) -> Kept[_Rules]:
        file = read(decoded(body), {self._token.lower(), *self._ai_tokens})
        own = file.for_token(self._token.lower())
        rules = own.rule_set()
        delay = rules.crawl_delay(self._token)
        if delay and self._delay:
            self._delay(where, float(delay))
        # Many files name a dozen crawlers over one group.
        named: dict[tuple[str, ...], list[str]] = {}
        for token in sorted(self._ai_tokens & file.groups.keys()):
            named.setdefault(tuple(file.groups[token].rules), []).append(token)
        others = tuple(
            (", ".join(tokens), file.groups[tokens[0]].rule_set()) for lines, tokens in named.items() if lines
        )
        cost = _LEAST + own.size + sum(sum(map(len, lines)) for lines in named)
        made = _Rules(
            rules,
            True,
            True,
            "",
            others,
            tuple(map(statement, own.signals)),
            tuple(map(statement, own.usage)),
            tuple(file.licenses),
            ", ".join(file.unknown),
        )
        return Kept(made, cost, now + KEEP_SECONDS)


def _spellings(sent: str) -> set[str]:
    """The address, and as most servers read it, with one slash for several in a row."""
    parts = urlsplit(sent)
    path = parts.path
    while "//" in path:
        path = path.replace("//", "/")
    return {sent, parts._replace(path=path).geturl()}


def _yes(why: str, now: float) -> Kept[_Rules]:
    return Kept(_Rules(None, True, True, why), _LEAST, now + KEEP_SECONDS)


def _no(why: str, now: float) -> Kept[_Rules]:
    return Kept(_Rules(None, False, False, why), _LEAST, now + KEEP_UNREACHABLE_SECONDS)
