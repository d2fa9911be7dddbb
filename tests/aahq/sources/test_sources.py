"""Sources: what they read, how they go on, and what they do when a site answers otherwise."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from aahq.candidates import Candidate
from aahq.cli import main
from aahq.sources import SOURCES, SourceOptions, SourcePage, open_source
from aahq.sources.aahq_list import AahqList
from aahq.sources.artstation import sizes
from aahq.sources.reading import says_ai_made, text
from aahq.sources.survival import survival
from aahq.sources.urls import read_rows
from aahq.web.client import Http
from aahq.web.interrupts import BotChallenge, FormatChanged, RobotsDisallowed, SiteBusy
from aahq.web.limits import Limits
from suite.errors import SuiteError

API = "/api/v2/community/channels"


@pytest.fixture
def http(httpserver: HTTPServer) -> Iterator[Http]:
    limits = Limits(per_second=0, retries=0, read_s=2)
    with Http(None, allow=[f"{httpserver.host}:{httpserver.port}"], limits=limits, sleep=lambda s: None) as client:
        yield client


class Site:
    """ArtStation's answers, as `facts` describe them, with some works."""

    def __init__(self, httpserver: HTTPServer, works: int = 65) -> None:
        self.base = httpserver.url_for("").rstrip("/")
        self.hashes = [f"h{i:03d}" for i in range(works)]
        self.works: dict[str, Any] = {name: self.work(name, i) for i, name in enumerate(self.hashes)}
        self.answers: dict[str, Response] = {}
        httpserver.expect_request("/robots.txt").respond_with_data("", status=404)
        httpserver.expect_request(f"{API}/channels.json").respond_with_json(
            {
                "data": [
                    {"id": 3, "name": "Abstract", "uri": "abstract"},
                    {"id": 87, "name": "Portraits", "uri": "portraits"},
                ]
            }
        )
        httpserver.expect_request(f"{API}/projects.json").respond_with_handler(self.listing)
        for name in self.hashes:
            httpserver.expect_request(f"/projects/{name}.json").respond_with_handler(self.one)

    def work(self, name: str, number: int) -> dict[str, Any]:
        image = f"{self.base}/p/assets/images/images/000/000/{number:03d}/large/{name}.jpg?16"
        return {
            "hash_id": name,
            "title": f"Portrait {number}",
            "user": {"username": f"artist{number % 3}", "full_name": "A. Painter"},
            "tags": ["portrait"],
            "software_items": [{"name": "Krita"}],
            "published_at": "2021-01-01T00:00:00Z",
            "hide_as_adult": False,
            "adult_content": False,
            "assets": [
                {
                    "id": 10 * number + 1,
                    "asset_type": "image",
                    "has_image": True,
                    "image_url": image,
                    "width": 9,
                    "height": 9,
                },
                {"id": 10 * number + 2, "asset_type": "video", "has_image": False, "image_url": image},
            ],
        }

    def listing(self, request: Request) -> Response:
        if request.args["channel_id"] != "87":
            return Response('{"data": [], "total_count": 0}')
        page, size = int(request.args["page"]), int(request.args["per_page"])
        names = self.hashes[(page - 1) * size : page * size]
        items = [
            {key: self.works[name][key] for key in ("hash_id", "title", "user", "hide_as_adult")} for name in names
        ]
        return self.answers.get(f"page {page}", Response(json.dumps({"data": items, "total_count": len(self.hashes)})))

    def one(self, request: Request) -> Response:
        name = request.path.split("/")[-1].removesuffix(".json")
        return self.answers.get(name, Response(json.dumps(self.works[name])))

    def source(self, **options: Any) -> Any:
        return open_source("artstation", SourceOptions(base_url=self.base, **options))


def keys(pages: list[SourcePage]) -> list[str]:
    return [candidate.key for page in pages for candidate in page.candidates]


def test_every_source_loads_and_an_unknown_one_is_named() -> None:
    assert len(SOURCES) == 10
    with pytest.raises(SuiteError, match="did you mean 'artstation'"):
        open_source("artstaton", SourceOptions())
    for name in ("aahq-list", "urls", "folder"):
        with pytest.raises(SuiteError, match=f"--source {name}"):
            open_source(name, SourceOptions())


