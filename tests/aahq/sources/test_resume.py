"""Every source, stopped after every page and with every limit: the same works in the end, none twice, none lost."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from aahq.consent.optouts import OptOuts
from aahq.consent.permissions import Permissions
from aahq.crawl import process, stage
from aahq.crawl.process import FetchContext, FetchResult
from aahq.ledger import Ledger
from aahq.reasons import Rejection
from aahq.sources import SOURCES, Source, SourceOptions, open_source
from aahq.web.client import Http
from aahq.web.interrupts import SiteBusy
from aahq.web.limits import Limits
from suite.errors import SuiteError

WORKS = 65
LISTED = 430
POINTS = {"eye_left": [1, 2], "eye_right": [3, 4], "mouth_left": [5, 6], "mouth_right": [7, 8]}
Make = Callable[[HTTPServer, Path], SourceOptions]


def artstation(httpserver: HTTPServer, folder: Path) -> SourceOptions:
    base = httpserver.url_for("").rstrip("/")

    def answer(request: Request) -> Response:
        if request.path.endswith("channels.json"):
            return Response(json.dumps({"data": [{"id": 87, "name": "Portraits", "uri": "portraits"}]}))
        if request.path.endswith("projects.json"):
            page = int(request.args["page"])
            names = [f"h{n:03d}" for n in range(WORKS)][(page - 1) * 30 : page * 30]
            return Response(json.dumps({"data": [{"hash_id": name} for name in names], "total_count": WORKS}))
        if match := re.fullmatch(r"/projects/h(\d+)\.json", request.path):
            asset = {"id": int(match[1]), "asset_type": "image", "image_url": f"{base}/p/{match[1]}.jpg"}
            return Response(json.dumps({"user": {"username": "a"}, "assets": [asset]}))
        return Response("", 404)

    httpserver.expect_request(re.compile("/.*")).respond_with_handler(answer)
    return SourceOptions(base_url=base)


def met(httpserver: HTTPServer, folder: Path) -> SourceOptions:
    base = httpserver.url_for("").rstrip("/")

    def answer(request: Request) -> Response:
        if request.path.endswith("/search"):
            return Response(json.dumps({"total": WORKS, "objectIDs": list(range(1, WORKS + 1))}))
        if match := re.search(r"/objects/(\d+)$", request.path):
            record = {"isPublicDomain": True, "primaryImage": f"{base}/p/{match[1]}.jpg"}
            return Response(json.dumps({**record, "objectID": int(match[1])}))
        return Response("", 404)

    httpserver.expect_request(re.compile("/.*")).respond_with_handler(answer)
    return SourceOptions(base_url=base)


def urls(httpserver: HTTPServer, folder: Path) -> SourceOptions:
    (folder / "l.csv").write_text("url,license\n" + "".join(f"http://a.example/{n}.jpg,CC0\n" for n in range(LISTED)))
    return SourceOptions(target=str(folder / "l.csv"))


def aahq_list(httpserver: HTTPServer, folder: Path) -> SourceOptions:
    entries = {f"{n}.png": {"image_url": f"http://a.example/{n}.jpg", "landmarks": POINTS} for n in range(LISTED)}
    (folder / "l.json").write_text(json.dumps(entries))
    return SourceOptions(target=str(folder / "l.json"))


def local(httpserver: HTTPServer, folder: Path) -> SourceOptions:
    for n in range(LISTED):
        path = folder / "pictures" / f"{n % 3}" / f"{n}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    return SourceOptions(target=str(folder / "pictures"))


MAKE: dict[str, Make] = {"artstation": artstation, "met": met, "urls": urls, "aahq-list": aahq_list, "folder": local}


class Stopping:
    """A source that is stopped after so many pages, as Ctrl-C or the site would."""

    def __init__(self, source: Source, pages: int) -> None:
        self._source, self._pages = source, pages
        self.name, self.local = source.name, source.local

    def pages(self, http: Http | None, cursor: str | None) -> Iterator[Any]:
        for number, page in enumerate(self._source.pages(http, cursor)):
            if number == self._pages:
                raise SiteBusy("http://a.example/", "enough for today")
            yield page


@pytest.fixture(autouse=True)
def nothing_is_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "process_candidate", lambda id, *_: FetchResult(id, None, Rejection("gone", "")))


def run(out: Path, name: str, options: SourceOptions, limit: int | None = None, pages: int | None = None) -> list[str]:
    """One crawl; the ledger's keys after it."""
    out.mkdir(exist_ok=True)

    def reopen() -> Any:
        source = open_source(name, options)
        return source if pages is None else Stopping(source, pages)

    key = [options.base_url.removeprefix("http://")] if options.base_url else []
    with (
        Http(None, allow=key, limits=Limits(per_second=0, retries=0), sleep=lambda s: None) as http,
        Ledger(out, create=True) as ledger,
    ):
        try:
            stage.run(ledger, stage.CrawlTarget(name, "q", reopen, limit), FetchContext(http, OptOuts(), Permissions()))
        except SiteBusy:
            assert pages is not None
        return [row["key"] for row in ledger.rows("SELECT key FROM pictures ORDER BY key")]


