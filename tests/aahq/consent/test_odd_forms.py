"""A "no" in the odd forms that writers, servers and editors give it: read as a no in every one of them, and a yes as none."""

from __future__ import annotations

import json

import pytest

from aahq.consent.licences import open_licence
from aahq.consent.reservations import header_reservation, page_findings
from aahq.consent.site_reservations import TDMREP, _tdmrep
from aahq.web.preferences import covers, reading, statement
from aahq.web.robots_file import decoded, read

PATH = "/large/a.jpg"
URL = f"https://x.org{PATH}"


def robots_no(text: str) -> bool:
    """Whether the file keeps this crawler from the picture, or from training with it."""
    lines = read(text, {"aahq"}).for_token("aahq")
    said = reading([statement(value) for value in (*lines.signals, *lines.usage)], PATH)
    return said.no is not None or not lines.rule_set().can_fetch(URL, "aahq")


@pytest.mark.parametrize(
    "text",
    [
        "User-agent: aahq\n\n\nDisallow: /large",
        "User-agent: aahq\n\nUser-agent: other\n\n\nDisallow: /large\n\nUser-agent: *\nAllow: /",
        "User-agent: aahq\rDisallow: /large\r",
        "User-agent: aahq\r\n\r\nDisallow: /large\r\n",
        "user-AGENT : AAHQ\nDISALLOW : /large",
        "User-agent: 'aahq'\nDisallow: /large",
        'User-agent: "aahq/0.1"\nDisallow: /large',
        "User-agent: aahq\nNoindex: /x\nUser-agent: *\nDisallow: /large",
        "User-agent: aahq\nCrawl-delay: 3\nUser-agent: other\nDisallow: /large",
        "User-agent: aahq\nDisallow /large",
        "User-agent: aahq\nDisallow: large/",
        "User-agent: aahq\nDisallow: https://x.org/large/",
        "User-agent: *\nDisallow: *.jpg$",
        "User-agent: aahq\nAllow: /\nUser-agent: aahq\nDisallow: /large",
        "User-agent: *\nContent-Signal: ai-train: no",
        "User-agent: *\nContent-Signal: ai-train='no'",
        "User-agent: *\nContent-Signal: ai-train=yes\nContent-Signal: ai-train=no",
        "User-agent: *\nContent-Usage: /large/%61.jpg train-ai=n\nAllow: /",
        "Content-Signal: search=yes,ai-train=no\nUser-agent: *\nAllow: /",
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be", "utf-32"])
def test_robots(text: str, encoding: str) -> None:
    assert robots_no(decoded(text.encode(encoding)))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "User-agent: other\nDisallow: /large\n\nUser-agent: *\nAllow: /",
        "User-agent: aahqx\nDisallow: /",
        "User-agent: aahq\nDisallow:\nUser-agent: *\nDisallow: /",
        "User-agent: *\nDisallow: other/\nContent-Signal: search=no, ai-train=yes",
        "User-agent: aahq\nAllow: /\nNoindex: /large\nUser-agent: *\nDisallow: /",
    ],
)
def test_robots_that_say_nothing_of_it(text: str) -> None:
    assert not robots_no(text)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X-Robots-Tag", "all, noai"),
        ("x-ROBOTS-tag", '"noai"'),
        ("X-Robots-Tag", "otherbot: noindex"),
        ("X-Robots-Tag", "max-image-preview:large; no-ai"),
        ("X-Robots-Tag", "unavailable_after: 25 Jun 2026 15:00:00 GMT, noimageai"),
        ("X-Robots-Tag", "noindex=true"),
        ("X-Robots-Tag", "index|follow|noai"),
        ("TDM-Reservation", "0, 1"),
        ("Content-Usage", "train-ai=n;exp=1"),
        ("Content-Signal", "search=yes, AI-Train=NO"),
        ("Link", '</l.xml>; rel="license"; type="application/RSL+xml"; title="x"'),
    ],
)
def test_headers(name: str, value: str) -> None:
    assert header_reservation({name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X-Robots-Tag", "max-image-preview:none, index"),
        ("X-Robots-Tag", "all"),
        ("Link", "</>; rel=preload"),
        ("Content-Usage", "train-ai=y"),
    ],
)
def test_headers_that_reserve_nothing(name: str, value: str) -> None:
    assert header_reservation({name: value}) is None


