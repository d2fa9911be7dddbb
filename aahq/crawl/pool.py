"""Fetch workers: threads. Only the thread that called them writes to the ledger."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any

from aahq.crawl.host_queues import HostQueues, host_of
from aahq.crawl.process import FOLDER, Batch, FetchContext, FetchResult, FetchWorker
from aahq.folder import content_path
from aahq.ledger import Ledger
from aahq.reasons import REASONS, Rejection
from aahq.remove.forget import STRAY, drop_reappeared
from aahq.stages.engine import StageStats, living_workers
from aahq.web.interrupts import Stop
from suite.files import canonical_json

NAME = "crawl"
# Threads in all. Most wait: for their host's turn, or for a host that does not answer; a few kB each.
THREADS = 256


class FetchPool:
    """Fetches the pictures that are offered, in threads; the thread that calls commits.

    Args:
        connections: pictures of one host at a time.
    """

    def __init__(
        self, ledger: Ledger, context: FetchContext, stats: StageStats, step: Callable[[int], object], connections: int
    ) -> None:
        self.ledger = ledger
        self.context = context
        self.stats = stats
        self.step = step
        self.stop: Stop | None = None
        self.came_back: list[str] = []
        self._worker = FetchWorker(context, ledger.folder / FOLDER)
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="crawl")
        self._queues = HostQueues(connections)
        self._running: dict[Future[Batch], str] = {}

    def __enter__(self) -> FetchPool:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        for future in self._running:
            future.cancel()
        if kind is not None:
            # Nothing that still goes on in other threads is asked for or waited for.
            self.context.http.halt()
        self._threads.shutdown()

    def offer(self, pictures: Iterable[tuple[str, str]]) -> None:
        """Queue pictures in state `found`: (id, the first of its addresses)."""
        for id, url in pictures:
            self._queues.add(host_of(url), id)

    def offer_found(self) -> None:
        """Queue what an earlier run listed and could not take any more."""
        for rows in self.ledger.pending("pictures", "found", "id, image_url", 1000):
            self.offer((row["id"], row["image_url"]) for row in rows)

    def work(self, until: Future[Any] | None = None, backlog: int = 0) -> None:
        """Fetch and commit until `until` is done and at most `backlog` pictures wait; without both, until all is done.

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
        if until is None and self.context.optouts.tombstones is not None:
            drop_reappeared(self.ledger, self.came_back, self.context.optouts.tombstones)
            self.came_back = []

    def _send(self) -> None:
        while len(self._running) < THREADS and (job := self._queues.take()) is not None:
            host, ids = job
            tasks = [(id, self._candidate(id)) for id in ids]
            self._running[self._threads.submit(self._worker.process, tasks)] = host

    def _candidate(self, id: str) -> str:
        return str(self.ledger.one("SELECT candidate FROM pictures WHERE id = ?", (id,)))

    def _end(self, future: Future[Batch]) -> None:
        host = self._running.pop(future)
        done, stop = future.result()
        self._commit(done)
        answered = any(not isinstance(t.outcome, Rejection) or t.outcome.reason not in _SILENT for t in done)
        self._queues.done(host, answered)
        if stop is not None:
            self._queues.stop(host)
        self.stop = self.stop or stop

    def _commit(self, done: list[FetchResult]) -> None:
        back = [
            result.id for result in done if isinstance(result.outcome, Rejection) and result.outcome.reason == "removed"
        ]
        for _ in back:
            self.stats.drop("removed")
        self.came_back += back
        with self.ledger.transaction():
            for result in done:
                if result.id in back:
                    continue
                self.ledger.update("pictures", result.id, **_columns(result))
                if isinstance(result.outcome, Rejection):
                    self.ledger.keep_trace(result.id, NAME, result.outcome.trace)
                    self.stats.drop(result.outcome.reason)
                    if result.outcome.reason == "fault":
                        # Its file may have been written already.
                        self.ledger.put(STRAY, True)
                else:
                    self.stats.keep()
        self.step(len(done))


# The host gave no answer.
_SILENT = {"robots_unreachable", *(name for name, reason in REASONS.items() if reason.unreached)}


def _columns(result: FetchResult) -> dict[str, object]:
    """What the ledger keeps of it."""
    columns: dict[str, object] = {}
    if result.decision is not None:
        columns |= {"consent": canonical_json(result.decision.evidence), "decided_at": result.decision.decided_at}
    outcome = result.outcome
    if isinstance(outcome, Rejection):
        return columns | {"state": "rejected", "stage": NAME, "reason": outcome.reason, "detail": outcome.detail}
    return columns | {
        "state": "fetched",
        "file": content_path(FOLDER, outcome.response_sha256, ""),
        "image_url": outcome.url,
        "response_sha256": outcome.response_sha256,
        "bytes": outcome.bytes,
        "fetched_at": outcome.fetched_at,
    }
