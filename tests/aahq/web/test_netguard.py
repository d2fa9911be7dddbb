"""The guard: no address of the person's own network, however it is written, resolved or reached."""

from __future__ import annotations

import contextlib
import socket

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aahq.reasons import Rejected
from aahq.web.client import Http
from aahq.web.limits import Limits
from aahq.web.netguard import NetGuard, check_url, host_key, is_public


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.org/a.jpg",
        "file:///etc/passwd",
        "gopher://example.org/",
        "javascript:alert(1)",
        "//example.org/a.jpg",
        "a.jpg",
        "",
        "http://",
        "http:///a.jpg",
        "http://user@example.org/",
        "http://user:secret@example.org/",
        "http://example.org@127.0.0.1/",
        "http://example.org:0/",
        "http://example.org:99999/",
        "http://example.org:x/",
        "http://exam ple.org/",
        "http://example.org/\r\nHost: inner",
        "http://example.org\\@127.0.0.1/",
        "http://example.org/\x00",
        "http://[::1/",
        "http://example.org/" + "a" * 5000,
    ],
)
def test_odd_addresses_are_refused(url: str) -> None:
    with pytest.raises(Rejected) as refused:
        check_url(url)
    assert refused.value.reason == "url_refused"


def test_plain_addresses_pass() -> None:
    assert check_url("https://cdna.artstation.com/p/large/a%20b.jpg?16").hostname == "cdna.artstation.com"
    assert host_key("https://Example.org/a") == "example.org:443"
    assert host_key("http://[2606:4700::1111]:8080/a") == "2606:4700::1111:8080"


@settings(deadline=None)
@given(st.text(max_size=200))
def test_any_text_is_checked_or_refused(text: str) -> None:
    parts = None
    with contextlib.suppress(Rejected):
        parts = check_url(text)
    if parts is not None:
        assert parts.scheme in ("http", "https")
        assert parts.hostname
        assert "@" not in parts.netloc


# Ranges of the IANA special-purpose address registries, and public neighbours.
@pytest.mark.parametrize(
    "address",
    [
        *("0.0.0.0", "10.0.0.1", "100.64.0.1", "127.0.0.1", "127.255.255.254", "169.254.169.254", "172.16.0.1"),
        *("192.0.0.1", "192.0.2.1", "192.168.1.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1"),
        *("239.255.255.250", "240.0.0.1", "255.255.255.255", "::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1"),
        *("fd12:3456::1", "ff02::1", "fec0::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1"),
        *("2002:7f00:1::", "2002:a00:1::", "2001:db8::1", "not an address", ""),
    ],
)
def test_private_addresses(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "172.32.0.1", "2606:4700:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]
)
def test_public_addresses(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "2130706433", "0x7f000001", "017700000001", "127.1", "[::1]"]
)
def test_loopback_in_every_spelling(host: str) -> None:
    """The system's resolver reads numbers in many bases; what it answers is what is checked."""
    with Http("me@example.org", limits=Limits(per_second=0, retries=0)) as http, pytest.raises(Rejected) as refused:
        http.get(f"http://{host}:9/")
    # A resolver that does not know the spelling is as good.
    assert "address_refused" in str(refused.value) or "cannot be resolved" in str(refused.value)


def test_a_name_with_public_and_private_addresses_is_refused() -> None:
    guard = NetGuard(resolve=lambda host, port: ["93.184.216.34", "10.0.0.7"])
    with pytest.raises(Rejected, match=r"evil\.example is 10\.0\.0\.7"):
        guard.addresses("evil.example", 80)


def test_the_checked_address_is_the_one_connected_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that changes between check and connection (DNS rebinding) gains nothing: it is asked once."""
    asked: list[str] = []
    reached: list[tuple[str, int]] = []

    def resolve(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["93.184.216.34"] if len(asked) == 1 else ["127.0.0.1"]

    def connect(self: socket.socket, address: tuple[str, int]) -> None:
        reached.append(address)
        raise ConnectionRefusedError(111, "refused")

    monkeypatch.setattr(socket.socket, "connect", connect)
    with pytest.raises(Rejected) as refused:
        NetGuard(resolve=resolve).connect("rebind.example", 80, 1.0)
    assert refused.value.reason == "network"
    assert asked == ["rebind.example"]
    assert reached == [("93.184.216.34", 80)]


def test_a_name_that_turns_private_is_refused_on_the_next_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter([["93.184.216.34"], ["192.168.0.1"]])

    def refuse(self: socket.socket, address: tuple[str, int]) -> None:
        assert address[0] == "93.184.216.34"
        raise ConnectionRefusedError(111, "refused")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    limits = Limits(per_second=0, retries=1)
    http = Http("me@example.org", limits=limits, sleep=lambda s: None, resolve=lambda host, port: next(answers))
    with http, pytest.raises(Rejected) as refused:
        http.get("http://rebind.example/", obey=False)
    assert refused.value.reason == "address_refused"


def test_only_the_named_port_of_the_gallery_is_open() -> None:
    guard = NetGuard(allow=["127.0.0.1:8080"])
    assert guard.addresses("127.0.0.1", 8080) == ["127.0.0.1"]
    with pytest.raises(Rejected):
        guard.addresses("127.0.0.1", 8081)
    with pytest.raises(Rejected):
        guard.addresses("localhost", 8080)


def test_unknown_names_are_a_network_failure() -> None:
    def nothing(host: str, port: int) -> list[str]:
        raise socket.gaierror(-2, "Name or service not known")

    with pytest.raises(Rejected) as refused:
        NetGuard(resolve=nothing).addresses("nowhere.example", 80)
    assert refused.value.reason == "network"
