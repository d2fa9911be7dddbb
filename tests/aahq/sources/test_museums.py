"""The museums' sources against servers in their published shapes: what is open is offered with its evidence, alone."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from aahq.candidates import Candidate
from aahq.consent.decide import decide
from aahq.consent.licences import open_licence
from aahq.consent.optouts import OptOuts
from aahq.consent.permissions import Permissions
from aahq.painted.gallery import Gallery, serve
from aahq.painted.gallery import museums as shapes
from aahq.reasons import Rejected
from aahq.sources import SourceOptions, open_source
from aahq.sources.museum import Listed, agreed, decade, iiif_sizes
from aahq.web import sender
from aahq.web.client import Http
from aahq.web.interrupts import FormatChanged, RobotsDisallowed
from aahq.web.limits import Limits
from suite.errors import SuiteError

MUSEUMS = ("met", "artic", "cleveland", "rijksmuseum", "smithsonian", "commons")
Change = Callable[[dict[str, Any]], None]


@pytest.fixture(scope="module")
def gallery() -> Gallery:
    return Gallery(count=130, seed=3, side=64, distinct=4)


@pytest.fixture
def http(httpserver: HTTPServer) -> Iterator[Http]:
    with client(f"{httpserver.host}:{httpserver.port}") as one:
        yield one


def client(key: str) -> Http:
    return Http(None, allow=[key], limits=Limits(per_second=0, retries=0, read_s=2), sleep=lambda s: None)


@pytest.mark.parametrize("name", MUSEUMS)
def test_every_open_work_comes_once_with_its_evidence(gallery: Gallery, name: str) -> None:
    with serve(gallery) as base, client(base.removeprefix("http://")) as http:
        pages = list(open_source(name, SourceOptions(base_url=base)).pages(http, None))
        found = [candidate for page in pages for candidate in page.candidates]
        wanted = [work for work in gallery.works if shapes.is_open(work)]
        assert len(found) == len({candidate.key for candidate in found}) == len(wanted)
        first = found[0]
        assert first.license in ("CC0-1.0", "PDM-1.0", "CC-BY-SA-4.0")
        assert str(first.extra["license_record"]).startswith(base)
        assert first.extra["license_stated"]
        assert first.extra["decade"]
        assert Candidate.from_json(first.to_json()) == first
        decision = decide(first, http, OptOuts(), Permissions())
        assert decision.allowed
        said = next(entry["value"] for entry in decision.evidence if entry["check"] == "licence")
        assert first.extra["license_record"] in said
        assert first.extra["license_stated"] in said
        got = http.request(sender.Request("GET", first.image_urls[0], lambda incoming: incoming.status))
        assert got in (200, 404)
        got = http.request(
            sender.Request("GET", first.image_urls[-1], lambda incoming: incoming.headers["Content-Type"])
        )
        assert got.startswith("image/")
        again = list(open_source(name, SourceOptions(base_url=base)).pages(http, pages[0].cursor))
        keys = [candidate.key for page in again for candidate in page.candidates]
        assert keys == [candidate.key for page in pages[1:] for candidate in page.candidates]


# --- records that lie: one work each, changed


class Server:
    """One museum with one work, whose answers a test changes."""

    def __init__(self, httpserver: HTTPServer, name: str, change: Change, works: int = 1) -> None:
        gallery = Gallery(count=1, side=64, distinct=1) if works == 1 else Gallery(count=works, side=64, distinct=1)
        base = httpserver.url_for("").rstrip("/")

        def answer(request: Request) -> Response:
            query = {key: values[-1] for key, values in parse_qs(urlsplit(request.full_path).query).items()}
            found = (
                met_answer(gallery, base, request.path)
                if name == "met"
                else shapes.answer(gallery, base, request.path, query)
            )
            if found is None:
                return Response("", 404)
            found = copy.deepcopy(found)
            change(found)
            return Response(json.dumps(found))

        httpserver.expect_request("/robots.txt").respond_with_data("", status=404)
        httpserver.expect_request(re.compile("/.*")).respond_with_handler(answer)
        self.source = open_source(name, SourceOptions(base_url=base))


def met_answer(gallery: Gallery, base: str, path: str) -> Any:
    from aahq.painted.gallery import answers

    if path.endswith("/search"):
        return answers.met_search(gallery)
    match = re.search(r"/objects/(\d+)$", path)
    work = gallery.by_number.get(int(match[1])) if match else None
    return None if work is None else answers.met_object(gallery, base, work)


def put(*path: str | int, value: Any) -> Change:
    """Set a field wherever the path leads to one."""

    def change(found: dict[str, Any]) -> None:
        place: Any = found
        for step in path[:-1]:
            try:
                place = place[step]
            except (KeyError, IndexError, TypeError):
                return
        if isinstance(place, dict):
            place[path[-1]] = value

    return change


def of(kind: str, change: Change) -> Change:
    """A change of the records of one type alone."""
    return lambda found: change(found) if found.get("type") == kind else None


META = ("query", "pages", 0, "imageinfo", 0, "extmetadata")
ABOUT = ("response", "content", "descriptiveNonRepeating")
LIES: dict[str, tuple[str, Change, str]] = {
    "met: rights beside the public domain": ("met", put("rightsAndReproduction", value="\u00a9 2020 Artist"), "not_open"),
    "met: a word for a truth": ("met", put("isPublicDomain", value="true"), "bad_record"),
    "met: another's record": ("met", put("objectID", value=999), "bad_record"),
    "artic: rights beside the public domain": ("artic", put("data", "copyright_notice", value="\u00a9 2020"), "not_open"),
    "artic: the record takes it back": ("artic", put("data", "is_public_domain", value=False), "not_open"),
    "artic: another's record": ("artic", put("data", "id", value=999), "bad_record"),
    "artic: no picture": ("artic", put("data", "image_id", value=None), "no_picture"),
    "cleveland: the record takes it back": ("cleveland", put("data", "share_license_status", value="Copyrighted"), "not_open"),
    "cleveland: rights beside CC0": ("cleveland", put("data", "copyright", value="\u00a9 Estate"), "not_open"),
    "cleveland: a licence nobody knows": ("cleveland", put("data", "share_license_status", value="CC0?"), "not_open"),
    "cleveland: no pictures": ("cleveland", put("data", "images", value={}), "no_picture"),
    "rijks: two rights": ("rijksmuseum", put("subject_to", value=[
        {"classified_as": [{"id": "https://creativecommons.org/publicdomain/mark/1.0/"}]},
        {"classified_as": [{"id": "https://creativecommons.org/licenses/by-nd/4.0/"}]}]), "not_open"),
    "rijks: no rights": ("rijksmuseum", put("subject_to", value=[]), "not_open"),
    "rijks: a hostile identifier": ("rijksmuseum", put("shows", value=[{"id": "https://evil.example/../x"}]), "bad_record"),
    "rijks: shows nothing": ("rijksmuseum", put("shows", value=None), "no_picture"),
    "smithsonian: the picture has other terms": ("smithsonian", put(
        *ABOUT, "online_media", "media", 0, "usage", "access", value="Usage conditions apply"), "not_open"),
    "smithsonian: rights in words": ("smithsonian", put(
        "response", "content", "freetext", "objectRights", value=[{"content": "\u00a9 1975, Artist"}]), "not_open"),
    "smithsonian: the record has other terms": ("smithsonian", put(
        *ABOUT, "metadata_usage", "access", value="Not determined"), "not_open"),
    "smithsonian: a film": ("smithsonian", put(*ABOUT, "online_media", "media", 0, "type", value="Video"), "no_picture"),
    "commons: two licences": ("commons", put(*META, "LicenseUrl", value={"value": "https://creativecommons.org/licenses/by-sa/4.0"}),
                              "not_open"),
    "commons: not free": ("commons", put(*META, "NonFree", value={"value": "true"}), "not_open"),
    "commons: a no-derivatives code": ("commons", put(*META, "License", value={"value": "cc-by-nd-4.0"}), "not_open"),
    "commons: up for deletion": ("commons", put(*META, "DeletionReason", value={"value": "copyvio"}), "not_open"),
    "commons: no licence": ("commons", put(*META, value={}), "not_open"),
    "met: rights in a list": ("met", put("rightsAndReproduction", value=["\u00a9 2020 Artist"]), "not_open"),
    "met: rights in an object": ("met", put("rightsAndReproduction", value={"en": "\u00a9"}), "not_open"),
    "artic: rights in a list": ("artic", put("data", "copyright_notice", value=["\u00a9 2020"]), "not_open"),
    "cleveland: rights in a list": ("cleveland", put("data", "copyright", value=[{"text": "\u00a9"}]), "not_open"),
    "cleveland: two licences in one": ("cleveland", put(
        "data", "share_license_status", value="CC0 (CC BY-ND 4.0)"), "not_open"),
    "rijks: two kinds of one right": ("rijksmuseum", put("subject_to", value=[{"classified_as": [
        {"id": "https://creativecommons.org/licenses/by-nd/4.0/"},
        {"id": "https://creativecommons.org/publicdomain/zero/1.0/"}]}]), "not_open"),
    "rijks: a right in words": ("rijksmuseum", put("subject_to", value=[
        {"classified_as": [{"id": "https://creativecommons.org/publicdomain/zero/1.0/"}]}, "in copyright"]), "not_open"),
    "rijks: a right that says nothing": ("rijksmuseum", put("subject_to", value=[
        {"classified_as": [{"id": "https://creativecommons.org/publicdomain/zero/1.0/"}]}, {}]), "not_open"),
    "rijks: the work in copyright": ("rijksmuseum", of("HumanMadeObject", put("subject_to", value=[
        {"classified_as": [{"id": "https://rightsstatements.org/vocab/InC/1.0/"}]}])), "not_open"),
    "smithsonian: rights as a text": ("smithsonian", put(
        "response", "content", "freetext", "objectRights", value="\u00a9 1975, Artist"), "not_open"),
    "smithsonian: rights as an object": ("smithsonian", put(
        "response", "content", "freetext", "objectRights", value={"content": "\u00a9 1975, Artist"}), "not_open"),
    "smithsonian: rights in a list of texts": ("smithsonian", put(
        "response", "content", "freetext", "objectRights", value=[{"content": ["\u00a9 1975"]}]), "not_open"),
    "smithsonian: words beside CC0": ("smithsonian", put(
        *ABOUT, "online_media", "media", 0, "usage", "text", value="Rights reserved"), "not_open"),
    "commons: not free, as a text": ("commons", put(*META, "NonFree", value="true"), "not_open"),
    "commons: not free, as a list": ("commons", put(*META, "NonFree", value={"value": ["true"]}), "not_open"),
    "commons: terms of use that close it": ("commons", put(
        *META, "UsageTerms", value={"value": "All rights reserved"}), "not_open"),
    "commons: a permission in words": ("commons", put(
        *META, "Permission", value={"value": "<p>CC BY-ND only</p>"}), "not_open"),
    "commons: a film": ("commons", put("query", "pages", 0, "imageinfo", 0, "mime", value="video/webm"), "no_picture"),
}  # fmt: skip


@pytest.mark.parametrize("name", LIES)
def test_a_record_that_contradicts_itself_is_set_aside(httpserver: HTTPServer, http: Http, name: str) -> None:
    museum, change, reason = LIES[name]
    (page,) = Server(httpserver, museum, change).source.pages(http, None)
    assert page.candidates == []
    assert [lost.reason for lost in page.unusable] == [reason], page.unusable


JUNK: tuple[Any, ...] = (None, 3, -1, 2.5, True, "", "x", [], {}, [3], [None], {"id": 3}, "\ud83d", "9" * 400)


def junked(rng: np.random.Generator, value: Any) -> Any:
    """The value with one part of it, somewhere, replaced by junk or gone."""
    place: Any = value
    for _ in range(int(rng.integers(1, 9))):
        steps = list(place) if isinstance(place, dict) else list(range(len(place))) if isinstance(place, list) else []
        if not steps:
            break
        step = steps[int(rng.integers(len(steps)))]
        if rng.random() < 0.25 or not isinstance(place[step], dict | list):
            place[step] = JUNK[int(rng.integers(len(JUNK)))]
            break
        place = place[step]
    return value


class Given:
    """Records as a source asks for them, from the gallery's shapes, junked with some luck."""

    def __init__(self, gallery: Gallery, rng: np.random.Generator) -> None:
        self.gallery, self.rng = gallery, rng

    def json(self, url: str) -> Any:
        parts = urlsplit(url)
        query = {key: values[-1] for key, values in parse_qs(parts.query).items()}
        found = shapes.answer(self.gallery, "http://x.example", parts.path, query)
        if found is None:
            found = met_answer(self.gallery, "http://x.example", parts.path)
        return junked(self.rng, copy.deepcopy(found)) if self.rng.random() < 0.7 else found


