"""One request of the crawler: robots.txt, pace, redirects, retries, challenges and busy hosts."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Generic, Protocol, TypeVar
from urllib.parse import urljoin

from aahq.reasons import Rejected
from aahq.web.addresses import wire_url
from aahq.web.interrupts import BotChallenge, SiteBusy
from aahq.web.limits import Limits
from aahq.web.netguard import host_key
from aahq.web.pages import challenge_header
from aahq.web.rate_limit import Clock, RateLimiter, retry_after
from aahq.web.response import StreamingResponse, check_status
from aahq.web.transport import Transport
from suite.errors import SuiteError

# A host that leaves so many requests in a row unanswered, each after its retries, rests so long: others need the connections.
SILENCES, REST_S = 5, 600.0
# What servers answer to a HEAD that they do not know, or that a wall in front of them takes for a robot's.
NO_HEAD = frozenset((400, 403, 405, 406, 501))
T = TypeVar("T")


class Hops(Protocol):
    """Whoever judges the addresses of one request, redirects included. Both raise `Rejected` for a no."""

    def before(self, url: str) -> None:
        """`url` is to be asked for; robots.txt allows it."""

    def answered(self, url: str, headers: Mapping[str, str]) -> None:
        """The headers of its answer, body unread."""


@dataclass(frozen=True)
class Request(Generic[T]):
    """What is asked for.

    Attributes:
        read: takes the final response, 2xx or 4xx (to a HEAD, also 501); called again when a body fails on the way.
        obey: ask robots.txt first.
        hops: judges the address and those of the redirects.
    """

    method: str
    url: str
    read: Callable[[StreamingResponse], T]
    headers: Mapping[str, str] = field(default_factory=dict)
    obey: bool = True
    hops: Hops | None = None


@dataclass
class Sender:
    """Sends what the client asks for.

    Attributes:
        contact: who crawls; None for the embedded gallery alone.
        check_robots: raises `Rejected` where robots.txt does not allow an address.
        halted: set when the run ends early; nothing more is asked for.
        sleep: waits so many seconds.
        reserving: hosts that reserved a picture by a header.
    """

    contact: str | None
    limits: Limits
    pace: RateLimiter
    transport: Transport
    check_robots: Callable[[str], None]
    halted: threading.Event
    clock: Clock
    sleep: Callable[[float], object]
    reserving: set[str] = field(default_factory=set)
    # Host -> requests in a row that it left without an answer after all retries, and the moment until which it rests.
    _silent: dict[str, tuple[int, float]] = field(default_factory=dict)

    def request(self, request: Request[T]) -> T:
        """Send, follow redirects, wait and retry as the limits say, and hand the final response to `request.read`.

        What is sent is `wire_url` of the address and of every redirect's target; robots.txt and `hops` judge exactly that.

        Raises:
            Rejected: one of the fetch reasons, or "robots" / "robots_unreachable".
            Stop: a challenge, or a host that is busy for longer than the limits allow.
        """
        url = wire_url(request.url)
        if self.contact is None and host_key(url) not in self.transport.guard.allow:
            raise SuiteError(f"--contact: {url} is on the real web; say who crawls, as in --contact me@example.org")
        host = host_key(url)
        silences, rests_until = self._silent.get(host, (0, 0.0))
        if silences >= SILENCES and self.clock() < rests_until:
            raise Rejected(
                "timeout", f"{url}: {host} left {silences} requests in a row unanswered; it rests for a while"
            )
        try:
            answer = self._try(replace(request, url=url))
        except Rejected as failure:
            if failure.entry.unreached:
                self._silent[host] = silences + 1, self.clock() + REST_S
            else:
                self._silent.pop(host, None)
            raise
        self._silent.pop(host, None)
        return answer

    def _try(self, request: Request[T]) -> T:
        pause = self.limits.backoff_s
        for left in range(self.limits.retries, -1, -1):
            try:
                return self.follow(request)
            except Rejected as failure:
                if failure.entry.retry != "at once" or not left:
                    raise
                self.sleep(pause)
            except TooMany as busy:
                # The lane of the host is closed for as long as it asked; the next try waits there.
                if not left or busy.seconds > self.limits.patience_s:
                    raise busy.stop() from None
            pause *= 2
        raise AssertionError("unreachable")

    def follow(self, request: Request[T]) -> T:
        """One try of `request`, redirects followed. Raises `TooMany` too, where the host asks to wait."""
        visited = {request.url}
        for _ in range(self.limits.redirects + 1):
            outcome = self._once(request)
            if not isinstance(outcome, _Redirect):
                return outcome
            headers = request.headers
            if host_key(outcome.to) != host_key(request.url):
                headers = {name: value for name, value in headers.items() if name.lower() != "x-api-key"}
            request = replace(request, url=outcome.to, headers=headers)
            if request.url in visited:
                raise Rejected("redirects", f"{request.url}: a loop")
            visited.add(request.url)
        raise Rejected("redirects", f"{request.url}: more than {self.limits.redirects} hops")

    def _once(self, request: Request[T]) -> T | _Redirect:
        url, hops = request.url, request.hops
        host = host_key(url)
        if self.halted.is_set():
            raise Rejected("network", f"{url}: not asked for, the run has ended")
        if self.contact is None and host not in self.transport.guard.allow:
            raise Rejected("address_refused", f"redirected to {url}, away from the embedded gallery")
        if request.obey:
            self.check_robots(url)
        if hops is not None:
            hops.before(url)
        self.pace.wait(host)
        if self.halted.is_set():
            raise Rejected("network", f"{url}: not asked for, the run has ended")
        with self.transport.send(request.method, url, dict(request.headers)) as incoming:
            if hops is not None:
                self._judge(hops, url, incoming.headers)
            return self._outcome(incoming, host, request)

    def _judge(self, hops: Hops, url: str, headers: Mapping[str, str]) -> None:
        try:
            hops.answered(url, headers)
        except Rejected:
            self.reserving.add(host_key(url))
            raise

    def _outcome(self, incoming: StreamingResponse, host: str, request: Request[T]) -> T | _Redirect:
        url, status, headers = incoming.url, incoming.status, incoming.headers
        if challenge := challenge_header(headers):
            raise BotChallenge(url, challenge)
        if status in (429, 503):
            seconds = retry_after(headers.get("Retry-After"), time.time()) or 0.0
            self.pace.slower(host, min(seconds, self.limits.patience_s))
            if status == 429 or seconds > self.limits.patience_s:
                raise TooMany(url, status, seconds)
        if status >= 500 and not (request.method == "HEAD" and status in NO_HEAD):
            check_status(status, url)
        if status in (301, 302, 303, 307, 308):
            location = headers.get("Location")
            if not location:
                raise Rejected("redirects", f"{url}: status {status} without a Location")
            try:
                target = urljoin(url, location.encode("latin-1").decode("utf-8", "replace"))
            except ValueError as error:
                raise Rejected("url_refused", f"{url}: redirected to {location[:200]!r}: {error}") from None
            return _Redirect(wire_url(target))
        if not 200 <= status < 500 and status not in NO_HEAD:
            raise Rejected("http_status", f"{url}: status {status}")
        result = request.read(incoming)
        self.pace.well(host)
        return result


@dataclass(frozen=True)
class _Redirect:
    to: str


class TooMany(Exception):
    """429, or 503 with a long Retry-After."""

    def __init__(self, url: str, status: int, seconds: float) -> None:
        super().__init__(url)
        self.url, self.status, self.seconds = url, status, seconds

    def stop(self) -> SiteBusy:
        wait = f", asking to wait {self.seconds:.0f} s" if self.seconds else ""
        return SiteBusy(self.url, f"the server answers {self.status}{wait}")
