"""Crawl of the embedded gallery with limits off: the whole stage, from listing to ledger, with every consent check."""

from __future__ import annotations

import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path

from aahq.consent.optouts import OptOuts
from aahq.consent.permissions import Permissions
from aahq.crawl import stage as crawl
from aahq.crawl.process import FetchContext
from aahq.ledger import Ledger
from aahq.painted.gallery import Gallery, serve
from aahq.sources import Source, SourceOptions, open_source
from aahq.web.client import Http
from aahq.web.limits import Limits
from speed.run import Row
from suite.progress import set_quiet

WORKS = 2400
ROUNDS = 3
CONNECTIONS = 4


def rows() -> list[Row]:
    """Pictures per second from listing to ledger; the gallery is a process beside. A real site's rate limit is far below."""
    set_quiet(True)
    try:
        with _gallery(WORKS) as base_url:
            _crawl(base_url)
            runs = [_crawl(base_url) for _ in range(ROUNDS)]
    finally:
        set_quiet(False)
    rate, busy = (statistics.median(column) for column in zip(*runs))
    note = (
        "listing, work JSON, robots.txt, page and GET of each picture, embedded rights, ledger; the gallery's server is a "
        f"process beside; median of {ROUNDS} crawls of {WORKS} with {CONNECTIONS} connections"
    )
    return [
        Row("crawl small pictures, limits off", rate, "pictures/s", note=note),
        Row("processor time of that crawl", busy, "ms a picture"),
    ]


def _crawl(base_url: str) -> tuple[float, float]:
    """Pictures per second, and this process's processor milliseconds per picture."""

    def reopen() -> Source:
        return open_source("artstation", SourceOptions(base_url=base_url))

    allow = [base_url.removeprefix("http://")]
    with (
        Http(None, allow=allow, limits=Limits(per_second=0)) as http,
        tempfile.TemporaryDirectory() as out,
        Ledger(Path(out), create=True) as ledger,
    ):
        context = FetchContext(http, OptOuts(), Permissions())
        start, busy = time.perf_counter(), time.process_time()
        stats = crawl.run(ledger, crawl.CrawlTarget("artstation", "bench", reopen), context, CONNECTIONS)
        seconds, used = time.perf_counter() - start, time.process_time() - busy
    assert stats.kept == WORKS, stats
    return stats.kept / seconds, 1000 * used / stats.kept


@contextmanager
def _gallery(count: int) -> Iterator[str]:
    """The gallery in a process of its own, as a site is; its pictures are painted before the clock starts."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_serve, args=(there, count), daemon=True)
    process.start()
    try:
        yield here.recv()
    finally:
        here.send("over")
        process.join()


def _serve(parent: Connection, count: int) -> None:
    with serve(Gallery(count=count, side=96, distinct=16)) as base_url:
        parent.send(base_url)
        parent.recv()
