"""Crawl stage: a source's works become `found` pictures, and those that may be taken become `fetched`."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from aahq.candidates import Candidate
from aahq.consent.optouts import OptOuts
from aahq.crawl.pool import NAME, FetchPool
from aahq.crawl.process import FetchContext
from aahq.ledger import RECORD, Ledger, picture_id, recorded
from aahq.plan import remember_total
from aahq.reasons import REASONS
from aahq.remove.opted_out import REASON as OPTED_OUT
from aahq.remove.opted_out import drop_opted_out
from aahq.remove.spellings import keep_spellings
from aahq.sources import Source, SourcePage
from aahq.sources.survival import met_by_crawl
from aahq.stages.engine import StageStats, stage_run
from aahq.web.interrupts import Stop
from suite.errors import SuiteError

# A released list: what is left of it is worth saying.
LISTED = "aahq-list"
# Reasons that time may heal; `--retry` offers those pictures again.
PASSING = tuple(name for name, reason in REASONS.items() if reason.retry)
# Pictures that may wait for their hosts before the source is asked for more.
BACKLOG = 50_000


@dataclass(frozen=True)
class CrawlTarget:
    """What to crawl.

    Attributes:
        source: the source's name.
        query: what distinguishes this use of the source from others, for its cursor.
        open: the source.
        limit: stop after so many pictures of this source and query in all runs; None for all.
    """

    source: str
    query: str
    open: Callable[[], Source]
    limit: int | None = None

    def left(self, taken: int) -> int | None:
        """How many pictures are still wanted; None for all that there are."""
        return None if self.limit is None else max(0, self.limit - taken)


def run(ledger: Ledger, target: CrawlTarget, context: FetchContext, connections: int = 8) -> StageStats:
    """List the source from where the last run stopped, and take what may be taken.

    Args:
        ledger: the build's ledger.
        target: what to crawl.
        context: client, opt-outs and permissions.
        connections: pictures of one host fetched at the same time.

    Raises:
        Stop: the site ended the crawl; what was taken until then stands, and the same call goes on.
    """
    source = target.open()
    context.http.halted.clear()
    with stage_run(ledger, NAME, None, "pictures") as (stats, step):
        for _ in range(drop_opted_out(ledger, context.optouts, NAME)):
            stats.drop(OPTED_OUT)
        with FetchPool(ledger, context, stats, step, connections) as pool:
            try:
                # What an earlier run listed and could not take any more comes first.
                pool.offer_found()
                if _take_pages(ledger, target, source, pool):
                    _mark(ledger, target, done=1, stop="")
                elif _cursor(ledger, target)[1] and not source.local:
                    stats.notes["hint"] = "this source was listed to its end before; --again lists it anew"
                pool.work()
                if pool.stop is not None:
                    raise pool.stop
            except Stop as stop:
                _mark(ledger, target, stop=f"{stop.kind}: {stop}")
                raise
        if target.source == LISTED:
            stats.notes |= met_by_crawl(ledger, LISTED)
        # Now, so that somebody who wants to be taken out need not wait for it.
        keep_spellings(ledger)
    return stats


def _take_pages(ledger: Ledger, target: CrawlTarget, source: Source, pool: FetchPool) -> bool:
    """Record page after page, while the pictures of those before come; True at the source's end."""
    cursor, done, taken = _cursor(ledger, target)
    listed_before = done
    if done and source.local:
        # What was added since costs nobody but this disk.
        cursor, done = None, False
    if done or target.left(taken) == 0:
        return False
    with ThreadPoolExecutor(1, thread_name_prefix="list") as lister:
        try:
            pages = source.pages(pool.context.http, cursor)
            while True:
                coming = lister.submit(next, pages, None)
                pool.work(until=coming, backlog=BACKLOG)
                page = coming.result()
                if page is None:
                    return True
                remember_total(ledger, target.source, target.query, page.total)
                new, whole = _record(ledger, target, page, taken, pool.stats, pool.context.optouts)
                taken += len(new)
                pool.offer(new)
                # A site that ended its part of the crawl is not asked for further pages either.
                if not whole or (target.left(taken) == 0) or (pool.stop is not None and not source.local):
                    return False
        except BaseException as error:
            if listed_before and isinstance(error, SuiteError) and not isinstance(error, Stop):
                # The disk it came from may be away; all that it held is known.
                pool.stats.notes["hint"] = f"nothing new was listed: {error}"
                return False
            if isinstance(error, Stop):
                pool.work()
            pool.context.http.halt()
            raise


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
    ("faces", "safety", "aligned"),
    ("faces", "dedup", "found"),
    ("faces", "quality", "unique"),
    ("faces", "release", "unique"),
)


