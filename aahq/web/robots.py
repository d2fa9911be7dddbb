"""robots.txt by RFC 9309, read with Protego, kept per host for a day."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from protego import Protego

from aahq.reasons import Rejected
from aahq.web.netguard import check_url

# RFC 9309: section 2.4 (at most 24 hours), section 2.5 (parse at least 500 KiB).
KEEP_SECONDS = 24 * 3600.0
KEEP_UNREACHABLE_SECONDS = 600.0
MAX_BYTES = 512 * 1024
# Answers remembered: a picture's addresses are asked about before its consent and again before each request.
ANSWERS_KEPT = 4096


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
    parsed: Protego | None
    allowed: bool
    reachable: bool
    value: str
    until: float


class Robots:
    """Answers for all hosts.

    Args:
        fetch: robots.txt's URL -> its `Reply`, redirects followed; raises `Rejected` where there is none.
        token: the crawler's product token, matched with `User-agent` lines.
        clock: seconds that only rise.
        delay: told (url, seconds) where a file has a Crawl-delay for this crawler.
    """

    def __init__(
        self,
        fetch: Callable[[str], Reply],
        token: str,
        clock: Callable[[], float] = time.monotonic,
        delay: Callable[[str, float], None] | None = None,
    ) -> None:
        self._fetch, self._token, self._clock, self._delay = fetch, token, clock, delay
        self._kept: dict[str, _Rules] = {}
        self._answers: dict[str, tuple[RobotsAnswer, float]] = {}
        self._lock = threading.Lock()

    def check(self, url: str) -> RobotsAnswer:
        """May `url` be fetched? Raises `aahq.web.interrupts.Stop` where the fetcher does (a challenge, 429)."""
        known = self._answers.get(url)
        if known is not None and known[1] > self._clock():
            return known[0]
        answer, until = self._answer(url)
        if len(self._answers) >= ANSWERS_KEPT:
            self._answers.clear()
        self._answers[url] = answer, until
        return answer

    def _answer(self, url: str) -> tuple[RobotsAnswer, float]:
        """The answer for an address, and the moment until which its robots.txt holds."""
        parts = check_url(url)
        where = f"{parts.scheme}://{parts.netloc.lower()}/robots.txt"
        # One fetch for all threads that begin with the same host.
        with self._lock:
            rules = self._kept.get(where)
            if rules is None or rules.until <= self._clock():
                rules = self._kept[where] = self._read(where)
        if rules.parsed is None:
            return RobotsAnswer(rules.allowed, rules.reachable, where, rules.value), rules.until
        allowed = rules.parsed.can_fetch(url, self._token)
        value = "allowed" if allowed else f"disallowed for {self._token}"
        return RobotsAnswer(allowed, True, where, value), rules.until

    def _read(self, where: str) -> _Rules:
        now = self._clock()
        try:
            reply = self._fetch(where)
        except Rejected as refused:
            # RFC 9309 2.3.1.2: more than five redirects may be taken as "no such file"; 2.3.1.4: unreachable is a no.
            if refused.reason == "redirects":
                return _Rules(None, True, True, "allowed: robots.txt redirects without end", now + KEEP_SECONDS)
            return _Rules(None, False, False, f"unreachable: {refused}", now + KEEP_UNREACHABLE_SECONDS)
        if 400 <= reply.status < 500:
            return _Rules(None, True, True, f"allowed: no robots.txt ({reply.status})", now + KEEP_SECONDS)
        if reply.status >= 300:
            return _Rules(None, False, False, f"unreachable: status {reply.status}", now + KEEP_UNREACHABLE_SECONDS)
        parsed = Protego.parse(reply.body[:MAX_BYTES].decode("utf-8-sig", errors="replace"))
        delay = parsed.crawl_delay(self._token)
        if delay and self._delay:
            self._delay(where, float(delay))
        return _Rules(parsed, True, True, "", now + KEEP_SECONDS)