# --- ArtStation


def test_a_channel_is_read_page_by_page(httpserver: HTTPServer, http: Http) -> None:
    site = Site(httpserver)
    pages = list(site.source().pages(http, None))
    assert [page.cursor for page in pages] == ["page=2 works=30", "page=3 works=60", "page=4 works=65"]
    assert keys(pages) == [f"{name}/{10 * i + 1}" for i, name in enumerate(site.hashes)]
    first = pages[0].candidates[0]
    assert first.page_url == f"{site.base}/artwork/h000"
    assert [url.split("/")[-2] for url in first.image_urls] == ["4k", "large", "medium", "small"]
    assert (first.artist, first.title, first.tags, first.published) == (
        "artist0",
        "Portrait 0",
        ("portrait",),
        "2021-01-01T00:00:00Z",
    )
    assert Candidate.from_json(first.to_json()) == first


@pytest.mark.parametrize("channel", ["portraits", "Portraits", "PORTRAITS"])
def test_a_channel_is_found_by_name(httpserver: HTTPServer, http: Http, channel: str) -> None:
    assert len(list(Site(httpserver, 2).source(channel=channel).pages(http, None))) == 1


def test_an_unknown_channel_is_named(httpserver: HTTPServer, http: Http) -> None:
    with pytest.raises(SuiteError, match="did you mean 'portraits'"):
        list(Site(httpserver, 2).source(channel="portrait").pages(http, None))


def test_it_goes_on_where_it_stopped(httpserver: HTTPServer, http: Http) -> None:
    site = Site(httpserver)
    whole = keys(list(site.source().pages(http, None)))
    first = next(iter(site.source().pages(http, None)))
    assert keys([first, *site.source().pages(http, first.cursor)]) == whole
    assert list(site.source().pages(http, "page=4 works=65")) == []
    with pytest.raises(SuiteError, match="cursor"):
        list(site.source().pages(http, "4"))


def challenge() -> Response:
    return Response("<html>Just a moment...", status=403, headers={"Cf-Mitigated": "challenge"})


def test_a_challenge_is_a_stop_that_resumes(httpserver: HTTPServer, http: Http) -> None:
    """What came before stands, the site is asked nothing more, and the same cursor goes on when the site answers again."""
    site = Site(httpserver)
    site.answers["h035"] = challenge()
    done: list[SourcePage] = []
    with pytest.raises(BotChallenge) as stop:
        for page in site.source().pages(http, None):
            done.append(page)
    assert (len(done), stop.value.exit_code) == (1, 75)
    assert [request.path for request, _ in httpserver.log][-1] == "/projects/h035.json"
    site.answers.clear()
    assert len(keys(done + list(site.source().pages(http, done[-1].cursor)))) == 65


LISTING_FAULTS = {
    "challenge": (challenge(), BotChallenge, 75),
    "no json": (Response("<html>maintenance</html>"), FormatChanged, 76),
    "cut json": (Response('{"data": [{"hash'), FormatChanged, 76),
    "no data": (Response('{"items": []}'), FormatChanged, 76),
    "data is an object": (Response('{"data": {}}'), FormatChanged, 76),
    "a list": (Response("[]"), FormatChanged, 76),
    "nan": (Response('{"data": NaN}'), FormatChanged, 76),
    "deep": (Response("[" * 100_000), FormatChanged, 76),
    "works without hash": (Response('{"data": [{"id": 1}, {"id": 2}]}'), FormatChanged, 76),
    "gone": (Response("", status=404), FormatChanged, 76),
    "server error": (Response("", status=500), SiteBusy, 77),
    "too many": (Response("", status=429), SiteBusy, 77),
}


@pytest.mark.parametrize("name", LISTING_FAULTS)
def test_a_listing_that_changed_is_a_resumable_stop(httpserver: HTTPServer, http: Http, name: str) -> None:
    answer, kind, code = LISTING_FAULTS[name]
    site = Site(httpserver)
    site.answers["page 2"] = answer
    pages = site.source().pages(http, None)
    assert next(pages).cursor == "page=2 works=30"
    with pytest.raises(kind) as stop:
        next(pages)
    assert stop.value.exit_code == code
    assert "\n" not in str(stop.value)