@pytest.mark.parametrize("name", MUSEUMS)
def test_any_record_is_read_or_refused(gallery: Gallery, name: str) -> None:
    """A thousand records with junk somewhere in them: a work that is open by its own words, or a typed reason."""
    rng = np.random.default_rng(7)
    given = Given(gallery, rng)
    source = open_source(name, SourceOptions(base_url="http://x.example"))
    taken = 0
    for n in range(1000):
        work = gallery.works[n % len(gallery.works)]
        id = {"rijksmuseum": str(10_000_000 + work.number), "smithsonian": f"edanmdm:saam_{work.number}"}.get(
            name, str(work.number)
        )
        try:
            found = source._candidate(given, Listed(id))  # type: ignore[attr-defined]
        except Rejected:
            continue
        taken += 1
        assert shapes.is_open(work), "no junk opens what is closed"
        Candidate.from_json(found.to_json())
    assert taken > 100


@pytest.mark.parametrize("name", MUSEUMS[1:])
def test_any_listing_is_read_or_refused(gallery: Gallery, name: str) -> None:
    rng = np.random.default_rng(8)
    given = Given(gallery, rng)
    source: Any = open_source(name, SourceOptions(base_url="http://x.example"))
    url = source.listing_url(None)
    for _ in range(300):
        found = given.json(url)
        try:
            works, following = source.listed(found, url)
        except Rejected:
            continue
        source.listed_total(found)
        assert all(isinstance(work.id, str) for work in works)
        assert following is None or isinstance(following, str)


