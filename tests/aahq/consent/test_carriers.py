"""Every carrier of a "no": each of them alone ends the matter, is named in the evidence, and costs no picture a byte."""

from __future__ import annotations

import io
import json
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from aahq.candidates import Candidate
from aahq.consent.decide import decide
from aahq.consent.optouts import OptOuts
from aahq.consent.permissions import Permissions
from aahq.consent.reservations import header_findings, tdm_reserved
from aahq.consent.site_reservations import read_terms, rsl_findings
from aahq.crawl.process import FetchContext, FetchResult, process_candidate
from aahq.reasons import Rejection
from aahq.web.ai_tokens import AI_TOKENS
from aahq.web.client import Http
from aahq.web.limits import Limits
from aahq.web.preferences import covers, reading, statement
from suite.errors import SuiteError

ROOT = Path(__file__).parents[3]
PAGE = "<html><head><title>A portrait</title></head><body>by Jane</body></html>"
PICTURE = "/large/a.jpg"


def jpeg(*segments: tuple[int, bytes]) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (32, 32), "teal").save(out, "JPEG")
    data = out.getvalue()
    added = b"".join(b"\xff" + bytes([marker]) + struct.pack(">H", len(body) + 2) + body for marker, body in segments)
    return data[:2] + added + data[2:]


def box(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content) + 8) + name + content


XMP = b"http://ns.adobe.com/xap/1.0/\0<x:xmpmeta><plus:DataMining>DMI-PROHIBITED</plus:DataMining></x:xmpmeta>"
IPTC = b"Photoshop 3.0\08BIM\x04\x04\0\0\0\0\0\x0d\x1c\x02\x28\0\x08No AI..."
STORE = box(
    b"jumb",
    box(b"jumd", b"\0" * 16 + b"\3cawg.training-mining\0")
    + box(b"cbor", cbor2.dumps({"entries": {"cawg.ai_training": {"use": "notAllowed"}}})),
)
RSL = (
    '<rsl xmlns="https://rslstandard.org/rsl"><content url="/large/*"><license>'
    '<prohibits type="usage">ai-train</prohibits></license></content></rsl>'
)


@dataclass(frozen=True)
class Site:
    """What one site answers beside a plain page and picture."""

    robots: str = ""
    files: dict[str, str | bytes] = field(default_factory=dict)
    page: str = PAGE
    page_headers: dict[str, str] = field(default_factory=dict)
    picture: bytes = b""
    picture_headers: dict[str, str] = field(default_factory=dict)
    terms: str = ""


# carrier, as docs/stewardship.md names it -> a site that says no by it alone, and the reason.
CARRIERS: dict[str, tuple[Site, str]] = {
    "robots.txt": (Site(robots="User-agent: aahq/1.0\nDisallow: /large/"), "robots"),
    "robots.txt for AI crawlers": (
        Site(robots="User-agent: GPTBot\nUser-agent: CCBot\nDisallow: /large/\n\nUser-agent: *\nAllow: /"),
        "site_reserved",
    ),
    "Content-Signal": (
        Site(robots="User-Agent: *\ncontent-signal: search=yes, AI-Train=NO\nAllow: /"),
        "site_reserved",
    ),
    "Content-Usage in robots.txt": (
        Site(robots="User-agent: *\nContent-Usage: train-ai=y\nContent-Usage: /large/ train-ai=n\nAllow: /"),
        "site_reserved",
    ),
    "tdmrep.json": (
        Site(files={"/.well-known/tdmrep.json": json.dumps([{"location": "/large/*.jpg", "tdm-reservation": 1}])}),
        "site_reserved",
    ),
    "ai.txt": (Site(files={"/ai.txt": "User-Agent: *\nDisallow: *.jpg\n"}), "site_reserved"),
    "RSL": (
        Site(robots="License: /license.xml\nUser-agent: *\nAllow: /", files={"/license.xml": RSL}),
        "site_reserved",
    ),
    "site terms": (
        Site(terms='[[site]]\nhost = "localhost"\nsays = "no training"\nsource = "by letter"'),
        "site_reserved",
    ),
    "page meta": (Site(page='<html><meta name="robots" content="noimageai"></html>'), "page_noai"),
    "TDM meta": (Site(page='<html><meta name="TDM-Reservation" content=" 1 "></html>'), "page_noai"),
    "X-Robots-Tag": (Site(picture_headers={"X-Robots-Tag": "otherbot: noai"}), "header_noai"),
    "TDM header": (Site(picture_headers={"TDM-Reservation": "1"}), "header_noai"),
    "Content-Usage header": (Site(picture_headers={"Content-Usage": "search=y, train-ai=n"}), "header_noai"),
    "XMP": (Site(picture=jpeg((0xE1, XMP))), "embedded_noai"),
    "IPTC": (Site(picture=jpeg((0xED, IPTC))), "embedded_noai"),
    "C2PA": (Site(picture=jpeg((0xEB, b"JP\0\1\0\0\0\1" + STORE))), "embedded_noai"),
}