def test_robots_stop_the_listing(httpserver: HTTPServer, http: Http) -> None:
    httpserver.expect_request("/robots.txt").respond_with_data("User-agent: *\nDisallow: /api/")
    with pytest.raises(RobotsDisallowed) as stop:
        list(Site(httpserver, 2).source().pages(http, None))
    assert stop.value.exit_code == 78


WORK_FAULTS: dict[str, tuple[Any, str]] = {
    "no json": (Response("<html>"), "bad_record"),
    "not an object": (Response("[1]"), "bad_record"),
    "null": (Response("null"), "bad_record"),
    "no user": ({"user": None}, "bad_record"),
    "user without name": ({"user": {"full_name": "x"}}, "bad_record"),
    "no assets": ({"assets": None}, "bad_record"),
    "asset without url": ({"assets": [{"id": 1, "asset_type": "image"}]}, "bad_record"),
    "asset id is text": ({"assets": [{"id": "../1", "asset_type": "image", "image_url": "x"}]}, "bad_record"),
    "asset id is true": ({"assets": [{"id": True, "asset_type": "image", "image_url": "x"}]}, "bad_record"),
    "only videos": ({"assets": [{"id": 1, "asset_type": "video"}]}, "no_picture"),
    "assets of nothing": ({"assets": [None, 3, "x"]}, "no_picture"),
    "gone": (Response("", status=404), "gone"),
    "forbidden": (Response("", status=403), "forbidden"),
    "server error": (Response("", status=500), "server_error"),
}


@pytest.mark.parametrize("name", WORK_FAULTS)
def test_a_malformed_work_is_set_aside_alone(httpserver: HTTPServer, http: Http, name: str) -> None:
    answer, reason = WORK_FAULTS[name]
    site = Site(httpserver, 3)
    if isinstance(answer, Response):
        site.answers["h001"] = answer
    else:
        site.works["h001"] |= answer
    (page,) = site.source().pages(http, None)
    assert keys([page]) == ["h000/1", "h002/21"]
    (lost,) = page.unusable
    assert (lost.key, lost.reason) == ("h001", reason)


def test_marks_are_carried(httpserver: HTTPServer, http: Http) -> None:
    site = Site(httpserver, 4)
    site.works["h000"]["hide_as_adult"] = True
    site.works["h001"]["tags"] = ["CreatedWithAI"]
    site.works["h002"]["software_items"] = [{"name": "Midjourney v6"}]
    site.works["h003"]["tags"] = [{"name": "NoAI"}, 7, None]
    (page,) = site.source().pages(http, None)
    adult, tagged, software, noai = page.candidates
    assert (adult.adult, adult.image_urls) == (True, ())
    assert (tagged.ai_made, software.ai_made, noai.ai_made) == (True, True, False)
    assert noai.tags == ("NoAI",)
    assert "/projects/h000.json" not in [request.path for request, _ in httpserver.log]


@pytest.mark.parametrize(
    "title", ["../../etc", "a\nb\0c", "\u202egpj", "half \ud83d", "<script>", "x" * 9999, None, 7, ["a"]]
)
def test_hostile_titles_become_one_line(httpserver: HTTPServer, http: Http, title: Any) -> None:
    site = Site(httpserver, 1)
    site.works["h000"]["title"] = title
    (page,) = site.source().pages(http, None)
    kept = page.candidates[0].title
    assert len(kept) <= 300
    assert kept.isprintable()
    kept.encode()


def test_sizes() -> None:
    assert sizes("https://c/000/large/large/a.jpg?1")[0] == "https://c/000/large/4k/a.jpg?1"
    assert len(sizes("https://c/a/medium/a.jpg")) == 4
    assert sizes("https://c/a/a.jpg") == ("https://c/a/a.jpg",)


def test_words_for_generated_work() -> None:
    assert says_ai_made(("Created With AI",))
    assert says_ai_made((), ("Stable Diffusion XL",))
    assert not says_ai_made(("portrait", "NoAI", "daily"), ("Photoshop", "Aircraft Designer"))