def test_a_licence_that_changes_between_listing_and_record(httpserver: HTTPServer, http: Http) -> None:
    def change(found: dict[str, Any]) -> None:
        if isinstance(found.get("data"), list):
            found["data"][0]["share_license_status"] = "CC BY 4.0"

    (page,) = Server(httpserver, "cleveland", change).source.pages(http, None)
    (lost,) = page.unusable
    assert lost.reason == "not_open"
    assert "the listing says CC BY 4.0" in lost.detail
    assert "CC0" in lost.detail


@pytest.mark.parametrize("name", MUSEUMS[1:])
@pytest.mark.parametrize("answer", ["[]", "{}", "null", '"x"', "<html>", '{"data": {}, "response": [], "query": 3}'])
def test_a_listing_of_another_shape_is_a_stop(httpserver: HTTPServer, http: Http, name: str, answer: str) -> None:
    httpserver.expect_request("/robots.txt").respond_with_data("", status=404)
    httpserver.expect_request(re.compile("/.*")).respond_with_data(answer)
    with pytest.raises(FormatChanged):
        list(open_source(name, SourceOptions(base_url=httpserver.url_for("").rstrip("/"))).pages(http, None))


@pytest.mark.parametrize("name", MUSEUMS)
def test_robots_stop_a_museum_too(httpserver: HTTPServer, http: Http, name: str) -> None:
    """As Wikimedia's do for /w/."""
    httpserver.expect_request("/robots.txt").respond_with_data("User-agent: *\nDisallow: /")
    with pytest.raises(RobotsDisallowed):
        list(open_source(name, SourceOptions(base_url=httpserver.url_for("").rstrip("/"))).pages(http, None))