@pytest.fixture
def http(httpserver: HTTPServer) -> Iterator[Http]:
    with client(httpserver) as one:
        yield one


def client(httpserver: HTTPServer, **more: object) -> Http:
    limits = Limits(per_second=0, retries=0, read_s=2)
    key = f"{httpserver.host}:{httpserver.port}"
    return Http(None, allow=[key], limits=limits, sleep=lambda s: None, **more)  # type: ignore[arg-type]


def serve(httpserver: HTTPServer, site: Site, **more: object) -> Candidate:
    """Put the site up; the candidate is its one picture."""

    def answer(request: Request) -> Response:
        path = request.path
        if path == "/robots.txt" and site.robots:
            return Response(site.robots, mimetype="text/plain")
        if path in site.files:
            return Response(site.files[path])
        if path == "/artwork/a":
            return Response(site.page, headers=site.page_headers, mimetype="text/html")
        if path == PICTURE:
            return Response(site.picture or jpeg(), headers=site.picture_headers, mimetype="image/jpeg")
        return Response("", 404)

    httpserver.expect_request(re.compile("/.*")).respond_with_handler(answer)
    base = httpserver.url_for("").rstrip("/")
    facts = {"page_url": f"{base}/artwork/a", "image_urls": (f"{base}{PICTURE}",), "artist": "jane", **more}
    return Candidate("artstation", "a/1", **facts)  # type: ignore[arg-type]


def taken(httpserver: HTTPServer, site: Site, folder: Path, permissions: Permissions | None = None) -> FetchResult:
    folder.mkdir(exist_ok=True)
    (folder / "terms.toml").write_text(site.terms)
    candidate = serve(httpserver, site)
    with client(httpserver, site_terms=read_terms(folder / "terms.toml")) as http:
        return process_candidate(
            "a", candidate, FetchContext(http, OptOuts(), permissions or Permissions()), folder / "pictures"
        )


def asked(httpserver: HTTPServer, path: str = PICTURE) -> int:
    return sum(request.path == path for request, _ in httpserver.log)


@pytest.mark.parametrize("carrier", CARRIERS)
def test_each_carrier_alone_is_a_no(httpserver: HTTPServer, tmp_path: Path, carrier: str) -> None:
    site, reason = CARRIERS[carrier]
    got = taken(httpserver, site, tmp_path)
    assert isinstance(got.outcome, Rejection)
    assert got.outcome.reason == reason
    assert got.decision is not None
    last = got.decision.evidence[-1]
    assert last["check"] == carrier
    assert last["value"]
    methods = [request.method for request, _ in httpserver.log if request.path == PICTURE]
    assert methods == {"header_noai": ["HEAD"], "embedded_noai": ["HEAD", "GET"]}.get(reason, [])
    assert not any(path.is_file() for path in (tmp_path / "pictures").rglob("*"))


def test_a_site_that_says_nothing_is_taken(httpserver: HTTPServer, tmp_path: Path) -> None:
    got = taken(httpserver, Site(), tmp_path)
    assert not isinstance(got.outcome, Rejection)


YES = Site(
    robots="User-agent: aahq\nAllow: /\nContent-Signal: ai-train=yes\nContent-Usage: train-ai=y\n\n"
    "User-agent: GPTBot\nAllow: /",
    files={
        "/.well-known/tdmrep.json": '[{"location": "/", "tdm-reservation": 0}]',
        "/ai.txt": "User-agent: *\nAllow: /",
    },
    page='<html><meta name="tdm-reservation" content="0"><meta name="robots" content="all"></html>',
    picture_headers={"X-Robots-Tag": "all", "Content-Usage": "train-ai=y", "tdm-reservation": "0"},
)