@given(st.text())
def test_any_text_is_one_line(value: str) -> None:
    assert "\n" not in text(value)
    assert not any(ord(letter) < 32 for letter in text(value))


# --- the Met


def met(httpserver: HTTPServer, objects: dict[int, Any]) -> Any:
    base = "/public/collection/v1"
    httpserver.expect_request("/robots.txt").respond_with_data("", status=404)
    httpserver.expect_request(f"{base}/search").respond_with_json({"total": len(objects), "objectIDs": list(objects)})
    for number, record in objects.items():
        httpserver.expect_request(f"{base}/objects/{number}").respond_with_json(record)
    return open_source("met", SourceOptions(base_url=httpserver.url_for("").rstrip("/"), query="portrait of a lady"))


def painting(number: int, **more: Any) -> dict[str, Any]:
    return {
        "objectID": number,
        "isPublicDomain": True,
        "primaryImage": f"https://images.metmuseum.org/{number}.jpg",
        "primaryImageSmall": f"https://images.metmuseum.org/web/{number}.jpg",
        "title": "A lady",
        "artistDisplayName": "Painter",
        "objectURL": f"https://www.metmuseum.org/art/collection/search/{number}",
        "tags": [{"term": "Women"}],
        **more,
    }


def test_the_met_gives_open_works_only(httpserver: HTTPServer, http: Http) -> None:
    objects = {
        30: painting(30),
        10: painting(10, isPublicDomain=False),
        20: painting(20, primaryImage=""),
        40: painting(40, tags=None, artistDisplayName=""),
        50: {"message": "ObjectID not found"},
        60: painting(60, isPublicDomain="true"),
    }
    source = met(httpserver, objects)
    (page,) = source.pages(http, None)
    assert keys([page]) == ["30", "40"]
    assert {lost.key: lost.reason for lost in page.unusable} == {
        **{"10": "not_open", "20": "no_picture", "50": "bad_record", "60": "bad_record"}
    }
    lady = page.candidates[0]
    assert (lady.license, lady.tags, lady.artist) == ("CC0-1.0", ("Women",), "Painter")
    assert lady.image_urls == ("https://images.metmuseum.org/30.jpg", "https://images.metmuseum.org/web/30.jpg")
    assert httpserver.log[1][0].args["q"] == "portrait of a lady"
    assert page.cursor == "60"


def test_the_met_resumes(httpserver: HTTPServer, http: Http) -> None:
    source = met(httpserver, {number: painting(number) for number in range(1, 46)})
    first = next(iter(source.pages(http, None)))
    assert first.cursor == "20"
    assert keys(list(source.pages(http, first.cursor))) == [str(number) for number in range(21, 46)]


@pytest.mark.parametrize(
    "answer", ['{"total": 1, "objectIDs": ["a"]}', '{"total": 1}', "[]", "x", '{"total": 1, "objectIDs": [-1]}']
)
def test_a_changed_search_is_a_stop(httpserver: HTTPServer, http: Http, answer: str) -> None:
    httpserver.expect_request("/public/collection/v1/search").respond_with_data(answer)
    with pytest.raises(FormatChanged):
        list(met(httpserver, {}).pages(http, None))


def test_a_search_without_hits_is_empty(httpserver: HTTPServer, http: Http) -> None:
    httpserver.expect_request("/public/collection/v1/search").respond_with_data('{"total": 0, "objectIDs": null}')
    assert list(met(httpserver, {}).pages(http, None)) == []


# --- the AAHQ list

POINTS = {"eye_left": [1, 2], "eye_right": [3.5, 4], "mouth_left": [5, 6], "mouth_right": [7, 8]}


def listed(path: Path, entries: Any) -> AahqList:
    path.write_text(entries if isinstance(entries, str) else json.dumps(entries))
    return AahqList(SourceOptions(target=str(path)))