PAGES = [
    '<meta http-equiv="X-Robots-Tag" content="noai">',
    '<meta name="description" http-equiv="X-Robots-Tag" content="noai">',
    '<meta content="no-ai" itemprop="robots">',
    '<meta name="robots" content="noai" content="all">',
    '<meta name="robots" content="all" content="noai">',
    "<META NAME=ROBOTS CONTENT='index|noai'>",
    '<meta name="robots" content="&quot;noai&quot;">',
    '<meta http-equiv="Content-Usage" content="train-ai=n">',
    '<meta name="content-signal" content="search=yes, ai-train=no">',
    '<meta http-equiv="tdm-reservation" content="1">',
    '<link rel="license" type="application/rsl+xml; charset=utf-8" href="/l.xml">',
    '<script type="application/rsl+xml"><rsl/></script>',
]
TITLES = {
    "utf-8": "K\u00f6nigin \u2013 \u5973\u738b",
    "utf-16": "\u5973\u738b" * 200,
    "utf-32": "\u5973\u738b",
    "latin-1": "K\u00f6nigin",
    "shift_jis": "\u8868\u7d19\u306e\u5973\u738b" * 50,
    "gb18030": "\u5973\u738b" * 50,
    "euc_kr": "\uc5ec\uc655" * 50,
    "windows-1251": "\u041a\u043e\u0440\u043e\u043b\u0435\u0432\u0430",
    "iso2022_jp": "\u5973\u738b",
}


@pytest.mark.parametrize("encoding", TITLES)
@pytest.mark.parametrize("tag", PAGES)
def test_pages_of_any_language(tag: str, encoding: str) -> None:
    page = f"<html><title>{TITLES[encoding]}</title>{tag}<body>{TITLES[encoding]}</body></html>"
    found = page_findings(page.encode(encoding, "replace"))
    assert any(finding.no for finding in found)


@pytest.mark.parametrize(
    "tag",
    [
        '<meta name="robots" content="index, follow">',
        '<meta http-equiv="Content-Usage" content="train-ai=y">',
        '<meta name="description" content="noai">',
        "<p>application/rsl+xml and noai</p>",
    ],
)
def test_pages_that_reserve_nothing(tag: str) -> None:
    assert not page_findings(f"<html>{tag}</html>".encode())


def tdmrep_no(body: str | bytes) -> bool:
    data = body.encode() if isinstance(body, str) else body
    return any(finding.no for finding in _tdmrep(f"https://x.org{TDMREP}", data)(PATH))


def rule(location: object, said: object = 1) -> dict[str, object]:
    return {"location": location, "tdm-reservation": said}


@pytest.mark.parametrize(
    "body",
    [
        json.dumps([rule("/", 0), rule("/large/", 1)]),
        json.dumps([rule("/large/*.jpg", 1), rule("/large/a.jpg$", 0)]),
        json.dumps([rule("/large/a.jpg", 0), rule("/large/a.jpg", 1)])[::1].replace(
            '0}, {"location"', '1}, {"location"'
        ),
        json.dumps([rule("http://www.x.org/large/")]),
        json.dumps([rule("large/")]),
        json.dumps([rule("/l%61rge/")]),
        json.dumps([rule("")]),
        json.dumps([rule(["/", "/large"])]),
        json.dumps([{"location": "/"}]),
        json.dumps({"location": "/", "tdm-reservation": 1}),
        '[{"location": "/", "tdm-reservation": 1, "tdm-reservation": 0}]',
        '[{"location": "/", "tdm-reservation": "yes"}]',
        "<!doctype html><title>Not found</title>",
        "",
        json.dumps([rule("/")]).encode("utf-16"),
    ],
)
def test_tdmrep(body: str | bytes) -> None:
    assert tdmrep_no(body)


@pytest.mark.parametrize("body", [json.dumps([rule("/other/")]), json.dumps([rule("/", 0)]), "[]"])
def test_tdmrep_that_reserves_nothing(body: str) -> None:
    assert not tdmrep_no(body)


def test_a_pattern_and_an_address_are_compared_as_what_they_mean() -> None:
    assert covers("/b\u00fccher/", "/b%C3%BCcher/a.jpg")
    assert covers("/b%c3%bccher/*.jpg$", "/b\u00fccher/a.jpg")
    assert covers("/%7Ejane/", "/~jane/a")
    assert not covers("/b\u00fccher/", "/books/a")


@pytest.mark.parametrize(
    ("stated", "licence"),
    [
        ("CC0 (CC BY-ND 4.0)", None),
        ("Public domain (CC BY-NC-ND 4.0)", None),
        ("CC BY 4.0 (CC BY-SA 4.0)", None),
        ("CC0 (CC0) (CC BY-ND 4.0)", None),
        ("Creative Commons Attribution 3.0 (CC BY 4.0)", None),
        ("CC0 (all rights reserved)", None),
        ("CC BY-SA 4.0 (CC BY-SA)", "CC-BY-SA-4.0"),
        ("Public domain (CC0)", "PDM-1.0"),
    ],
)
def test_a_licence_that_is_said_twice_must_be_the_same(stated: str, licence: str | None) -> None:
    assert open_licence(stated) == licence