@pytest.mark.parametrize("carrier", CARRIERS)
def test_a_yes_never_overrides_a_no(httpserver: HTTPServer, tmp_path: Path, carrier: str) -> None:
    """All the yeses that there are, and one no."""
    no, reason = CARRIERS[carrier]
    robots = no.robots.replace("User-agent: *\n", "User-agent: aahq\n").replace("User-Agent: *\n", "User-agent: aahq\n")
    site = replace(
        YES,
        robots=robots or YES.robots,
        files={**YES.files, **no.files},
        page=YES.page if no.page == PAGE else no.page + YES.page,
        picture=no.picture,
        picture_headers={**YES.picture_headers, **no.picture_headers},
        terms=no.terms,
    )
    got = taken(httpserver, site, tmp_path)
    assert isinstance(got.outcome, Rejection)
    assert got.outcome.reason == reason


def test_all_yeses_are_taken_and_noted(httpserver: HTTPServer, tmp_path: Path) -> None:
    got = taken(httpserver, YES, tmp_path)
    assert not isinstance(got.outcome, Rejection), got.outcome
    assert got.decision is not None
    checks = {entry["check"] for entry in got.decision.evidence}
    assert checks >= {
        "Content-Signal",
        "Content-Usage in robots.txt",
        "tdmrep.json",
        "ai.txt",
        "X-Robots-Tag",
        "TDM header",
    }


def test_the_table_in_the_docs_is_the_table_here() -> None:
    text = (ROOT / "docs/stewardship.md").read_text()
    table = text.split("<!-- carriers -->")[1]
    rows = [line.split("|")[1].strip() for line in table.splitlines() if line.startswith("| ") and "---" not in line]
    assert rows[1:] == list(CARRIERS)
    assert len(CARRIERS) >= 14


# --- who is asked first, and about what


@pytest.mark.parametrize("line", ["artist: Jane", "url: {page}", "url: {picture}", "{picture}*"])
def test_the_opt_out_list_is_asked_before_anybody(
    httpserver: HTTPServer, http: Http, tmp_path: Path, line: str
) -> None:
    candidate = serve(httpserver, Site())
    (tmp_path / "o.txt").write_text(line.format(page=candidate.page_url, picture=candidate.image_urls[0]))
    assert decide(candidate, http, OptOuts(tmp_path / "o.txt"), Permissions()).reason == "opted_out"
    assert httpserver.log == [], "not a single request"


HOPS = {
    "robots.txt": (Site(robots="User-agent: *\nDisallow: /elsewhere/"), "robots"),
    "tdmrep.json": (
        Site(files={"/.well-known/tdmrep.json": '[{"location": "/elsewhere/", "tdm-reservation": "1"}]'}),
        "site_reserved",
    ),
    "Content-Usage": (Site(robots="User-agent: *\nContent-Usage: /elsewhere/ train-ai=n"), "site_reserved"),
}


@pytest.mark.parametrize("name", [*HOPS, "opt-out list"])
def test_the_target_of_a_redirect_is_judged_too(httpserver: HTTPServer, tmp_path: Path, name: str) -> None:
    site, reason = HOPS.get(name, (Site(), "opted_out"))
    httpserver.expect_request(PICTURE).respond_with_data("", 302, {"Location": "/x/../elsewhere/%61.jpg"})
    httpserver.expect_request("/elsewhere/a.jpg").respond_with_data(jpeg(), content_type="image/jpeg")
    candidate = serve(httpserver, site)
    (tmp_path / "o.txt").write_text(f"url: {httpserver.url_for('/elsewhere/a.jpg')}" if name not in HOPS else "")
    with client(httpserver) as http:
        got = process_candidate(
            "a", candidate, FetchContext(http, OptOuts(tmp_path / "o.txt"), Permissions()), tmp_path / "pictures"
        )
    assert isinstance(got.outcome, Rejection)
    assert got.outcome.reason == reason
    assert asked(httpserver, "/elsewhere/a.jpg") == 0


