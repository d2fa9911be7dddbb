"""The crawl stage against the embedded gallery and a site that challenges."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pytest_httpserver import HTTPServer

from aahq.consent.optouts import OptOuts
from aahq.consent.permissions import Permissions
from aahq.crawl import stage as crawl
from aahq.crawl.process import FetchContext
from aahq.ledger import Ledger
from aahq.painted.gallery import Gallery, serve
from aahq.sources import Source, SourceOptions, open_source
from aahq.web.client import Http
from aahq.web.interrupts import BotChallenge
from aahq.web.limits import Limits

COLUMNS = "id, state, reason, detail, file, image_url, response_sha256, bytes"


@pytest.fixture(scope="module")
def gallery() -> Iterator[str]:
    with serve(Gallery(count=24, seed=2, side=64)) as base_url:
        yield base_url


def crawled(base_url: str, out: Path, source: Callable[[], Source] | None = None) -> list[tuple[object, ...]]:
    """The pictures' rows of a crawl (of the gallery's one channel without a source), after a look at their files."""

    def reopen() -> Source:
        return source() if source else open_source("artstation", SourceOptions(base_url=base_url))

    out.mkdir()
    limits = Limits(per_second=0)
    allow = [base_url.removeprefix("http://")]
    with Http(None, allow=allow, limits=limits) as http, Ledger(out, create=True) as ledger:
        crawl.run(ledger, crawl.CrawlTarget("artstation", "", reopen), FetchContext(http, OptOuts(), Permissions()), 3)
        rows = [tuple(row) for row in ledger.rows(f"SELECT {COLUMNS} FROM pictures ORDER BY id")]
    files = {path.relative_to(out).as_posix() for path in (out / "pictures").rglob("*") if path.is_file()}
    assert files == {row[4] for row in rows if row[4] is not None}
    return rows


@pytest.mark.slow
def test_two_crawls_of_one_gallery_take_the_same(gallery: str, tmp_path: Path) -> None:
    once = crawled(gallery, tmp_path / "one")
    assert {"fetched", "rejected"} == {row[1] for row in once}
    assert crawled(gallery, tmp_path / "two") == once


def test_a_challenge_stops_the_crawl(httpserver: HTTPServer, tmp_path: Path) -> None:
    httpserver.expect_request("/robots.txt").respond_with_data("", status=404)
    httpserver.expect_request(re.compile("/[0-9]+")).respond_with_data("", 403, {"Cf-Mitigated": "challenge"})
    listed = tmp_path / "list.csv"
    listed.write_text("url,license\n" + "".join(f"{httpserver.url_for(f'/{n}')},CC0-1.0\n" for n in range(100)))
    with pytest.raises(BotChallenge) as stopped:
        crawled(httpserver.url_for("/")[:-1], tmp_path / "out", lambda: open_source("urls", SourceOptions(str(listed))))
    assert stopped.value.exit_code == 75
    assert stopped.value.url.startswith(httpserver.url_for("/"))
    with Ledger(tmp_path / "out") as ledger:
        assert ledger.count("pictures", "found") == 100, "what was not decided waits for the next run"
        assert str(ledger.one("SELECT stop FROM cursors")).startswith("challenged: ")
