"""Crawl stage: a source's works become `found` pictures, and those that may be taken become `fetched`."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from aahq.candidates import Candidate
from aahq.consent import Decision, OptOuts, Permissions, decide, decide_file
from aahq.fetch import Fetched, download, settle
from aahq.http import Http
from aahq.ledger import Ledger, picture_id
from aahq.reasons import Rejected
from aahq.remove.forget import returned
from aahq.sources import Source, SourcePage
from aahq.sources.survival import met_by_crawl
from aahq.stages.engine import Engine, Refusal, Tally, run_batches, stage_run
from aahq.stops import Stop
from suite.files import canonical_json

NAME = "crawl"
# A released list: what is left of it is worth saying.
LISTED = "aahq-list"
# Pictures a task: few, because what a kill interrupts has to be asked for again.
BATCH = 4
# Reasons that time may heal; `--retry` offers those pictures again.
TRANSIENT = ("network", "timeout", "server_error", "cut_short", "bad_response", "robots_unreachable")


@dataclass(frozen=True)
class Terms:
    """Who asks, and what binds them: the client, the opt-out list and the permissions."""

    http: Http
    optouts: OptOuts
    permissions: Permissions


@dataclass(frozen=True)
class Where:
    """Which works.

    Attributes:
        source: the source's name.
        query: what distinguishes this use of the source from others, for its cursor.
        open: the source, told how many works are still wanted at most.
        limit: stop after so many pictures of this source and query in all runs; None for all.
    """

    source: str
    query: str
    open: Callable[[int | None], Source]
    limit: int | None = None

    def left(self, taken: int) -> int | None:
        """How many pictures are still wanted; None for all that there are."""
        return None if self.limit is None else max(0, self.limit - taken)


@dataclass(frozen=True)
class Taken:
    """What became of one candidate: the decision where there was one, then the file or the refusal."""

    id: str
    decision: Decision | None
    outcome: Fetched | Refusal


def run(ledger: Ledger, where: Where, terms: Terms, connections: int = 8) -> Tally:
    """List the source from where the last run stopped, and take what may be taken.

    Args:
        ledger: the build's ledger.
        where: which works.
        terms: client, opt-outs and permissions.
        connections: pictures taken at the same time.

    Raises:
        Stop: the site ended the crawl; what was taken until then stands, and the same call goes on.
    """
    source = where.open(where.left(_cursor(ledger, where)[2]))
    terms.http.halted.clear()
    with stage_run(ledger, NAME, None, "pictures") as (tally, step):
        drop_opted_out(ledger, terms.optouts, tally)
        with _Fetcher(ledger, terms, tally, step, connections) as fetcher:
            try:
                # What an earlier run listed and could not take any more comes first.
                fetcher.take_found()
                if _take_pages(ledger, where, source, fetcher):
                    _mark(ledger, where, done=1, stop="")
            except Stop as stop:
                _mark(ledger, where, stop=f"{stop.kind}: {stop}")
                raise
        if where.source == LISTED:
            tally.notes |= met_by_crawl(ledger, LISTED)
    return tally


def _take_pages(ledger: Ledger, where: Where, source: Source, fetcher: _Fetcher) -> bool:
    """Record and take page after page, listing the next while this one's pictures come; True at the source's end."""
    cursor, done, taken = _cursor(ledger, where)
    if done or where.left(taken) == 0:
        return False
    http = fetcher.terms.http
    with ThreadPoolExecutor(1, thread_name_prefix="list") as lister:
        try:
            pages = source.pages(http, cursor)
            coming = lister.submit(next, pages, None)
            while (page := coming.result()) is not None:
                taken = _record(ledger, where, page, taken, fetcher.tally, fetcher.terms.optouts)
                if where.left(taken) == 0:
                    fetcher.take_found()
                    return False
                coming = lister.submit(next, pages, None)
                fetcher.take_found()
        except BaseException:
            http.halted.set()
            raise
    return True


def forget_cursors(ledger: Ledger) -> None:
    """List every source from its start next time; pictures that are known are not taken twice."""
    with ledger.transaction():
        ledger.db.execute("UPDATE cursors SET cursor = NULL, done = 0")


def offer_again(ledger: Ledger) -> int:
    """Offer pictures again whose fetch failed for a reason that time may heal; returns how many."""
    marks = ",".join("?" * len(TRANSIENT))
    with ledger.transaction():
        done = ledger.db.execute(
            "UPDATE pictures SET state = 'found', stage = '', reason = '', detail = '' "
            f"WHERE state = 'rejected' AND stage = 'crawl' AND reason IN ({marks})",
            TRANSIENT,
        )
    return done.rowcount


def drop_opted_out(ledger: Ledger, optouts: OptOuts, tally: Tally | None = None) -> int:
    """Reject what the opt-out list, as it is now, names among the pictures of earlier runs; returns how many."""
    dropped = 0
    if optouts.path is None:
        return 0
    rows = ledger.db.execute(
        "SELECT id, candidate, response_sha256, pixel_sha256 FROM pictures WHERE state NOT IN ('found', 'rejected')"
    )
    blocked = []
    for row in rows:
        hashes = tuple(digest for digest in (row["response_sha256"], row["pixel_sha256"]) if digest)
        if why := optouts.blocks(Candidate.from_json(row["candidate"]), hashes):
            blocked.append((row["id"], why))
    with ledger.transaction():
        for id, why in blocked:
            ledger.reject("pictures", id, NAME, "opted_out", why)
            for face in ledger.rows("SELECT id FROM faces WHERE picture = ?", (id,)):
                ledger.reject("faces", face["id"], NAME, "opted_out", why)
            dropped += 1
            if tally is not None:
                tally.drop("opted_out")
    return dropped


def _cursor(ledger: Ledger, where: Where) -> tuple[str | None, bool, int]:
    row = ledger.db.execute(
        "SELECT cursor, done, taken FROM cursors WHERE source = ? AND query = ?", (where.source, where.query)
    ).fetchone()
    return (None, False, 0) if row is None else (row["cursor"], bool(row["done"]), row["taken"])


def _mark(ledger: Ledger, where: Where, **values: object) -> None:
    key = (where.source, where.query)
    ledger.db.execute("INSERT OR IGNORE INTO cursors (source, query) VALUES (?, ?)", key)
    names = ", ".join(f"{name} = ?" for name in values)
    ledger.db.execute(f"UPDATE cursors SET {names} WHERE source = ? AND query = ?", (*values.values(), *key))


def _record(ledger: Ledger, where: Where, page: SourcePage, taken: int, tally: Tally, optouts: OptOuts) -> int:
    """A page's rows and its cursor, in one transaction; returns how many pictures were taken up in all."""
    with ledger.transaction():
        for candidate in page.candidates:
            if where.left(taken) == 0:
                break
            if optouts.forgotten(candidate):
                tally.drop("removed")
                continue
            taken += ledger.add_candidate(candidate)
        for lost in page.unusable:
            if optouts.forgotten(Candidate(where.source, lost.key, lost.page_url, ())):
                continue
            if ledger.add_candidate(Candidate(where.source, lost.key, lost.page_url, ())):
                ledger.reject("pictures", picture_id(where.source, lost.key), NAME, lost.reason, lost.detail)
                tally.drop(lost.reason)
        _mark(ledger, where, cursor=page.cursor, taken=taken)
    return taken