def test_redirects_to_the_page_are_judged_for_every_picture(httpserver: HTTPServer, http: Http, tmp_path: Path) -> None:
    """The first picture's artist allows what the site reserves; the second one's does not, and the page is read once."""
    httpserver.expect_request("/artwork/a").respond_with_data("", 302, {"Location": "/elsewhere/a"})
    httpserver.expect_request("/elsewhere/a").respond_with_data(PAGE, content_type="text/html")
    robots = "User-agent: *\nContent-Usage: /elsewhere/ train-ai=n\nAllow: /"
    candidate = serve(httpserver, Site(robots=robots))
    (tmp_path / "p.toml").write_text(
        '[[permission]]\nwho = "Jane"\ndate = 2026-05-01\ntext = "Yes."\nartist = "jane"\n'
    )
    permissions = Permissions(tmp_path / "p.toml")
    assert decide(candidate, http, OptOuts(), permissions).allowed
    assert decide(replace(candidate, artist="joan"), http, OptOuts(), permissions).reason == "site_reserved"
    assert asked(httpserver, "/elsewhere/a") == 1


def test_a_header_of_a_redirect_counts(httpserver: HTTPServer, tmp_path: Path) -> None:
    reserved = {"Location": "/elsewhere/a.jpg", "X-Robots-Tag": "noai"}
    httpserver.expect_request(PICTURE).respond_with_data("", 302, reserved)
    httpserver.expect_request("/elsewhere/a.jpg").respond_with_data(jpeg(), content_type="image/jpeg")
    got = taken(httpserver, Site(), tmp_path)
    assert isinstance(got.outcome, Rejection)
    assert got.outcome.reason == "header_noai"
    assert asked(httpserver, "/elsewhere/a.jpg") == 0


def test_a_host_that_reserves_is_asked_by_head_and_others_once(httpserver: HTTPServer, tmp_path: Path) -> None:
    first = serve(httpserver, Site())
    reserved = {"value": False}

    def picture(request: Request) -> Response:
        headers = {"tdm-reservation": "1"} if reserved["value"] else {}
        return Response(jpeg(), headers=headers, mimetype="image/jpeg")

    httpserver.clear_all_handlers()
    httpserver.expect_request(re.compile("/large/.*")).respond_with_handler(picture)
    serve(httpserver, Site())

    def methods() -> list[str]:
        return [request.method for request, _ in httpserver.log if request.path.startswith("/large/")]

    with client(httpserver) as http:
        context = FetchContext(http, OptOuts(), Permissions())
        for n in range(3):
            one = replace(first, image_urls=(httpserver.url_for(f"/large/{n}.jpg"),))
            assert not isinstance(process_candidate("a", one, context, tmp_path).outcome, Rejection)
        assert methods() == ["HEAD", "GET", "GET", "GET"]
        reserved["value"] = True
        for n in range(3, 6):
            one = replace(first, image_urls=(httpserver.url_for(f"/large/{n}.jpg"),))
            assert isinstance(process_candidate("a", one, context, tmp_path).outcome, Rejection)
        assert methods()[4:] == ["GET", "HEAD", "HEAD"], (
            "the first one's body is not read, the others are not asked for"
        )


@pytest.mark.parametrize("status", [400, 403, 404, 405, 500, 501, 503])
def test_a_head_that_fails_says_nothing(httpserver: HTTPServer, tmp_path: Path, status: int) -> None:
    httpserver.expect_request(PICTURE, method="HEAD").respond_with_data("", status)
    assert not isinstance(taken(httpserver, Site(), tmp_path).outcome, Rejection)


def test_a_permission_for_an_address_ends_where_a_redirect_leads_away(httpserver: HTTPServer, tmp_path: Path) -> None:
    httpserver.expect_request("/elsewhere/a.jpg").respond_with_data(jpeg(), content_type="image/jpeg")
    httpserver.expect_request(PICTURE).respond_with_data("", 302, {"Location": "/elsewhere/a.jpg"})
    candidate = replace(serve(httpserver, Site()), page_url=None)
    (tmp_path / "p.toml").write_text(
        f'[[permission]]\nwho = "Jane"\ndate = 2026-05-01\ntext = "Yes."\nurl_prefix = "{httpserver.url_for("/large/")}"\n'
    )
    with client(httpserver) as http:
        permissions = Permissions(tmp_path / "p.toml")
        got = process_candidate("a", candidate, FetchContext(http, OptOuts(), permissions), tmp_path / "pictures")
    assert isinstance(got.outcome, Rejection)
    assert got.outcome.reason == "no_evidence"
    assert asked(httpserver, "/elsewhere/a.jpg") == 0


