"""Taking pictures: each `found` one is decided on, fetched and looked into by a few threads; one thread commits."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from aahq.candidates import Candidate
from aahq.consent import Decision, OptOuts, Permissions, decide, decide_file
from aahq.fetch import Fetched, download, settle
from aahq.http import Http
from aahq.ledger import Ledger
from aahq.reasons import Rejected
from aahq.remove.forget import returned
from aahq.stages.engine import Engine, Refusal, Tally, content_path, run_batches
from aahq.stops import Stop
from suite.files import canonical_json

NAME = "crawl"
FOLDER = "pictures"
# Pictures a task: few, because what a kill interrupts has to be asked for again.
BATCH = 4


@dataclass(frozen=True)
class Terms:
    """Who asks, and what binds them: the client, the opt-out list and the permissions."""

    http: Http
    optouts: OptOuts
    permissions: Permissions


@dataclass(frozen=True)
class Taken:
    """What became of one candidate: the decision where there was one, then the file or the refusal."""

    id: str
    decision: Decision | None
    outcome: Fetched | Refusal


class Taker:
    """Takes the `found` pictures with a few threads; the main thread commits."""

    def __init__(
        self, ledger: Ledger, terms: Terms, tally: Tally, step: Callable[[int], object], connections: int
    ) -> None:
        self.ledger = ledger
        self.terms = terms
        self.tally = tally
        self.step = step
        self.connections = connections
        self.stop: Stop | None = None
        self.stopped = threading.Event()
        self.came_back: list[str] = []
        self.threads = ThreadPoolExecutor(connections, thread_name_prefix="crawl")

    def __enter__(self) -> Taker:
        return self

    def __exit__(self, *_: object) -> None:
        self.threads.shutdown()

    def take_found(self) -> None:
        """Decide and fetch every `found` picture.

        Raises:
            Stop: after everything that was under way is committed.
        """
        run_batches(Engine(self.threads, 2 * self.connections), self._batches(), self._work, self._commit)
        if self.terms.optouts.tombstones is not None:
            returned(self.ledger, self.came_back, self.terms.optouts.tombstones)
            self.came_back = []
        if self.stop is not None:
            raise self.stop

    def _batches(self) -> Iterator[list[tuple[str, str]]]:
        for rows in self.ledger.pending("pictures", "found", "id, candidate", BATCH):
            if self.stopped.is_set():
                return
            yield [(row["id"], row["candidate"]) for row in rows]

    def _work(self, tasks: list[tuple[str, str]]) -> tuple[list[Taken], Stop | None]:
        done: list[Taken] = []
        for id, text in tasks:
            if self.stopped.is_set():
                break
            try:
                done.append(take(id, Candidate.from_json(text), self.terms, self.ledger.folder / FOLDER))
            except Stop as stop:
                self.stopped.set()
                return _settled(done), stop
        return _settled(done), None

    def _commit(self, result: tuple[list[Taken], Stop | None]) -> None:
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
                    self.tally.drop(taken.outcome.reason)
                else:
                    self.tally.keep()
        self.step(len(done))


def _settled(done: list[Taken]) -> list[Taken]:
    """The same, with the files' bytes on the disk."""
    settle(taken.outcome.path for taken in done if isinstance(taken.outcome, Fetched))
    return done


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


def take(id: str, candidate: Candidate, terms: Terms, folder: Path) -> Taken:
    """May we? Then the polite download, then the file's own say. Raises `Stop`."""
    decision: Decision | None = None
    try:
        decision = decide(candidate, terms.http, terms.optouts, terms.permissions)
        if not decision.allowed:
            return Taken(id, decision, _no(decision))
        fetched = download(candidate, terms.http, folder, decision.image_url)
        hashes = (fetched.response_sha256,)
        if terms.optouts.forgotten(candidate, hashes):
            fetched.path.unlink(missing_ok=True)
            return Taken(id, None, Refusal("removed", ""))
        said = decide_file(candidate, fetched.path, hashes, terms.optouts, terms.permissions)
        decision = Decision(
            said.allowed, said.reason, [*decision.evidence, *said.evidence], said.decided_at or decision.decided_at
        )
        if not said.allowed:
            fetched.path.unlink(missing_ok=True)
            return Taken(id, decision, _no(decision))
    except Rejected as refused:
        return Taken(id, decision, Refusal(refused.reason, refused.detail))
    return Taken(id, decision, fetched)


def _no(decision: Decision) -> Refusal:
    last = decision.evidence[-1] if decision.evidence else {}
    return Refusal(decision.reason or "no_evidence", str(last.get("value") or last.get("detail") or ""))
