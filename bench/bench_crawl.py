"""Crawl of the embedded gallery with limits off: consent (robots.txt, page, HEAD) and download of small pictures."""

from __future__ import annotations

import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path

from aahq.candidates import Candidate
from aahq.consent import OptOuts, Permissions, decide
from aahq.fetch import download
from aahq.gallery import Gallery, serve
from aahq.http import Http, Limits
from aahq.sources import SourceOptions, open_source
from bench.run import Row

WORKS = 400
ROUNDS = 3
THREADS = 4


def rows() -> list[Row]:
    """Pictures a second from listing to disk, client and server on one machine."""
    with _gallery(WORKS) as base_url:
        rates = [_crawl(base_url) for _ in range(ROUNDS)]
    rate = statistics.median(rates)
    note = f"listing, work JSON, robots.txt, page, HEAD and GET for each picture; {THREADS} connections; median of {ROUNDS}"
    return [
        Row("crawl small pictures, limits off", rate, "pictures/s", "at least 200", note, rate >= 200),
    ]


def _crawl(base_url: str) -> float:
    key = base_url.removeprefix("http://")
    with (
        Http(None, allow=[key], limits=Limits(per_second=0)) as http,
        tempfile.TemporaryDirectory() as out,
        ThreadPoolExecutor(THREADS) as threads,
    ):
        optouts, permissions = OptOuts(), Permissions()

        def take(candidate: Candidate) -> bool:
            decision = decide(candidate, http, optouts, permissions)
            if decision.allowed:
                download(candidate, http, Path(out), decision.image_url)
            return decision.allowed

        taken, start = 0, time.perf_counter()
        for page in open_source("artstation", SourceOptions(base_url=base_url)).pages(http, None):
            taken += sum(threads.map(take, page.candidates))
        return taken / (time.perf_counter() - start)


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