def offer_again(ledger: Ledger) -> int:
    """Offer rows again that failed for a reason that time, or a mended program, may heal; returns how many.

    A work whose record could not be read has no address to fetch: listing its source anew replaces it.
    """
    marks = ",".join("?" * len(PASSING))
    with ledger.transaction():
        done = ledger.db.execute(
            "UPDATE pictures SET state = 'found', stage = '', reason = '', detail = '' "
            f"WHERE state = 'rejected' AND stage = 'crawl' AND image_url != '' AND reason IN ({marks})",
            PASSING,
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


def _cursor(ledger: Ledger, target: CrawlTarget) -> tuple[str | None, bool, int]:
    row = ledger.db.execute(
        "SELECT cursor, done, taken FROM cursors WHERE source = ? AND query = ?", (target.source, target.query)
    ).fetchone()
    return (None, False, 0) if row is None else (row["cursor"], bool(row["done"]), row["taken"])


def _mark(ledger: Ledger, target: CrawlTarget, **values: object) -> None:
    key = (target.source, target.query)
    ledger.db.execute("INSERT OR IGNORE INTO cursors (source, query) VALUES (?, ?)", key)
    names = ", ".join(f"{name} = ?" for name in values)
    ledger.db.execute(f"UPDATE cursors SET {names} WHERE source = ? AND query = ?", (*values.values(), *key))


def _record(
    ledger: Ledger, target: CrawlTarget, page: SourcePage, taken: int, stats: StageStats, optouts: OptOuts
) -> tuple[list[tuple[str, str]], bool]:
    """A page's rows, and its cursor where all of it was wanted, in one transaction.

    Returns:
        The new pictures as (id, first address), and whether the whole page was taken up.
    """
    new: list[tuple[str, str]] = []
    whole, share = True, 1.0
    with ledger.transaction():
        for number, candidate in enumerate(page.candidates):
            if target.left(taken + len(new)) == 0:
                whole, share = False, number / len(page.candidates)
                break
            if optouts.forgotten(candidate):
                stats.drop("removed")
                continue
            candidate = _under_own_key(ledger, candidate)
            if ledger.add_candidate(candidate) or _replaces_stub(ledger, candidate):
                url = next(iter(candidate.image_urls), "")
                new.append((picture_id(candidate.source, candidate.key), url))
        # Of a page that a limit cuts, as many of the unusable works as of the others: a part is to look like the whole.
        for lost in page.unusable[: round(share * len(page.unusable))]:
            stub = Candidate(target.source, lost.key, lost.page_url, ())
            if optouts.forgotten(stub):
                continue
            if ledger.add_candidate(stub):
                ledger.reject("pictures", picture_id(target.source, lost.key), NAME, lost.reason, lost.detail)
                stats.drop(lost.reason)
        _mark(ledger, target, taken=taken + len(new), **({"cursor": page.cursor} if whole else {}))
    return new, whole


def _under_own_key(ledger: Ledger, candidate: Candidate) -> Candidate:
    """A file of another folder by a key of its own: two folders may hold files of the same names."""
    folder = candidate.extra.get("folder")
    key, again = candidate.key, 1
    while folder is not None:
        query = f"SELECT {RECORD} FROM pictures WHERE id = ?"
        known = ledger.db.execute(query, (picture_id(candidate.source, key),)).fetchone()
        if known is None or recorded(known).extra.get("folder") in (folder, None):
            break
        key = f"{Path(str(folder)).name}{f'~{again}' if again > 1 else ''}/{candidate.key}"
        again += 1
    return replace(candidate, key=key)


def _replaces_stub(ledger: Ledger, candidate: Candidate) -> bool:
    """Whether the ledger knew the work without any address, because its record could not be read; now it has one."""
    id = picture_id(candidate.source, candidate.key)
    row = ledger.db.execute("SELECT state, stage, image_url FROM pictures WHERE id = ?", (id,)).fetchone()
    if (
        row is None
        or not candidate.image_urls
        or (row["state"], row["stage"], row["image_url"]) != ("rejected", NAME, "")
    ):
        return False
    ledger.db.execute("DELETE FROM pictures WHERE id = ?", (id,))
    return ledger.add_candidate(candidate)
