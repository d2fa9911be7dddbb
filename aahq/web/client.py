"""The HTTP client: honest user agent, per-host rate limit, robots.txt, retries, redirects and size limits.

Every failure is a `Rejected` with one of the fetch reasons, or a resumable `aahq.web.interrupts.Stop`. Nothing here imitates a
browser, keeps cookies, reads proxies or passwords from the environment, or answers a challenge.
"""

from __future__ import annotations

import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version

from aahq.consent.reservations import Finding, header_findings, page_findings
from aahq.consent.site_reservations import SiteReservations, SiteTerm
from aahq.reasons import Rejected
from aahq.web.addresses import wire_url
from aahq.web.interrupts import BotChallenge
from aahq.web.limits import Limits
from aahq.web.netguard import Resolve, host_key, system_resolve
from aahq.web.once import Kept, OnceEach
from aahq.web.pages import challenge_body, why_no_page
from aahq.web.rate_limit import Clock, RateLimiter, Sleep
from aahq.web.response import Response, StreamingResponse
from aahq.web.robots import Robots
from aahq.web.robots_file import decoded
from aahq.web.sender import NO_HEAD, Hops, Request, Sender, T, TooMany
from aahq.web.transport import Transport
from suite.errors import SuiteError

TOKEN = "aahq"
PAGES_KEPT = 256
# So often is a host asked by HEAD whether it reserves by headers, where the first answer does not tell.
LOOKS = 2
_CONTACT = re.compile(r"(https?://[^\s<>()]{4,200}|[^\s@<>()]{1,100}@[^\s@<>()]{3,100})\Z")


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
        self._sender = Sender(
            contact, self.limits, self.pace, self._transport, self._check_robots, self.halted, clock, self._sleep
        )
        # How often each host was asked by HEAD.
        self._looks: Counter[str] = Counter()
        self._pages: OnceEach[Page] = OnceEach(PAGES_KEPT, clock)

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
        return self.request(Request("GET", url, self._whole, sent, obey))

    def head(self, url: str) -> Response:
        """HEAD; where the server refuses the method rather than the picture, a GET that is closed before its body."""
        answer = self.request(Request("HEAD", url, _headers_only))
        if answer.status in NO_HEAD:
            answer = self.request(Request("GET", url, _headers_only, {"Accept-Encoding": "identity"}))
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
        if host not in self._sender.reserving and self._looks[host] >= LOOKS:
            return
        self._looks[host] += 1
        try:
            if self._sender.follow(Request("HEAD", sent, _headers_only, hops=hops)).status < 300:
                self._looks[host] = LOOKS
        except TooMany:
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
        answer = self.request(Request("GET", url, self._whole, headers, hops=way))
        if answer.status < 400 and (challenge := challenge_body(decoded(answer.body)[:200_000])):
            raise BotChallenge(answer.url, challenge)
        findings = (*way.findings, *page_findings(answer.body, TOKEN))
        problem = why_no_page(url, answer.url, answer.status, answer.headers, answer.body)
        return Page(answer.url, tuple(way.urls), problem, findings, utc_now())

    def request(self, request: Request[T]) -> T:
        """`aahq.web.sender.Sender.request`."""
        return self._sender.request(request)

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


def utc_now() -> str:
    """ISO time in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _headers_only(incoming: StreamingResponse) -> Response:
    return Response(incoming.url, incoming.status, incoming.headers, b"")