def test_every_source_is_tried() -> None:
    assert set(MAKE) <= set(SOURCES)


@pytest.mark.parametrize("name", MAKE)
def test_stopped_after_every_page(httpserver: HTTPServer, tmp_path: Path, name: str) -> None:
    options = MAKE[name](httpserver, tmp_path)
    whole = run(tmp_path / "whole", name, options)
    assert len(whole) == (WORKS if name in ("artstation", "met") else LISTED)
    got: list[str] = []
    for _ in range(40):
        before, got = got, run(tmp_path / "parts", name, options, pages=1)
        if before == got:
            break
    assert got == whole
    assert run(tmp_path / "parts", name, options) == whole


@pytest.mark.parametrize("name", MAKE)
def test_a_limit_is_raised(httpserver: HTTPServer, tmp_path: Path, name: str) -> None:
    """Whatever it is, and wherever in a page it ends: so many, then more, then all."""
    options = MAKE[name](httpserver, tmp_path)
    total = len(run(tmp_path / "whole", name, options))
    for limit in (1, 7, 7, 30, 31, total - 1, total + 100):
        assert len(run(tmp_path / "parts", name, options, limit=limit)) == min(limit, total)
    assert run(tmp_path / "parts", name, options) == run(tmp_path / "whole", name, options)


@pytest.mark.parametrize("name", ["urls", "aahq-list", "folder"])
def test_what_was_added_is_taken(httpserver: HTTPServer, tmp_path: Path, name: str) -> None:
    options = MAKE[name](httpserver, tmp_path)
    before = run(tmp_path / "out", name, options)
    if name == "urls":
        with (tmp_path / "l.csv").open("a") as more:
            more.write("http://a.example/new.jpg,CC0\n")
    elif name == "aahq-list":
        entries = json.loads((tmp_path / "l.json").read_text())
        added = {"image_url": "http://a.example/new.jpg", "landmarks": POINTS}
        (tmp_path / "l.json").write_text(json.dumps({"0new.png": added, **entries}))
    else:
        (tmp_path / "pictures" / "0" / "0new.png").write_bytes(b"x")
    assert len(run(tmp_path / "out", name, options)) == len(before) + 1


def test_a_disk_that_is_away_ends_nothing(httpserver: HTTPServer, tmp_path: Path) -> None:
    options = local(httpserver, tmp_path)
    before = run(tmp_path / "out", "folder", options)
    shutil.rmtree(tmp_path / "pictures")
    assert run(tmp_path / "out", "folder", options) == before
    with pytest.raises(SuiteError, match="no directory"):
        run(tmp_path / "another", "folder", options)


# --- an API's refusal is no verdict on its works


