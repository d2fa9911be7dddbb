"""Those who take pictures: threads of this process, or a few processes for a server that nothing slows; one thread commits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from aahq.consent.optouts import OptOuts
from aahq.consent.permissions import Permissions
from aahq.crawl.process import FOLDER, Batch, Desk, Taken, Task, Terms
from aahq.folder import content_path
from aahq.ledger import Ledger
from aahq.reasons import Refusal
from aahq.remove.forget import returned
from aahq.stages.engine import Engine, Flow, Tally, open_pool
from aahq.web.client import Http, Limits
from aahq.web.interrupts import Stop
from suite.files import canonical_json

NAME = "crawl"
# Pictures a task: few, because what a kill interrupts has to be asked for again.
BATCH = 4


class Taker:
    """Takes the `found` pictures; the thread that calls commits.

    With `Limits.processes` above 1 this process only lists and commits, and the others take. Each of them reads robots.txt
    and the works' pages for itself.
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
        self._batch, take = BATCH, Desk(terms, folder).take
        if others:
            threads = -(-connections // others)
            engine = self._crew.enter_context(open_pool(others, partial(_hire, _Hired.of(terms), folder, threads)))
            self._batch, take = BATCH * threads, _take_here
        else:
            pool = self._crew.enter_context(ThreadPoolExecutor(connections, thread_name_prefix="crawl"))
            engine = Engine(pool, 2 * connections)
        self._flow = Flow(engine, take, self._commit)
        self._under_way: set[str] = set()

    def __enter__(self) -> Taker:
        return self

    def __exit__(self, *_: object) -> None:
        self._flow.cancel()
        self._crew.close()

    def begin_found(self) -> None:
        """Send every `found` picture on its way; the last of them may come back later.

        Raises:
            Stop: after everything that was under way is committed.
        """
        self._flow.feed(self._batches())
        if self.stop is not None:
            self.take_found()

    def take_found(self) -> None:
        """Decide and fetch every `found` picture.

        Raises:
            Stop: after everything that was under way is committed.
        """
        self._flow.feed(self._batches())
        self.finish()
        if self.stop is not None:
            raise self.stop

    def finish(self) -> None:
        """Wait for what is under way, and commit it."""
        self._flow.drain()
        if self.terms.optouts.tombstones is not None:
            returned(self.ledger, self.came_back, self.terms.optouts.tombstones)
            self._under_way.difference_update(self.came_back)
            self.came_back = []

    def _batches(self) -> Iterator[list[Task]]:
        for rows in self.ledger.pending("pictures", "found", "id, candidate", self._batch):
            if self.stop is not None:
                return
            tasks = [(row["id"], row["candidate"]) for row in rows if row["id"] not in self._under_way]
            if tasks:
                self._under_way.update(id for id, _ in tasks)
                yield tasks

    def _commit(self, result: Batch) -> None:
        done, stop = result
        self.stop = self.stop or stop
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
        self._under_way.difference_update(taken.id for taken in done if taken.id not in back)
        self.step(len(done))


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
    optouts: OptOuts
    permissions: Permissions

    @classmethod
    def of(cls, terms: Terms) -> _Hired:
        http = terms.http
        return cls(http.contact, http.guard.allow, http.limits, terms.optouts, terms.permissions)

    def terms(self) -> Terms:
        return Terms(Http(self.contact, allow=self.allow, limits=self.limits), self.optouts, self.permissions)


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
