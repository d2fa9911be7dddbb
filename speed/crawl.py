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
from aahq.crawl.process import Terms
from aahq.ledger import Ledger
from aahq.painted.gallery import Gallery, serve
from aahq.sources import Source, SourceOptions, open_source
from aahq.web.client import Http, Limits
from speed.run import Row
from suite.progress import set_quiet

WORKS = 2400
ROUNDS = 3
# Pictures at a time, and processes: one lists and commits, two fetch.
CONNECTIONS, PROCESSES = 4, 3


def rows() -> list[Row]:
    """Pictures a second from listing to ledger; the gallery is a process beside."""
    set_quiet(True)
    try:
        with _gallery(WORKS) as base_url:
            _crawl(base_url, 1)
            runs = [(*_crawl(base_url, 1), _crawl(base_url, PROCESSES)[0]) for _ in range(ROUNDS)]
    finally:
        set_quiet(False)
    alone, busy, rate = (statistics.median(column) for column in zip(*runs))
    note = (
        f"--processes {PROCESSES}, their start included; listing, work JSON, robots.txt, page, HEAD (two where the largest "
        "size is missing) and GET of each picture, embedded rights, ledger; the gallery's server is a process beside them; "
        f"median of {ROUNDS} crawls of {WORKS} with {CONNECTIONS} connections"
    )
    return [
        Row("crawl small pictures, limits off", rate, "pictures/s", "at least 200", note, rate >= 200),
        Row("the same from one process", alone, "pictures/s"),
        Row("the same, the one process's processor time", busy, "ms a picture"),
    ]


def _crawl(base_url: str, processes: int) -> tuple[float, float]:
    """Pictures a second, and this process's processor milliseconds a picture."""

    def reopen(left: int | None) -> Source:
        return open_source("artstation", SourceOptions(base_url=base_url, max_works=left))

    allow = [base_url.removeprefix("http://")]
    with (
        Http(None, allow=allow, limits=Limits(per_second=0, processes=processes)) as http,
        tempfile.TemporaryDirectory() as out,
        Ledger(Path(out), create=True) as ledger,
    ):
        terms = Terms(http, OptOuts(), Permissions())
        start, busy = time.perf_counter(), time.process_time()
        tally = crawl.run(ledger, crawl.Where("artstation", "bench", reopen), terms, CONNECTIONS)
        seconds, used = time.perf_counter() - start, time.process_time() - busy
    assert tally.kept == WORKS, tally
    return tally.kept / seconds, 1000 * used / tally.kept


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