class _Fetcher:
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

    def __enter__(self) -> _Fetcher:
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
                done.append(take(id, Candidate.from_json(text), self.terms, self.ledger.folder / "pictures"))
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
                if taken.decision is not None:
                    self.ledger.update(
                        "pictures",
                        taken.id,
                        consent=canonical_json(taken.decision.evidence),
                        decided_at=taken.decision.decided_at,
                    )
                if isinstance(taken.outcome, Refusal):
                    self.ledger.reject("pictures", taken.id, NAME, taken.outcome.reason, taken.outcome.detail)
                    self.tally.drop(taken.outcome.reason)
                else:
                    self.ledger.update("pictures", taken.id, state="fetched", **_columns(self.ledger, taken.outcome))
                    self.tally.keep()
        self.step(len(done))


def _settled(done: list[Taken]) -> list[Taken]:
    """The same, with the files' bytes on the disk."""
    settle(taken.outcome.path for taken in done if isinstance(taken.outcome, Fetched))
    return done


def _columns(ledger: Ledger, fetched: Fetched) -> dict[str, object]:
    return {
        "file": fetched.path.relative_to(ledger.folder).as_posix(),
        "image_url": fetched.url,
        "response_sha256": fetched.response_sha256,
        "bytes": fetched.bytes,
        "fetched_at": fetched.fetched_at or datetime.now(UTC).isoformat(timespec="seconds"),
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