def test_a_listing_in_circles_is_a_stop(httpserver: HTTPServer, http: Http) -> None:
    def change(found: dict[str, Any]) -> None:
        if "orderedItems" in found:
            found["orderedItems"] = [{"id": "https://id.rijksmuseum.nl/10000000"}]
            found["next"] = {"id": "https://data.rijksmuseum.nl/search/collection?pageToken=7"}

    with pytest.raises(FormatChanged, match="again"):
        for _ in Server(httpserver, "rijksmuseum", change).source.pages(http, None):
            pass


STATEMENTS = [
    "CC0",
    "Public domain",
    "CC BY 4.0",
    "CC BY-SA 4.0",
    "CC BY-ND 4.0",
    "Copyrighted",
    "",
    "CC0?",
    "CC BY-NC 4.0",
]


def test_no_wrong_licence_in_a_thousand_rows() -> None:
    """Random records and listings: what is taken as open is open in every statement, and all of them agree."""
    rng = np.random.default_rng(0)
    taken = 0
    for row in range(1000):
        said = {f"field {k}": STATEMENTS[rng.integers(len(STATEMENTS))] for k in range(rng.integers(0, 4))}
        listed = STATEMENTS[rng.integers(len(STATEMENTS))] if row % 3 else None
        try:
            licence = agreed(said, listed, "https://x.example/")
        except Rejected:
            continue
        taken += 1
        assert {open_licence(value) for value in [*said.values(), *([listed] if listed is not None else [])]} == {
            licence
        }
    assert taken > 20