PATHS = [
    "/open/../private/a.jpg",
    "/open/%2e%2e/private/a.jpg",
    "/./private/a.jpg",
    "//private/a.jpg",
    "/%70rivate/a.jpg",
]


@pytest.mark.parametrize("path", PATHS)
def test_robots_are_asked_about_what_is_sent(httpserver: HTTPServer, http: Http, path: str) -> None:
    serve(httpserver, Site(robots="User-agent: *\nDisallow: /private/"))
    candidate = Candidate("urls", "1", None, (httpserver.url_for("").rstrip("/") + path,), license="CC0")
    assert decide(candidate, http, OptOuts(), Permissions()).reason == "robots"
    assert [request.path for request, _ in httpserver.log] == ["/robots.txt"]


# --- the words of robots.txt


@pytest.mark.parametrize(
    ("robots", "reserved"),
    [
        ("User-agent: GPTBot\nDisallow: /", True),
        ("User-agent: gptbot/1.2\nDisallow: /", True),
        ("User-agent: img2dataset\nDisallow: /large", True),
        ("User-agent: CCBot, GPTBot\nDisallow: /", True),
        ("User-agent: GPTBot\nDisallow: /private/", False),
        ("User-agent: GPTBot\nAllow: /", False),
        ("User-agent: Googlebot\nDisallow: /", False),
        ("User-agent: mybot\nDisallow: /", False),
        ("User-agent: *\nContent-Signal: ai-train=no", True),
        ("Content-Signal: ai-train=no", True),
        ("User-agent: *\nContent-Signal: search=no, ai-input=no, ai-train=yes", False),
        ("User-agent: *\nContent-Signal: ai-train=maybe", True),
        ("User-agent: Googlebot\nContent-Signal: ai-train=no\n\nUser-agent: *\nAllow: /", False),
        ("User-agent: aahq\nContent-Signal: ai-train=yes\n\nUser-agent: *\nContent-Signal: ai-train=no", False),
        ("User-agent: aahq\nAllow: /\nUser-agent: *\nContent-Signal: ai-train=no", False),
        ("User-agent: *\nContent-Usage: train-ai=n", True),
        ("User-agent: *\nContent-Usage: /other train-ai=n", False),
        (
            "User-agent: *\nContent-Usage: train-ai=n\nContent-Usage: /large train-ai=y\nContent-Usage: /art train-ai=y",
            False,
        ),
        ("User-agent: *\nContent-Usage: /large train-ai=y\nContent-Usage: /large train-ai=n", True),
        ("User-agent: *\nContent-Usage: train-genai=n", True),
        ("User-agent: *\nContent-Usage: train-robots-2030=n", True),
        ("User-agent: *\nContent-Usage: holograms=n", False),
    ],
)
def test_what_robots_say_of_training(httpserver: HTTPServer, http: Http, robots: str, reserved: bool) -> None:
    decision = decide(serve(httpserver, Site(robots=robots)), http, OptOuts(), Permissions())
    assert decision.reason == ("site_reserved" if reserved else None)


def test_a_further_token_only_adds(httpserver: HTTPServer) -> None:
    candidate = serve(httpserver, Site(robots="User-agent: NewBot\nDisallow: /\n\nUser-agent: CCBot\nAllow: /"))
    with client(httpserver) as plain:
        assert decide(candidate, plain, OptOuts(), Permissions()).allowed
    with client(httpserver, ai_tokens=["newbot"]) as more:
        assert decide(candidate, more, OptOuts(), Permissions()).reason == "site_reserved"
        assert more.robots._ai_tokens > AI_TOKENS


def test_unknown_words_are_recorded(httpserver: HTTPServer, http: Http) -> None:
    robots = (
        "User-agent: *\nAllow: /\nContent-Usage: holograms=n\nAI-Treaty: v3\n\nUser-agent: FutureGPT-Bot\nDisallow: /\n"
    )
    decision = decide(serve(httpserver, Site(robots=robots)), http, OptOuts(), Permissions())
    values = {entry["check"]: entry["value"] for entry in decision.evidence}
    assert decision.allowed
    assert values["Content-Usage in robots.txt"] == "holograms=n"
    assert values["unknown robots.txt lines"] == "unknown: ai-treaty, User-agent futuregpt-bot"