def test_the_list_gives_its_own_points(tmp_path: Path) -> None:
    entries = {
        f"{i:03d}.png": {"image_url": f"https://cdna/{i}.jpg", "raw_name": f"a_{i}", "landmarks": POINTS}
        for i in range(250)
    }
    pages = list(listed(tmp_path / "l.json", entries).pages(None, None))
    assert keys(pages) == sorted(entries)
    assert pages[0].candidates[1].landmarks == ((1.0, 2.0), (3.5, 4.0), (5.0, 6.0), (7.0, 8.0))
    assert pages[0].candidates[1].page_url is None
    again = list(listed(tmp_path / "l.json", entries).pages(None, pages[0].cursor))
    assert keys(pages[:1]) + keys(again) == sorted(entries)
    assert Candidate.from_json(pages[0].candidates[0].to_json()) == pages[0].candidates[0]


BAD_ENTRIES: dict[str, Any] = {
    "null": None,
    "text": "x",
    "no url": {"landmarks": POINTS},
    "no points": {"image_url": "https://x/a.jpg"},
    "three points": {"image_url": "https://x/a.jpg", "landmarks": {k: v for k, v in POINTS.items() if k != "eye_left"}},
    "one number": {"image_url": "https://x/a.jpg", "landmarks": {**POINTS, "eye_left": [1]}},
    "words": {"image_url": "https://x/a.jpg", "landmarks": {**POINTS, "eye_left": ["1", "2"]}},
    "huge": {"image_url": "https://x/a.jpg", "landmarks": {**POINTS, "eye_left": [1e300, 2]}},
    "booleans": {"image_url": "https://x/a.jpg", "landmarks": {**POINTS, "eye_left": [True, 2]}},
}


@pytest.mark.parametrize("name", BAD_ENTRIES)
def test_a_bad_entry_is_set_aside(tmp_path: Path, name: str) -> None:
    good = {"image_url": "https://x/a.jpg", "landmarks": POINTS}
    (page,) = listed(tmp_path / "l.json", {"bad": BAD_ENTRIES[name], "good": good}).pages(None, None)
    assert keys([page]) == ["good"]
    assert [(lost.key, lost.reason) for lost in page.unusable] == [("bad", "bad_record")]


@pytest.mark.parametrize("content", ["[]", "{", "", "null", "[" * 100_000, '{"a": NaN}'])
def test_what_is_no_list_is_named(tmp_path: Path, content: str) -> None:
    with pytest.raises(SuiteError, match=r"AAHQ-dataset\.json"):
        list(listed(tmp_path / "l.json", content).pages(None, None))


JSONS = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.integers() | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from([*POINTS, "image_url", "landmarks", "x"]), inner)
    ),
    max_leaves=12,
)


@settings(deadline=None, max_examples=60)
@given(st.dictionaries(st.text(max_size=9), JSONS, max_size=4))
def test_any_list_is_read_or_set_aside(tmp_path_factory: pytest.TempPathFactory, entries: dict[str, Any]) -> None:
    path = tmp_path_factory.mktemp("list") / "l.json"
    pages = list(listed(path, entries).pages(None, None))
    assert sorted(keys(pages) + [lost.key for page in pages for lost in page.unusable]) == sorted(entries)


def test_survival(httpserver: HTTPServer, http: Http, tmp_path: Path) -> None:
    httpserver.expect_request("/robots.txt").respond_with_data("User-agent: *\nDisallow: /closed")
    httpserver.expect_request("/alive").respond_with_data("x", content_type="image/jpeg")
    httpserver.expect_request("/moved").respond_with_data("", status=302, headers={"Location": "/alive"})
    httpserver.expect_request("/page").respond_with_data("<html>", content_type="text/html")
    httpserver.expect_request("/noai").respond_with_data(
        "x", content_type="image/jpeg", headers={"X-Robots-Tag": "noai"}
    )
    httpserver.expect_request("/gone").respond_with_data("", status=404)
    httpserver.expect_request("/broken").respond_with_data("", status=500)
    expected = {
        "alive": "alive",
        "broken": "unknown",
        "closed": "refused",
        "gone": "gone",
        "moved": "changed",
        "noai": "refused",
        "page": "changed",
    }
    entries = {name: {"image_url": httpserver.url_for(f"/{name}"), "landmarks": POINTS} for name in expected}
    (page,) = listed(tmp_path / "l.json", entries).pages(None, None)
    assert {found.key: found.state for found in survival(page.candidates, http)} == expected
    assert {request.method for request, _ in httpserver.log if request.path != "/robots.txt"} == {"HEAD"}
    key = httpserver.url_for("").removeprefix("http://").rstrip("/")
    table = tmp_path / "alive.csv"
    # The command waits before it asks a broken server again; here that would be seven seconds.
    del entries["broken"]
    listed(tmp_path / "quick.json", entries)
    asked = ["survival", str(tmp_path / "quick.json"), str(table), "--allow", key, "--per-second", "0", "--json"]
    answer = json.loads(CliRunner().invoke(main, asked, catch_exceptions=False).stdout)
    assert answer == {"asked": 6, "alive": 1, "changed": 2, "gone": 1, "refused": 2, "unknown": 0}
    assert len(table.read_text().splitlines()) == 1 + 6


