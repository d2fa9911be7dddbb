"""One form for each address and each name: as it is sent, and as it is compared."""

from __future__ import annotations

import unicodedata
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aahq.reasons import Rejected
from aahq.web.addresses import address_key, address_pattern, name_key, wire_url

# From RFC 3986 sections 5.4.2 and 6.2.2, RFC 3492's example, and what browsers send.
SENT = {
    "HTTP://Ex.ORG:80": "http://ex.org/",
    "https://x.org:443/a/../b": "https://x.org/b",
    "https://x.org:8443/a": "https://x.org:8443/a",
    "http://x.org/open/%2e%2E/private/a.jpg": "http://x.org/private/a.jpg",
    "http://x.org/./private/a.jpg": "http://x.org/private/a.jpg",
    "http://x.org//private/a.jpg": "http://x.org//private/a.jpg",
    "http://x.org/../../a/..": "http://x.org/",
    "http://x.org/%7ejane/%c3%a9": "http://x.org/~jane/%C3%A9",
    "http://x.org/é?q=ü&x=%3d": "http://x.org/%C3%A9?q=%C3%BC&x=%3D",
    "http://x.org/a%2fb": "http://x.org/a%2Fb",
    "http://x.org/100%": "http://x.org/100%25",
    "https://bücher.example/a#top": "https://xn--bcher-kva.example/a",
    "https://x.org./a": "https://x.org/a",
    "http://[2001:DB8::0:1]:80/a": "http://[2001:db8::1]/a",
}


@pytest.mark.parametrize("given_url", SENT)
def test_an_address_is_sent_in_one_form(given_url: str) -> None:
    assert wire_url(given_url) == SENT[given_url]


@pytest.mark.parametrize(
    "url", ["ftp://x.org/a", "http://x.org/a b", "http://x.org/\ud800", "http://\u2488.org/", "x.org"]
)
def test_what_cannot_be_sent_is_refused(url: str) -> None:
    with pytest.raises(Rejected, match="url_refused"):
        wire_url(url)


@given(st.text(st.characters(min_codepoint=33, exclude_categories=["Cs"], exclude_characters="\\\x7f"), max_size=40))
def test_the_sent_form_is_final(rest: str) -> None:
    try:
        sent = wire_url("https://x.org/" + rest)
    except Rejected:
        return
    assert wire_url(sent) == sent
    assert sent.isascii()
    assert address_key(sent) == address_key("https://x.org/" + rest)
    assert not {".", ".."} & set(sent.partition("?")[0].split("/"))


SAME = [
    ("https://bücher.example/a", "https://xn--bcher-kva.example/a"),
    ("https://x.org:443/a", "http://x.org/a/"),
    ("https://WWW.x.org./a", "x.org/a"),
    ("//x.org/a", "https://user@x.org/a#top"),
    ("https://x.org/%7Ejane/a", "https://x.org/~jane/a"),
    ("https://x.org/art/%c3%a9.jpg", "https://x.org/art/é.jpg"),
    ("https://x.org/" + quote(unicodedata.normalize("NFD", "é")), "https://x.org/é"),
    ("https://x.org/art/x/../a.jpg", "https://x.org/art/a.jpg"),
    ("https://x.org/a.jpg?1683000", "https://x.org/a.jpg?w=200&utm_source=x"),
    ("https://x.org/show?id=5&page=2", "https://x.org/show?page=2&id=5&utm_medium=y"),
]
OTHER = [
    ("https://x.org/show?id=5", "https://x.org/show?id=6"),
    ("https://x.org/a", "https://y.org/a"),
    ("https://x.org/a", "https://x.org/A"),
    ("https://x.org/a%2Fb", "https://x.org/a/b"),
    ("https://x.org:8443/a", "https://x.org/a"),
]


@pytest.mark.parametrize(("one", "two"), SAME)
def test_spellings_of_one_address_have_one_key(one: str, two: str) -> None:
    assert address_key(one) == address_key(two)


@pytest.mark.parametrize(("one", "two"), OTHER)
def test_other_addresses_have_other_keys(one: str, two: str) -> None:
    assert address_key(one) != address_key(two)


@pytest.mark.parametrize(
    ("entry", "url", "covered"),
    [
        ("show", "show?id=6", True),
        ("show?id=5", "show?id=6", False),
        ("show?id=5", "show", True),
        ("a?from=mail", "a", True),
    ],
)
def test_two_queries_tell_works_apart_and_one_does_not(entry: str, url: str, covered: bool) -> None:
    assert address_pattern(f"https://x.org/{entry}").covers(f"https://x.org/{url}") is covered


@pytest.mark.parametrize(
    ("entry", "covered", "not_covered"),
    [
        ("https://x.org/jane/*", "http://www.x.org/jane/a?b=1", "https://x.org/janet/a"),
        ("https://x.org/jane/*", "https://x.org/jane", "https://x.org/"),
        ("https://x.org/a*", "https://x.org/art/1", "https://x.org/b"),
        ("https://x.org*", "https://x.org/art/1", "https://x.organic/art"),
        ("https://x.org", "https://x.org/art/1", "https://x.organic/art"),
        ("x.org/%7ejane/", "https://x.org/~jane", "https://x.org/~jane/1"),
    ],
)
def test_an_entry_covers_what_it_says(entry: str, covered: str, not_covered: str) -> None:
    pattern = address_pattern(entry)
    assert pattern.covers(covered)
    assert not pattern.covers(not_covered)


@pytest.mark.parametrize("entry", ["*", "https://*", "jane", "", "a b", "https://"])
def test_an_entry_without_a_host_is_none(entry: str) -> None:
    with pytest.raises(ValueError, match="expected https://host/page"):
        address_pattern(entry)


@pytest.mark.parametrize(
    "spelling",
    [
        "Jose\u0301 Nu\u0301ñez",
        "JOSÉ NÚÑEZ",
        " José  Núñez ",
        "José\u00a0Núñez",
        "\uff2aosé Núñez",
        "José\u200b Núñez",
        "@José Núñez",
    ],
)
def test_spellings_of_one_name_have_one_key(spelling: str) -> None:
    assert name_key(spelling) == name_key("José Núñez")


def test_other_names_have_other_keys() -> None:
    assert len({name_key(name) for name in ("artist #1", "artist #2", "artist", "Jose", "José", "weiss")}) == 6
    assert name_key("Weiß") == name_key("WEISS")


@given(st.text(max_size=30))
def test_a_names_key_is_final(name: str) -> None:
    assert name_key(name_key(name)) == name_key(name)