# --- files that are not what they should be: the cautious reading, recorded

ODD_FILES = {
    "tdmrep.json is HTML": ({"/.well-known/tdmrep.json": "<!doctype html><html></html>"}, True),
    "tdmrep.json is an object": ({"/.well-known/tdmrep.json": '{"location": "/", "tdm-reservation": 0}'}, True),
    "tdmrep.json is deep": ({"/.well-known/tdmrep.json": "[" * 50_000}, True),
    "tdmrep.json without location": ({"/.well-known/tdmrep.json": '[{"tdm-reservation": 0}]'}, True),
    "tdmrep.json is empty": ({"/.well-known/tdmrep.json": "[]"}, False),
    "tdmrep.json in UTF-16": (
        {"/.well-known/tdmrep.json": '[{"location": "/", "tdm-reservation": 1}]'.encode("utf-16")}, True),
    "another path": ({"/.well-known/tdmrep.json": '[{"location": "/books/", "tdm-reservation": 1}]'}, False),
    "a reservation of one's own": ({"/.well-known/tdmrep.json": '[{"location": "/", "tdm-reservation": "yes"}]'}, True),
    "the exact rule frees, the first reserves": ({"/.well-known/tdmrep.json":
        '[{"location": "/", "tdm-reservation": 1}, {"location": "/large/", "tdm-reservation": 0}]'}, True),
    "huge tdmrep.json": ({"/.well-known/tdmrep.json": "[" + " " * 600_000 + "]"}, True),
    "ai.txt is HTML": ({"/ai.txt": "<html>not found</html>"}, False),
    "ai.txt denies training": ({"/ai.txt": "Spec-Version: 1.0\nTraining: deny\n"}, True),
    "ai.txt allows training": ({"/ai.txt": "Training: allow\n"}, False),
    "ai.txt for a known crawler": ({"/ai.txt": "User-agent: GPTBot\nDisallow: /large/"}, True),
    "ai.txt for music": ({"/ai.txt": "User-agent: *\nDisallow: *.mp3"}, False),
}  # fmt: skip


@pytest.mark.parametrize("name", ODD_FILES)
def test_odd_files(httpserver: HTTPServer, http: Http, name: str) -> None:
    files, reserved = ODD_FILES[name]
    decision = decide(serve(httpserver, Site(files=files)), http, OptOuts(), Permissions())  # type: ignore[arg-type]
    assert decision.reason == ("site_reserved" if reserved else None), decision.evidence[-1]
    said = [entry for entry in decision.evidence if entry["check"] in ("tdmrep.json", "ai.txt")]
    assert said or name in ("another path", "tdmrep.json is empty")


def test_a_robots_file_without_end_is_a_no(httpserver: HTTPServer) -> None:
    """Larger than what is read of any text; nobody knows what stands behind."""
    candidate = serve(httpserver, Site(robots="User-agent: *\nAllow: /\n" + "# padding\n" * 20_000))
    limits = Limits(per_second=0, retries=0, text_bytes=100_000)
    with Http(None, allow=[f"{httpserver.host}:{httpserver.port}"], limits=limits) as small:
        decision = decide(candidate, small, OptOuts(), Permissions())
    assert decision.reason == "robots_unreachable"
    assert "too_large" in decision.evidence[-1]["value"]


@pytest.mark.parametrize("said", ["Allow: /", "Disallow: /"])
def test_ten_megabytes_of_robots_are_a_no_under_the_usual_limits(httpserver: HTTPServer, http: Http, said: str) -> None:
    candidate = serve(httpserver, Site(robots=f"User-agent: *\n{said}\n" + "# padding\n" * 1_000_000))
    decision = decide(candidate, http, OptOuts(), Permissions())
    assert decision.reason == "robots_unreachable"
    assert "too_large" in decision.evidence[-1]["value"]
    assert asked(httpserver) == 0