# --- a person's own list, and a folder


def test_plain_lists(tmp_path: Path) -> None:
    path = tmp_path / "l.txt"
    path.write_text("\ufeff# mine\nhttps://x.org/a.jpg\n\n  https://x.org/b.jpg  \nfile:///etc/passwd\nnonsense\n")
    (page,) = open_source("urls", SourceOptions(target=str(path))).pages(None, None)
    assert [candidate.image_urls for candidate in page.candidates] == [
        ("https://x.org/a.jpg",),
        ("https://x.org/b.jpg",),
    ]
    assert [lost.reason for lost in page.unusable] == ["url_refused", "url_refused"]
    assert page.candidates[0].extra == {"list": "l.txt", "line": 2}


def test_csv_lists(tmp_path: Path) -> None:
    path = tmp_path / "l.csv"
    path.write_text(
        'artist,url,license,page\n"Doe, Jane",https://x.org/a.jpg,CC0-1.0,https://x.org/a\n,,,\nJo,https://x.org/b.jpg\n'
    )
    (page,) = open_source("urls", SourceOptions(target=str(path))).pages(None, None)
    first, second = page.candidates
    assert (first.artist, first.license, first.page_url) == ("Doe, Jane", "CC0-1.0", "https://x.org/a")
    assert (second.artist, second.license, second.page_url) == ("Jo", None, None)
    path.write_text("url,licence\nhttps://x.org/a.jpg,CC0\n")
    with pytest.raises(SuiteError, match="did you mean 'license'"):
        list(read_rows(path))


ROWS = [(f"https://x.org/{n}.jpg", "CC0", f"J\u00f6 {n}") for n in range(3)]


def table(delimiter: str = ",", quote: str = "", header: str = "url,license,artist") -> str:
    lines = [header.split(","), *ROWS]
    return "".join(delimiter.join(f"{quote}{cell}{quote}" for cell in row) + "\n" for row in lines)


TABLES = {
    "plain": table().encode(),
    "quoted": table(quote='"').encode(),
    "semicolons": table(";").encode(),
    "quoted semicolons": table(";", '"').encode(),
    "tabs": table("\t").encode(),
    "bars": table("|").encode(),
    "UTF-16": table("\t").encode("utf-16"),
    "BOM and CRLF": table().replace("\n", "\r\n").encode("utf-8-sig"),
    "CR": table().replace("\n", "\r").encode(),
    "capitals and blanks": table(header="URL , License, Artist").encode(),
    "an index": "".join(
        f"{n},{line}\n" if n else f",{line}\n" for n, line in enumerate(table().split("\n")[:-1])
    ).encode(),
    "comments": f"# mine\n\n#again\n{table()}".encode(),
    "image_url": table(header="image_url,license,artist").encode(),
    "NUL": table().replace("jpg", "jpg\0").encode(),
}


@pytest.mark.parametrize("name", TABLES)
def test_tables_as_programs_write_them(tmp_path: Path, name: str) -> None:
    (tmp_path / "l.csv").write_bytes(TABLES[name])
    rows = [(row["url"], row["license"], row["artist"]) for row in read_rows(tmp_path / "l.csv")]
    assert rows == ROWS


