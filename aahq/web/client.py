"""The HTTP client: honest user agent, per-host rate limit, robots.txt, retries, redirects and size limits.

Every failure is a `Rejected` with one of the fetch reasons, or a resumable `aahq.web.interrupts.Stop`. Nothing here imitates a
browser, keeps cookies, reads proxies or passwords from the environment, or answers a challenge.
"""

from __future__ import annotations

import math
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Protocol, TypeVar
from urllib.parse import urljoin

from aahq.consent.reservations import Finding, header_findings, page_findings
from aahq.consent.site_reservations import SiteReservations, SiteTerm
from aahq.reasons import Rejected
from aahq.web.addresses import wire_url
from aahq.web.interrupts import BotChallenge, SiteBusy
from aahq.web.netguard import Resolve, host_key, system_resolve
from aahq.web.once import Kept, OnceEach
from aahq.web.pages import challenge_body, challenge_header, why_no_page
from aahq.web.rate_limit import Clock, RateLimiter, Sleep, retry_after
from aahq.web.response import Response, StreamingResponse, check_status
from aahq.web.robots import Robots
from aahq.web.robots_file import decoded
from aahq.web.transport import Transport
from suite.errors import SuiteError

TOKEN = "aahq"
PAGES_KEPT = 256
# So often is a host asked by HEAD whether it reserves by headers, where the first answer does not tell.
LOOKS = 2
# A host that leaves so many requests in a row unanswered, each after its retries, rests so long: others need the connections.
SILENCES, REST_S = 5, 600.0
# What servers answer to a HEAD that they do not know, or that a wall in front of them takes for a robot's.
_NO_HEAD = frozenset((400, 403, 405, 406, 501))
T = TypeVar("T")
_CONTACT = re.compile(r"(https?://[^\s<>()]{4,200}|[^\s@<>()]{1,100}@[^\s@<>()]{3,100})\Z")


@dataclass(frozen=True)
class Limits:
    """How gently and how long.

    Attributes:
        per_second: requests a second to one host; 0 for none (an embedded gallery, a benchmark).
        connect_s: seconds for a connection.
        read_s: seconds without a byte.
        total_s: seconds for one whole response.
        retries: further tries after a passing failure.
        backoff_s: pause before the first further try; doubled for each one after.
        patience_s: the longest single wait that a host may ask for (`Retry-After`) before the run stops, resumable.
        redirects: hops followed.
        text_bytes: the largest page or JSON.
        image_bytes: the largest picture file.
    """

    per_second: float = 1.0
    connect_s: float = 10.0
    read_s: float = 20.0
    total_s: float = 120.0
    retries: int = 3
    backoff_s: float = 1.0
    patience_s: float = 300.0
    redirects: int = 5
    text_bytes: int = 8 * 2**20
    image_bytes: int = 100 * 2**20

    def __post_init__(self) -> None:
        if not (math.isfinite(self.per_second) and self.per_second >= 0):
            raise SuiteError(f"--per-second {self.per_second}: expected requests a second, 0 for no limit")


@dataclass(frozen=True)
class Page:
    """What the crawler keeps of a work's page.

    Attributes:
        url: the address that answered.
        hops: the addresses that were sent for it.
        problem: why this is not the page that was asked for, or None.
        findings: what its tags and headers, and those of the redirects to it, say of AI.
        read_at: ISO time, UTC.
    """

    url: str
    hops: tuple[str, ...]
    problem: str | None
    findings: tuple[Finding, ...]
    read_at: str


class Hops(Protocol):
    """Whoever judges the addresses of one request, redirects included. Both raise `Rejected` for a no."""

    def before(self, url: str) -> None:
        """`url` is to be asked for; robots.txt allows it."""

    def answered(self, url: str, headers: Mapping[str, str]) -> None:
        """The headers of its answer, body unread."""


class _Way:
    """The redirects to a page: judged by whoever asks first, and remembered for the others."""

    def __init__(self, hops: Hops | None) -> None:
        self._hops = hops
        self.urls: list[str] = []
        self.findings: list[Finding] = []

    def before(self, url: str) -> None:
        if self._hops is not None:
            self._hops.before(url)
        self.urls.append(url)

    def answered(self, url: str, headers: Mapping[str, str]) -> None:
        self.findings += header_findings(headers)


