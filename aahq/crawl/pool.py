"""Fetch workers: threads, or a few processes for a server that nothing slows. Only the main thread writes to the ledger."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from aahq.consent.optouts import OptOuts
from aahq.consent.permissions import Permissions
from aahq.consent.site_reservations import SiteTerm
from aahq.crawl.host_queues import BATCH, HostQueues, host_of
from aahq.crawl.process import FOLDER, Batch, Desk, Taken, Task, Terms
from aahq.folder import content_path
from aahq.ledger import Ledger
from aahq.reasons import REASONS, Refusal
from aahq.remove.forget import returned
from aahq.stages.engine import Tally, living_workers, open_pool
from aahq.web.client import Http, Limits
from aahq.web.interrupts import Stop
from suite.files import canonical_json

NAME = "crawl"
# Threads in all. Most wait: for their host's turn, or for a host that does not answer; a few kB each.
THREADS = 256


class Taker:
    """Takes the pictures that are offered; the thread that calls commits.

    With `Limits.processes` above 1 this process only lists and commits, and the others take. Each of them reads robots.txt
    and the works' pages for itself.

    Args:
        connections: pictures of one host at a time.
    """

    def __init__(
        self, ledger: Ledger, terms: Terms, tally: Tally, step: Callable[[int], object], connections: int
    ) -> None:
        self.ledger = ledger
        self.terms = terms
        self.tally = tally
        self.step = step
        self.stop: Stop | None = None
        self.came_back: list[str] = []
        self._crew = ExitStack()
        folder, others = ledger.folder / FOLDER, terms.http.limits.processes - 1
        self._take: Callable[[list[Task]], Batch] = Desk(terms, folder).take
        self._executor: Executor
        if others:
            threads = -(-connections // others)
            engine = self._crew.enter_context(open_pool(others, partial(_hire, _Hired.of(terms), folder, threads)))
            self._executor, self._in_flight = engine.executor, engine.in_flight
            self._size, self._take = BATCH * threads, _take_here
        else:
            self._executor = self._crew.enter_context(ThreadPoolExecutor(THREADS, thread_name_prefix="crawl"))
            self._in_flight, self._size = THREADS, 1
        self._queues = HostQueues(connections)
        self._running: dict[Future[Batch], list[tuple[str, int]]] = {}

    def __enter__(self) -> Taker:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        for future in self._running:
            future.cancel()
        if kind is not None:
            # Nothing that still goes on in other threads is asked for or waited for.
            self.terms.http.halt()
        self._crew.close()

    def offer(self, pictures: Iterable[tuple[str, str]]) -> None:
        """Queue pictures in state `found`: (id, the first of its addresses)."""
        for id, url in pictures:
            self._queues.add(host_of(url), id)

    def offer_found(self) -> None:
        """Queue what an earlier run listed and could not take any more."""
        for rows in self.ledger.pending("pictures", "found", "id, image_url", 1000):
            self.offer((row["id"], row["image_url"]) for row in rows)

    def work(self, until: Future[Any] | None = None, backlog: int = 0) -> None:
        """Take and commit until `until` is done and at most `backlog` pictures wait; without both, until all is done.

        A stop of one host keeps its pictures back, and is in `stop` afterwards.
        """
        with living_workers():
            while True:
                self._send()
                listed = until is None or until.done()
                if listed and (not self._running or (until is not None and len(self._queues) <= backlog)):
                    break
                waiting: set[Future[Any]] = set(self._running)
                if until is not None and not listed:
                    waiting.add(until)
                done, _ = wait(waiting, return_when=FIRST_COMPLETED)
                for future in done:
                    if future is not until:
                        self._end(future)
        if until is None and self.terms.optouts.tombstones is not None:
            returned(self.ledger, self.came_back, self.terms.optouts.tombstones)
            self.came_back = []

    def _send(self) -> None:
        while len(self._running) < self._in_flight:
            hosts: list[tuple[str, int]] = []
            tasks: list[Task] = []
            while len(tasks) < self._size and (found := self._queues.take()) is not None:
                host, ids = found
                hosts.append((host, len(ids)))
                tasks += [(id, self._candidate(id)) for id in ids]
            if not tasks:
                return
            self._running[self._executor.submit(self._take, tasks)] = hosts

    def _candidate(self, id: str) -> str:
        return str(self.ledger.one("SELECT candidate FROM pictures WHERE id = ?", (id,)))

    def _end(self, future: Future[Batch]) -> None:
        hosts = self._running.pop(future)
        done, stop = future.result()
        self._commit(done)
        answered = any(not isinstance(t.outcome, Refusal) or t.outcome.reason not in _SILENT for t in done)
        for host, _ in hosts:
            self._queues.done(host, answered)
            if stop is not None:
                self._queues.stop(host)
        self.stop = self.stop or stop

    def _commit(self, done: list[Taken]) -> None:
        back = [taken.id for taken in done if isinstance(taken.outcome, Refusal) and taken.outcome.reason == "removed"]
        for _ in back:
            self.tally.drop("removed")
        self.came_back += back
        with self.ledger.transaction():
            for taken in done:
                if taken.id in back:
                    continue
                self.ledger.update("pictures", taken.id, **_columns(taken))
                if isinstance(taken.outcome, Refusal):
                    self.ledger.keep_trace(taken.id, NAME, taken.outcome.trace)
                    self.tally.drop(taken.outcome.reason)
                else:
                    self.tally.keep()
        self.step(len(done))


_SILENT = {"robots_unreachable", *(name for name, reason in REASONS.items() if reason.unreached)}


def _columns(taken: Taken) -> dict[str, object]:
    """What the ledger keeps of it."""
    columns: dict[str, object] = {}
    if taken.decision is not None:
        columns |= {"consent": canonical_json(taken.decision.evidence), "decided_at": taken.decision.decided_at}
    outcome = taken.outcome
    if isinstance(outcome, Refusal):
        return columns | {"state": "rejected", "stage": NAME, "reason": outcome.reason, "detail": outcome.detail}
    return columns | {
        "state": "fetched",
        "file": content_path(FOLDER, outcome.response_sha256, ""),
        "image_url": outcome.url,
        "response_sha256": outcome.response_sha256,
        "bytes": outcome.bytes,
        "fetched_at": outcome.fetched_at,
    }


@dataclass(frozen=True)
class _Hired:
    """Terms that can be sent to another process, which opens a client of its own."""

    contact: str | None
    allow: frozenset[str]
    limits: Limits
    ai_tokens: tuple[str, ...]
    site_terms: tuple[SiteTerm, ...]
    optouts: OptOuts
    permissions: Permissions

    @classmethod
    def of(cls, terms: Terms) -> _Hired:
        http = terms.http
        rules = (http.ai_tokens, http.site_terms)
        return cls(http.contact, http.guard.allow, http.limits, *rules, terms.optouts, terms.permissions)

    def terms(self) -> Terms:
        http = Http(
            self.contact,
            allow=self.allow,
            limits=self.limits,
            ai_tokens=self.ai_tokens,
            site_terms=self.site_terms,
        )
        return Terms(http, self.optouts, self.permissions)


# A hired process's own desk and threads.
_here: tuple[Desk, ThreadPoolExecutor, int] | None = None


def _hire(hired: _Hired, folder: Path, threads: int) -> None:
    global _here
    _here = Desk(hired.terms(), folder), ThreadPoolExecutor(threads), threads


def _take_here(tasks: list[Task]) -> Batch:
    assert _here is not None, "a hired process begins with _hire"
    desk, pool, threads = _here
    parts = list(pool.map(desk.take, [tasks[k::threads] for k in range(threads)]))
    return [taken for done, _ in parts for taken in done], next((stop for _, stop in parts if stop), None)