def test_a_quoted_cell_may_hold_anything(tmp_path: Path) -> None:
    (tmp_path / "l.csv").write_text('url;title\nhttps://x.org/a.jpg;"a; ""b""\nand c"\nhttps://x.org/b.jpg;d\n')
    rows = list(read_rows(tmp_path / "l.csv"))
    assert [(row["title"], row["line"]) for row in rows] == [('a; "b"\nand c', "3"), ("d", "4")]


NO_TABLES = {
    "an open quote": (b'url,title\nhttps://x.org/a.jpg,"a\nhttps://x.org/b.jpg,b\n', "line 2: a quote is opened"),
    "Latin-1": ("url,artist\nhttps://x.org/a.jpg,J\u00f6\n".encode("latin-1"), "utf-8"),
    "JSON": (b'{"url": "https://x.org/a.jpg"}\n', "looks like JSON"),
    "Parquet": (b"PAR1\x15\x04\x15\xff", "utf-8"),
    "no url": (b"picture,artist\nhttps://x.org/a.jpg,J\n", "is no address"),
    "another column": (b"url,colour\nhttps://x.org/a.jpg,red\n", "no column 'colour'"),
}


@pytest.mark.parametrize("name", NO_TABLES)
def test_what_is_no_table_is_named_in_one_line(tmp_path: Path, name: str) -> None:
    content, why = NO_TABLES[name]
    (tmp_path / "l.csv").write_bytes(content)
    with pytest.raises(SuiteError) as error:
        list(read_rows(tmp_path / "l.csv"))
    assert why in str(error.value)
    assert "\n" not in str(error.value)
    assert "columns url, page, artist" in str(error.value) or "--source urls" in str(error.value)


@settings(deadline=None, max_examples=60)
@given(st.text(max_size=200), st.booleans())
def test_any_list_of_addresses_is_read(
    tmp_path_factory: pytest.TempPathFactory, content: str, with_header: bool
) -> None:
    path = tmp_path_factory.mktemp("urls") / "l.csv"
    path.write_text(("url,page\n" if with_header else "") + content, encoding="utf-8", errors="replace", newline="")
    try:
        rows = list(read_rows(path))
    except SuiteError as error:
        assert "--source urls" in str(error)  # noqa: PT017
        return
    assert all(row["url"] and row["line"].isdigit() for row in rows)


def test_order_of_paths_is_order_of_their_text(tmp_path: Path) -> None:
    """`a.png` stands before `a/b.png`, since a dot stands before a slash: walking folder by folder must say so too."""
    names = ["a.png", "a/b.png", "a/b/c.png", "a-b/z.png", "a0.png", "b/a.png"]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        if not (tmp_path / name).exists():
            (tmp_path / name).write_bytes(b"x")
    assert keys(list(open_source("folder", SourceOptions(target=str(tmp_path))).pages(None, None))) == sorted(names)


def test_a_folder_gives_every_file_in_order(tmp_path: Path) -> None:
    for name in ("b.jpg", "a/z.png", "a/.hidden", ".git/x.png", "notes.txt", "ü <b>.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    source = open_source("folder", SourceOptions(target=str(tmp_path)))
    (page,) = source.pages(None, None)
    assert keys([page]) == ["a/z.png", "b.jpg", "notes.txt", "ü <b>.png"]
    assert page.candidates[0].local_path == tmp_path / "a/z.png"
    assert keys(list(source.pages(None, "b.jpg"))) == ["notes.txt", "ü <b>.png"]
    assert Candidate.from_json(page.candidates[0].to_json()) == page.candidates[0]


def test_a_name_that_is_no_text_is_kept(tmp_path: Path) -> None:
    """Latin-1 names of old archives: shown with escapes, opened as they are."""
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/b\xfcste.png"))
    path.write_bytes(b"x")
    (page,) = open_source("folder", SourceOptions(target=str(tmp_path))).pages(None, None)
    kept = Candidate.from_json(page.candidates[0].to_json().encode().decode())
    assert kept.key == "b\\xfcste.png"
    assert kept.local_path == path


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"source": 1, "nonsense": 2}', "x"])
def test_what_is_no_candidate_is_refused(content: str) -> None:
    with pytest.raises(SuiteError, match="candidate"):
        Candidate.from_json(content)
