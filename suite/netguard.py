"""Protection against server-side request forgery: connections to public addresses only, checked at the moment of connecting, so
that neither a redirect nor a changed DNS answer leads into the person's own network."""

from __future__ import annotations

import ipaddress
import re
import socket
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import lru_cache
from queue import Empty, SimpleQueue
from typing import Any
from urllib.parse import SplitResult, urlsplit

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve = Callable[[str, int], list[str]]
MAX_URL = 4096
_POLL = 0.05
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
# Makes the exception of a reason and its evidence.
Refuse = Callable[[str, str], Exception]
_FORBIDDEN = re.compile(r"[\x00-\x20\x7f\\]")


class AddressRefused(Exception):
    """An address that is not connected to, or cannot be.

    Args:
        reason: "url_refused", "address_refused", "network" or "timeout".
        detail: the evidence, one line.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


@lru_cache(maxsize=4096)
def check_url(url: str, refuse: Refuse = AddressRefused) -> SplitResult:
    """The parts of a plain http(s) address.

    Raises:
        AddressRefused, or what `refuse` makes: "url_refused" for another scheme, a user name or password, a missing host,
            a port that is none, control characters, spaces or backslashes (which parsers read differently), or more than
            4096 characters.
    """
    if len(url) > MAX_URL:
        raise refuse("url_refused", f"{len(url)} characters > {MAX_URL}")
    if _FORBIDDEN.search(url):
        raise refuse("url_refused", f"a space, control character or backslash in {url!r}")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise refuse("url_refused", f"{url!r}: {error}") from None
    if parts.scheme not in ("http", "https"):
        raise refuse("url_refused", f"scheme {parts.scheme!r} in {url!r}; http and https are fetched")
    if "@" in parts.netloc:
        raise refuse("url_refused", f"a user name before the host in {url!r}")
    if not parts.hostname or port == 0:
        raise refuse("url_refused", f"no host or port in {url!r}")
    return parts


@lru_cache(maxsize=4096)
def host_key(url: str, refuse: Refuse = AddressRefused) -> str:
    """`host:port` with the scheme's default port filled in, as in the allowlist."""
    parts = check_url(url, refuse)
    return f"{parts.hostname}:{parts.port or (443 if parts.scheme == 'https' else 80)}"


def is_public(address: str) -> bool:
    """Whether an IP address literal is globally routable, also where it wraps an IPv4 address (mapped, NAT64, 6to4)."""
    try:
        ip: Address = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
        if ip in _NAT64:
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
        if ip.is_site_local:
            return False
    return ip.is_global and not (ip.is_multicast or ip.is_reserved or ip.is_unspecified)


def system_resolve(host: str, port: int) -> list[str]:
    """The host's addresses by the system's resolver, in its order."""
    entries = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in entries))


def patient(resolve: Resolve, seconds: float, ended: threading.Event) -> Resolve:
    """The same, waited for no longer than `seconds`, or until `ended` is set: nothing can stop the system's resolver."""

    def ask(host: str, port: int) -> list[str]:
        answer: SimpleQueue[list[str] | BaseException] = SimpleQueue()

        def work() -> None:
            try:
                answer.put(resolve(host, port))
            # Whatever it is, the thread that asked is to have it.
            except BaseException as error:
                answer.put(error)

        threading.Thread(target=work, name="resolve", daemon=True).start()
        last = time.monotonic() + seconds
        while not ended.is_set() and time.monotonic() < last:
            with suppress(Empty):
                result = answer.get(timeout=_POLL)
                if isinstance(result, BaseException):
                    raise result
                return result
        raise OSError("the run has ended" if ended.is_set() else f"no answer within {seconds:g} s")

    return ask


class NetGuard:
    """Resolves, checks and connects in one step: the address that was checked is the address that is connected to.

    Args:
        allow: `host:port` pairs that may be private (the embedded gallery's), as they stand in the URL.
        resolve: host and port -> IP address literals.
        refuse: makes the exception of a reason and its evidence.
    """

    def __init__(
        self, allow: Iterable[str] = (), resolve: Resolve = system_resolve, refuse: Refuse = AddressRefused
    ) -> None:
        # As `host_key` writes them: lower case, an IPv6 address without its brackets.
        self.allow = frozenset(pair.lower().replace("[", "").replace("]", "") for pair in allow)
        self.resolve = resolve
        self.refuse = refuse

    def addresses(self, host: str, port: int) -> list[str]:
        """The checked addresses of a host.

        Raises:
            AddressRefused, or what `refuse` makes: "network" where the name has none; "address_refused" where any one is
                not public: a name that answers with both kinds is an attack or a mistake.
        """
        try:
            addresses = self.resolve(host, port)
        except (OSError, UnicodeError) as error:
            raise self.refuse("network", f"{host}: cannot be resolved ({error})") from None
        if not addresses:
            raise self.refuse("network", f"{host}: no address")
        if f"{host}:{port}" not in self.allow:
            for address in addresses:
                if not is_public(address):
                    raise self.refuse("address_refused", f"{host} is {address}")
        return addresses

    def connect(
        self,
        host: str,
        port: int,
        timeout: float | None,
        options: Iterable[tuple[Any, ...]] = (),
        opened: Callable[[socket.socket], object] = lambda connection: None,
    ) -> socket.socket:
        """A socket connected to the first of the checked addresses that answers; the names are not asked again.

        `opened` is told of each socket before it connects.

        Raises:
            As `addresses`, and "timeout" or "network" where none answers.
        """
        last: Exception | None = None
        for address in self.addresses(host, port):
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            connection = socket.socket(family, socket.SOCK_STREAM)
            try:
                for option in options:
                    connection.setsockopt(*option)
                connection.settimeout(timeout)
                opened(connection)
                connection.connect((address, port))
                return connection
            except TimeoutError:
                connection.close()
                last = self.refuse("timeout", f"{host}: no connection within {timeout} s")
            except OSError as error:
                connection.close()
                last = self.refuse("network", f"{host}: {error.strerror or error}")
        assert last is not None
        raise last