def test_a_no_in_utf_16_is_a_no(httpserver: HTTPServer, http: Http) -> None:
    text = "User-agent: *\nContent-Signal: ai-train=no\nAllow: /\n"
    decision = decide(
        serve(httpserver, Site(files={"/robots.txt": text.encode("utf-16")})), http, OptOuts(), Permissions()
    )
    assert decision.reason == "site_reserved"
    assert decision.evidence[-1]["check"] == "Content-Signal"
    assert asked(httpserver) == 0


def test_a_file_that_fails_is_recorded(httpserver: HTTPServer, http: Http) -> None:
    httpserver.expect_request("/.well-known/tdmrep.json").respond_with_data("", status=500)
    decision = decide(serve(httpserver, Site()), http, OptOuts(), Permissions())
    assert decision.allowed
    assert any("not to be had" in entry["value"] for entry in decision.evidence if entry["check"] == "tdmrep.json")


@pytest.mark.parametrize(
    ("body", "no"),
    [
        (RSL, True),
        (RSL.replace("/large/*", "/music/*"), False),
        (RSL.replace("prohibits", "permits"), False),
        (RSL.replace("<prohibits", '<permits type="usage">search</permits><x').replace("prohibits>", "x>"), True),
        (RSL.replace("</license>", '<payment type="subscription"/></license>').replace("prohibits", "permits"), True),
        (RSL.replace("/large/*", "https://localhost/large/"), True),
        ("<html>", True),
        ('<!DOCTYPE x [<!ENTITY a "b">]><rsl/>', True),
        ("", True),
    ],
)
def test_rsl(body: str, no: bool) -> None:
    found = rsl_findings(body.encode(), "https://localhost/license.xml", "https://localhost", PICTURE)
    assert any(finding.no for finding in found) is no


def test_an_rsl_document_that_is_named_and_missing_is_a_no(httpserver: HTTPServer, http: Http) -> None:
    site = Site(robots="License: /gone.xml\nUser-agent: *\nAllow: /")
    assert decide(serve(httpserver, site), http, OptOuts(), Permissions()).reason == "site_reserved"


@pytest.mark.parametrize("value", ["1", "1;", '"1"', "true", "1, 1", "0, 1"])
def test_tdm_values_that_reserve(value: str) -> None:
    assert tdm_reserved(value)
    assert any(finding.no for finding in header_findings({"TDM-Reservation": value}))


@pytest.mark.parametrize("value", ["0", "", " 0 ", "0, 0", "false"])
def test_tdm_values_that_do_not(value: str) -> None:
    assert not tdm_reserved(value)


def test_a_permission_waives_what_the_rights_holder_may_waive(httpserver: HTTPServer, tmp_path: Path) -> None:
    (tmp_path / "p.toml").write_text(
        '[[permission]]\nwho = "Jane"\ndate = 2026-05-01\ntext = "Yes."\nartist = "jane"\n'
    )
    for name, (site, reason) in CARRIERS.items():
        httpserver.clear()
        got = taken(httpserver, site, tmp_path / name.replace(" ", "-"), Permissions(tmp_path / "p.toml"))
        if name in ("robots.txt", "robots.txt for AI crawlers", "site terms"):
            assert isinstance(got.outcome, Rejection), name
            assert got.outcome.reason == reason
        else:
            assert not isinstance(got.outcome, Rejection), (name, got.outcome)


@pytest.mark.parametrize("text", ["x", "[[site]]\nhost = 3", '[[site]]\nhost = "a.b"', 'site = ["a.b"]'])
def test_a_list_of_terms_that_is_none_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "t.toml").write_text(text)
    with pytest.raises(SuiteError, match="--site-terms"):
        read_terms(tmp_path / "t.toml")


@settings(deadline=None)
@given(st.text(max_size=60), st.text(max_size=60))
def test_any_preference_is_read(value: str, path: str) -> None:
    reading([statement(value)], path)
    assert reading([statement(value), statement("train-ai=n")], "/").no or "train-ai=" in value.lower()


@settings(deadline=None)
@given(st.text("ab/*$.", max_size=12), st.text("ab/.", max_size=12))
def test_patterns_are_those_of_the_rfc(pattern: str, path: str) -> None:
    """Against a regular expression made from the same pattern."""
    anchored = pattern.endswith("$")
    body = ".*".join(re.escape(piece) for piece in pattern.removesuffix("$").split("*"))
    assert covers(pattern, path) is (re.match(body + (r"\Z" if anchored else ""), path) is not None)