def test_the_key_goes_to_its_own_host_only(httpserver: HTTPServer, http: Http, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("abc-123\n")
    httpserver.expect_request("/robots.txt").respond_with_data("", status=404)
    other = HTTPServer(host="127.0.0.1")
    other.start()
    try:
        other.expect_request("/robots.txt").respond_with_data("", status=404)
        other.expect_request("/there").respond_with_json({"response": {"rows": [], "rowCount": 0}})
        there = f"http://127.0.0.1:{other.port}/there"
        httpserver.expect_request("/openaccess/api/v1.0/search").respond_with_data("", 302, {"Location": there})
        base = httpserver.url_for("").rstrip("/")
        with Http(
            None,
            allow=[f"{httpserver.host}:{httpserver.port}", f"127.0.0.1:{other.port}"],
            limits=Limits(per_second=0, retries=0),
        ) as both:
            options = SourceOptions(base_url=base, key_file=str(tmp_path / "key"))
            assert [page.candidates for page in open_source("smithsonian", options).pages(both, None)] == [[]]
        asked = [request for request, _ in httpserver.log if request.path != "/robots.txt"]
        assert [request.headers.get("X-Api-Key") for request in asked] == ["abc-123"]
        assert "abc-123" not in asked[0].url
        assert all("X-Api-Key" not in request.headers for request, _ in other.log)
    finally:
        other.stop()


@pytest.mark.parametrize("content", ["", "two words", "a\nb", "\u00e9"])
def test_a_key_that_is_none_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "key").write_text(content)
    with pytest.raises(SuiteError, match="--key-file"):
        open_source("smithsonian", SourceOptions(key_file=str(tmp_path / "key")))


def test_the_smithsonian_wants_a_key() -> None:
    with pytest.raises(SuiteError, match="--key-file"):
        open_source("smithsonian", SourceOptions())


def test_iiif_addresses() -> None:
    url = "https://iiif.micr.io/abc/full/max/0/default.jpg"
    assert iiif_sizes(url)[0] == "https://iiif.micr.io/abc/full/!4096,4096/0/default.jpg"
    assert iiif_sizes(url)[-1] == url
    assert iiif_sizes("https://x.org/a.jpg") == ("https://x.org/a.jpg",)


@pytest.mark.parametrize(
    ("date", "said"),
    [("ca. 1642", "1640s"), ("1890\u20131899", "1890s"), ("18th century", ""), ("", ""), ("12345", "")],
)
def test_decades(date: str, said: str) -> None:
    assert decade(date) == said