def user_agent(contact: str | None) -> str:
    """`aahq/<version> (+<contact>)`: the crawler's own name and where its owner can be reached."""
    try:
        number = version("aahq-blendgan")
    except PackageNotFoundError:
        number = "0"
    return f"{TOKEN}/{number} (+{contact})" if contact else f"{TOKEN}/{number} (embedded gallery)"


class Http:
    """A polite client; safe to share between threads.

    Args:
        contact: an e-mail address or a web page where the person who crawls can be reached; goes into the user agent.
            None is possible for addresses in `allow` only.
        allow: `host:port` pairs of the embedded gallery: they may be local.
        limits: pace, patience and sizes.
        clock, sleep: for the pace and the caches; tests put their own in, so that none waits. Without `sleep` a wait ends with
            the run.
        resolve: host and port -> addresses.
        ai_tokens: tokens of AI crawlers beside `aahq.web.ai_tokens` whose robots.txt groups reserve what they may not fetch.
        site_terms: sites whose terms reserve their pictures, beside the list that comes with the program.
    """

    def __init__(
        self,
        contact: str | None,
        *,
        allow: Iterable[str] = (),
        limits: Limits | None = None,
        clock: Clock = time.monotonic,
        sleep: Sleep | None = None,
        resolve: Resolve = system_resolve,
        ai_tokens: Iterable[str] = (),
        site_terms: Iterable[SiteTerm] = (),
    ) -> None:
        if contact is not None and not (contact.isascii() and _CONTACT.match(contact)):
            raise SuiteError(
                f"--contact {contact!r}: expected an e-mail address or a web page in ASCII, as in --contact me@example.org"
            )
        self.contact = contact
        # Set when the run ends early: whatever still goes on in other threads asks for nothing more.
        self.halted = threading.Event()
        # A wait that a run's end cuts short.
        self._sleep: Callable[[float], object] = sleep or self.halted.wait
        self.limits = limits or Limits()
        self.pace = RateLimiter(self.limits.per_second, clock, self._sleep)
        self.ai_tokens = tuple(ai_tokens)
        self.robots = Robots(
            self._get_robots, TOKEN, clock, lambda url, s: self.pace.at_most_every(host_key(url), s), self.ai_tokens
        )
        self.site_terms = tuple(site_terms)
        self.sites = SiteReservations(self._get_site_file, self.robots.licenses, TOKEN, clock, self.site_terms)
        self._transport = Transport(
            user_agent(contact),
            allow,
            resolve,
            connect_s=self.limits.connect_s,
            read_s=self.limits.read_s,
            total_s=self.limits.total_s,
        )
        self.guard = self._transport.guard
        # Host -> requests in a row that it left without an answer after all retries, and the moment until which it rests.
        self._silent: dict[str, tuple[int, float]] = {}
        # Hosts that reserved a picture by a header, and how often each host was asked by HEAD.
        self._reserving: set[str] = set()
        self._looks: Counter[str] = Counter()
        self._pages: OnceEach[Page] = OnceEach(PAGES_KEPT, clock)
        self._clock = clock

    def __enter__(self) -> Http:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def halt(self) -> None:
        """The run ends: whoever waits for a turn or an answer in another thread stops waiting."""
        self.halted.set()
        self._transport.abort()

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    def get(
        self, url: str, accept: str = "*/*", obey: bool = True, headers: Mapping[str, str] | None = None
    ) -> Response:
        """GET a page or JSON, at most `limits.text_bytes`. Raises `Rejected` or `aahq.web.interrupts.Stop`.

        Args:
            url: the address.
            accept: the Accept header.
            obey: ask robots.txt first; False for robots.txt itself.
            headers: further ones; a key among them (`X-Api-Key`) goes to no other host.
        """
        sent = {"Accept": accept, "Accept-Encoding": "gzip", **(headers or {})}
        return self.request("GET", url, self._whole, sent, obey)

    def head(self, url: str) -> Response:
        """HEAD; where the server refuses the method rather than the picture, a GET that is closed before its body."""
        answer = self.request("HEAD", url, _headers_only)
        if answer.status in _NO_HEAD:
            answer = self.request("GET", url, _headers_only, {"Accept-Encoding": "identity"})
        return answer

    def look(self, url: str, hops: Hops) -> None:
        """Let `hops` judge a picture's headers by HEAD, before the picture itself is asked for.

        Only at a host of which nobody knows yet whether it reserves by headers, and at one that did: elsewhere the headers of
        the GET are soon enough, as its body is not read before. A HEAD that fails says nothing.

        Raises:
            Rejected: what `hops` refuse, or robots.txt.
            Stop: a challenge.
        """
        sent = wire_url(url)
        host = host_key(sent)
        if host not in self._reserving and self._looks[host] >= LOOKS:
            return
        self._looks[host] += 1
        try:
            if self._follow("HEAD", sent, _headers_only, {}, True, hops).status < 300:
                self._looks[host] = LOOKS
        except _TooMany:
            return
        except Rejected as refused:
            if refused.entry.withdrawn:
                raise

    def page(self, url: str, hops: Hops | None = None) -> Page:
        """A work's page, read for its reservations; kept for the other pictures of the same work.

        Args:
            url: the page.
            hops: judges the addresses that redirects lead to; asked at the first reading alone.

        Raises:
            Rejected: it could not be had at all.
            BotChallenge: the answer asks for a browser.
        """
        return self._pages.get(wire_url(url), lambda: Kept(self._read_page(url, hops)))

    def _read_page(self, url: str, hops: Hops | None) -> Page:
        headers = {"Accept": "text/html", "Accept-Encoding": "gzip"}
        way = _Way(hops)
        answer = self.request("GET", url, self._whole, headers, hops=way)
        if answer.status < 400 and (challenge := challenge_body(decoded(answer.body)[:200_000])):
            raise BotChallenge(answer.url, challenge)
        findings = (*way.findings, *page_findings(answer.body, TOKEN))
        problem = why_no_page(url, answer.url, answer.status, answer.headers, answer.body)
        return Page(answer.url, tuple(way.urls), problem, findings, utc_now())

    def request(
        self,
        method: str,
        url: str,
        read: Callable[[StreamingResponse], T],
        headers: Mapping[str, str] | None = None,
        obey: bool = True,
        hops: Hops | None = None,
    ) -> T:
        """Send, follow redirects, wait and retry as the limits say, and hand the final response to `read`.

        `read` sees 2xx and 4xx responses (to a HEAD, also 501); it is called again from the start when a body fails on the way.
        What is sent is `wire_url` of the address and of every redirect's target; robots.txt and `hops` judge exactly that.

        Raises:
            Rejected: one of the fetch reasons, or "robots" / "robots_unreachable".
            Stop: a challenge, or a host that is busy for longer than the limits allow.
        """
        url = wire_url(url)
        if self.contact is None and host_key(url) not in self.guard.allow:
            raise SuiteError(f"--contact: {url} is on the real web; say who crawls, as in --contact me@example.org")
        host = host_key(url)
        silences, rests_until = self._silent.get(host, (0, 0.0))
        if silences >= SILENCES and self._clock() < rests_until:
            raise Rejected(
                "timeout", f"{url}: {host} left {silences} requests in a row unanswered; it rests for a while"
            )
        try:
            answer = self._try(method, url, read, dict(headers or {}), obey, hops)
        except Rejected as failure:
            if failure.entry.unreached:
                self._silent[host] = silences + 1, self._clock() + REST_S
            else:
                self._silent.pop(host, None)
            raise
        self._silent.pop(host, None)
        return answer

    def _try(
        self,
        method: str,
        url: str,
        read: Callable[[StreamingResponse], T],
        headers: dict[str, str],
        obey: bool,
        hops: Hops | None,
    ) -> T:
        pause = self.limits.backoff_s
        for left in range(self.limits.retries, -1, -1):
            try:
                return self._follow(method, url, read, headers, obey, hops)
            except Rejected as failure:
                if failure.entry.retry != "at once" or not left:
                    raise
                self._sleep(pause)
            except _TooMany as busy:
                # The lane of the host is closed for as long as it asked; the next try waits there.
                if not left or busy.seconds > self.limits.patience_s:
                    raise busy.stop() from None
            pause *= 2
        raise AssertionError("unreachable")

    def _follow(
        self,
        method: str,
        url: str,
        read: Callable[[StreamingResponse], T],
        headers: dict[str, str],
        obey: bool,
        hops: Hops | None,
    ) -> T:
        seen = {url}
        for _ in range(self.limits.redirects + 1):
            outcome = self._once(method, url, read, headers, obey, hops)
            if not isinstance(outcome, _Redirect):
                return outcome
            if host_key(outcome.to) != host_key(url):
                headers = {name: value for name, value in headers.items() if name.lower() != "x-api-key"}
            url = outcome.to
            if url in seen:
                raise Rejected("redirects", f"{url}: a loop")
            seen.add(url)
        raise Rejected("redirects", f"{url}: more than {self.limits.redirects} hops")

    def _once(
        self,
        method: str,
        url: str,
        read: Callable[[StreamingResponse], T],
        headers: dict[str, str],
        obey: bool,
        hops: Hops | None,
    ) -> T | _Redirect:
        host = host_key(url)
        if self.halted.is_set():
            raise Rejected("network", f"{url}: not asked for, the run has ended")
        if self.contact is None and host not in self.guard.allow:
            raise Rejected("address_refused", f"redirected to {url}, away from the embedded gallery")
        if obey:
            self._check_robots(url)
        if hops is not None:
            hops.before(url)
        self.pace.wait(host)
        if self.halted.is_set():
            raise Rejected("network", f"{url}: not asked for, the run has ended")
        with self._transport.send(method, url, headers) as incoming:
            if hops is not None:
                self._judge(hops, url, incoming.headers)
            return self._sorted(incoming, host, method, read)

    def _judge(self, hops: Hops, url: str, headers: Mapping[str, str]) -> None:
        try:
            hops.answered(url, headers)
        except Rejected:
            self._reserving.add(host_key(url))
            raise

    def _sorted(
        self, incoming: StreamingResponse, host: str, method: str, read: Callable[[StreamingResponse], T]
    ) -> T | _Redirect:
        url, status, headers = incoming.url, incoming.status, incoming.headers
        if challenge := challenge_header(headers):
            raise BotChallenge(url, challenge)
        if status in (429, 503):
            asked = retry_after(headers.get("Retry-After"), time.time())
            self.pace.slower(host, min(asked or 0.0, self.limits.patience_s))
            if status == 429 or (asked or 0.0) > self.limits.patience_s:
                raise _TooMany(url, status, asked or 0.0)
        if status >= 500 and not (method == "HEAD" and status in _NO_HEAD):
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
        if not 200 <= status < 500 and status not in _NO_HEAD:
            raise Rejected("http_status", f"{url}: status {status}")
        result = read(incoming)
        self.pace.well(host)
        return result

    def _check_robots(self, url: str) -> None:
        answer = self.robots.check(url)
        if not answer.allowed:
            raise Rejected("robots" if answer.reachable else "robots_unreachable", f"{answer.url}: {answer.value}")

    def _get_robots(self, url: str) -> Response:
        return self.get(url, accept="text/plain", obey=False)

    def _get_site_file(self, url: str) -> Response:
        return self.get(url, accept="application/json, text/plain, application/rsl+xml, */*;q=0.1")

    def _whole(self, incoming: StreamingResponse) -> Response:
        body = b"" if incoming.status >= 400 else b"".join(incoming.chunks(self.limits.text_bytes))
        return Response(incoming.url, incoming.status, incoming.headers, body)


@dataclass(frozen=True)
class _Redirect:
    to: str


class _TooMany(Exception):
    """429, or 503 with a long Retry-After."""

    def __init__(self, url: str, status: int, seconds: float) -> None:
        super().__init__(url)
        self.url, self.status, self.seconds = url, status, seconds

    def stop(self) -> SiteBusy:
        asked = f", asking to wait {self.seconds:.0f} s" if self.seconds else ""
        return SiteBusy(self.url, f"the server answers {self.status}{asked}")


def utc_now() -> str:
    """ISO time in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _headers_only(incoming: StreamingResponse) -> Response:
    return Response(incoming.url, incoming.status, incoming.headers, b"")