@pytest.mark.parametrize(("status", "first"), [(403, 0), (401, 18), (500, 31), (403, 40), (418, 64)])
def test_an_api_that_refuses_loses_no_work(httpserver: HTTPServer, tmp_path: Path, status: int, first: int) -> None:
    refusing = [True]

    def answer(request: Request) -> Response:
        if request.path.endswith("/search"):
            return Response(json.dumps({"total": WORKS, "objectIDs": list(range(WORKS))}))
        match = re.search(r"/objects/(\d+)$", request.path)
        if match is None:
            return Response("", 404)
        # From that object on, everything: also what was given before.
        answered.append(int(match[1]))
        if refusing[0] and max(answered) >= first:
            return Response("", status)
        return Response(json.dumps({"isPublicDomain": True, "primaryImage": f"http://a.example/{match[1]}.jpg"}))

    answered: list[int] = []
    httpserver.expect_request(re.compile("/.*")).respond_with_handler(answer)
    options = SourceOptions(base_url=httpserver.url_for("").rstrip("/"))
    run(tmp_path / "out", "met", options, pages=99)
    with Ledger(tmp_path / "out") as ledger:
        assert ledger.one("SELECT count(*) FROM pictures WHERE reason != 'gone'") == 0, "no verdict"
        assert str(ledger.one("SELECT stop FROM cursors")).startswith("busy")
    refusing[0] = False
    assert len(run(tmp_path / "out", "met", options)) == WORKS


def test_works_that_alone_are_refused_are_set_aside_and_come_back(httpserver: HTTPServer, tmp_path: Path) -> None:
    closed = {3, 4, 5, 6, 19, 64}

    def answer(request: Request) -> Response:
        if request.path.endswith("/search"):
            return Response(json.dumps({"total": WORKS, "objectIDs": list(range(WORKS))}))
        match = re.search(r"/objects/(\d+)$", request.path)
        if match is None or int(match[1]) in closed:
            return Response("", 403 if match else 404)
        return Response(json.dumps({"isPublicDomain": True, "primaryImage": f"http://a.example/{match[1]}.jpg"}))

    httpserver.expect_request(re.compile("/.*")).respond_with_handler(answer)
    options = SourceOptions(base_url=httpserver.url_for("").rstrip("/"))
    assert len(run(tmp_path / "out", "met", options)) == WORKS
    with Ledger(tmp_path / "out") as ledger:
        assert {int(row["key"]) for row in ledger.rows("SELECT key FROM pictures WHERE reason = 'forbidden'")} == closed
        stage.offer_again(ledger)
        stage.forget_cursors(ledger)
    closed.clear()
    run(tmp_path / "out", "met", options)
    with Ledger(tmp_path / "out") as ledger:
        assert ledger.one("SELECT count(*) FROM pictures WHERE reason = 'forbidden'") == 0
        assert ledger.count("pictures") == WORKS


# --- folders


def picture(path: Path, colour: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8), (colour, 0, 0)).save(path)


def listed(folder: Path) -> dict[str, str]:
    """Key -> reason, or "" for a file on offer."""
    pages = list(open_source("folder", SourceOptions(target=str(folder))).pages(None, None))
    rows = [(c.key, "") for page in pages for c in page.candidates]
    return dict([*rows, *((lost.key, lost.reason) for page in pages for lost in page.unusable)])


def test_odd_entries_lose_no_neighbour(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    for name in ("a.png", "m/b.png", "z.png"):
        picture(root / name)
    picture(outside / "c.png")
    (root / "loop").symlink_to("loop")
    (root / "dangling.png").symlink_to("nowhere")
    (root / "link.png").symlink_to(outside / "c.png")
    (root / "linked").symlink_to(outside)
    (root / "linked again").symlink_to(outside)
    (root / "m/up").symlink_to(root)
    (root / "beside").symlink_to(root / "m")
    (outside / "back").symlink_to(root)
    (root / "long").symlink_to("x" * 300)
    os.mkfifo(root / "fifo.png")
    assert listed(root) == {
        "a.png": "",
        "dangling.png": "unreadable",
        "fifo.png": "unreadable",
        "link.png": "",
        "linked/c.png": "",
        "long": "unreadable",
        "loop": "unreadable",
        "m/b.png": "",
        "z.png": "",
    }


def test_two_folders_with_the_same_names(tmp_path: Path) -> None:
    for number, name in enumerate(("2019", "2020", "more/2020")):
        for k in range(3):
            picture(tmp_path / name / f"{k:03}.png", 50 * number + k)
    for _ in range(2):
        for name in ("2019", "2020", "more/2020"):
            keys = run(tmp_path / "out", "folder", SourceOptions(target=str(tmp_path / name)))
    assert keys == [
        *("000.png", "001.png", "002.png", "2020/000.png", "2020/001.png", "2020/002.png"),
        *("2020~2/000.png", "2020~2/001.png", "2020~2/002.png"),
    ]
