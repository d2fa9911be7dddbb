"""Crawl stage: a source's works become `found` pictures, and those that may be taken become `fetched`."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from aahq.candidates import Candidate
from aahq.consent.optouts import OptOuts
from aahq.crawl.pool import NAME, Taker
from aahq.crawl.process import Terms
from aahq.ledger import Ledger, picture_id
from aahq.remove.opted_out import REASON as OPTED_OUT
from aahq.remove.opted_out import drop_opted_out
from aahq.sources import Source, SourcePage
from aahq.sources.survival import met_by_crawl
from aahq.stages.engine import Tally, stage_run
from aahq.web.interrupts import Stop

# A released list: what is left of it is worth saying.
LISTED = "aahq-list"
# Reasons that time may heal; `--retry` offers those pictures again.
TRANSIENT = ("network", "timeout", "server_error", "cut_short", "bad_response", "robots_unreachable")


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
        for _ in range(drop_opted_out(ledger, terms.optouts, NAME)):
            tally.drop(OPTED_OUT)
        with Taker(ledger, terms, tally, step, connections) as taker:
            try:
                # What an earlier run listed and could not take any more comes first.
                taker.take_found()
                if _take_pages(ledger, where, source, taker):
                    _mark(ledger, where, done=1, stop="")
            except Stop as stop:
                _mark(ledger, where, stop=f"{stop.kind}: {stop}")
                raise
        if where.source == LISTED:
            tally.notes |= met_by_crawl(ledger, LISTED)
    return tally


def _take_pages(ledger: Ledger, where: Where, source: Source, taker: Taker) -> bool:
    """Record and take page after page, listing the next while this one's pictures come; True at the source's end."""
    cursor, done, taken = _cursor(ledger, where)
    if done or where.left(taken) == 0:
        return False
    http = taker.terms.http
    with ThreadPoolExecutor(1, thread_name_prefix="list") as lister:
        try:
            pages = source.pages(http, cursor)
            coming = lister.submit(next, pages, None)
            while (page := coming.result()) is not None:
                taken = _record(ledger, where, page, taken, taker.tally, taker.terms.optouts)
                if where.left(taken) == 0:
                    break
                coming = lister.submit(next, pages, None)
                taker.begin_found()
            taker.take_found()
        except BaseException as error:
            if isinstance(error, Stop):
                taker.finish()
            http.halted.set()
            raise
    return page is None


def forget_cursors(ledger: Ledger) -> None:
    """List every source from its start next time; pictures that are known are not taken twice."""
    with ledger.transaction():
        ledger.db.execute("UPDATE cursors SET cursor = NULL, done = 0")


# table, stage -> the state in which the stage took the row that it failed on
_BEFORE_FAULT = (
    ("pictures", "crawl", "found"),
    ("pictures", "screen", "fetched"),
    ("pictures", "faces", "screened"),
    ("faces", "align", "found"),
    ("faces", "quality", "unique"),
)


def offer_again(ledger: Ledger) -> int:
    """Offer rows again that failed for a reason that time, or a mended program, may heal; returns how many."""
    marks = ",".join("?" * len(TRANSIENT))
    with ledger.transaction():
        done = ledger.db.execute(
            "UPDATE pictures SET state = 'found', stage = '', reason = '', detail = '' "
            f"WHERE state = 'rejected' AND stage = 'crawl' AND reason IN ({marks})",
            TRANSIENT,
        )
        faults = 0
        for table, stage, state in _BEFORE_FAULT:
            faults += ledger.db.execute(
                f"UPDATE {table} SET state = ?, stage = '', reason = '', detail = '' "
                "WHERE state = 'rejected' AND reason = 'fault' AND stage = ?",
                (state, stage),
            ).rowcount
        ledger.db.execute("DELETE FROM faults")
    return done.rowcount + faults


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
