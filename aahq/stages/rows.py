"""What screen, faces and align share: each row in a state goes through a pure function in a worker; the answer moves it on."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from aahq.ledger import Ledger
from aahq.reasons import Rejection, guarded
from aahq.remove.forget import STRAY, delete_orphans, drop_reappeared
from aahq.remove.opted_out import REASON as OPTED_OUT
from aahq.remove.opted_out import reject as reject_opted_out
from aahq.remove.tombstones import Tombstones
from aahq.stages.engine import Engine, StageStats, run_batches, stage_run

# A row that a worker is given, with its "id".
Task = dict[str, Any]
A = TypeVar("A")
Answers = list[tuple[str, A | Rejection]]


def run_rows(
    ledger: Ledger,
    engine: Engine,
    stage: str,
    table: str,
    total: int,
    batches: Iterable[list[Any]],
    work: Callable[[list[Task]], Answers[A]],
    accept: Callable[[str, A], Rejection | None],
    tombstones: Tombstones | None = None,
) -> StageStats:
    """Run a stage over its rows.

    Args:
        stage: its name.
        table: "pictures" or "faces".
        total: how many rows there are.
        batches: the rows, in batches.
        work: runs in a worker and touches no ledger: rows -> (id, answer or refusal) of each.
        accept: moves a row on, inside a transaction, or refuses it after all.
        tombstones: what was taken out on request; a row refused as "removed" leaves no trace.
    """
    removed: set[str] = set()

    def settle(id: str, answer: A | Rejection, stats: StageStats) -> None:
        refusal = answer if isinstance(answer, Rejection) else _accepted(ledger, accept, id, answer)
        if refusal is None:
            stats.keep()
            return
        stats.drop(refusal.reason)
        if refusal.reason == "fault" or refusal is not answer:
            # Its file may have been written already.
            ledger.put(STRAY, True)
        if refusal.reason == "removed":
            removed.add(id.rpartition("-")[0] if table == "faces" else id)
        elif refusal.reason == OPTED_OUT:
            reject_opted_out(ledger, id, stage, refusal.detail)
        else:
            ledger.reject(table, id, stage, refusal.reason, refusal.detail, refusal.trace)

    with stage_run(ledger, stage, total, table) as (stats, step):

        def commit(answers: Answers[A]) -> None:
            with ledger.transaction():
                for id, answer in answers:
                    settle(id, answer, stats)
            step(len(answers))

        def died(task: Task, refusal: Rejection) -> Answers[A]:
            return [(task["id"], refusal)]

        tasks = ([dict(row) for row in rows] for rows in batches)
        run_batches(engine, tasks, work, commit, died)
        if tombstones is not None:
            drop_reappeared(ledger, sorted(removed), tombstones)
        delete_orphans(ledger)
    return stats


def _accepted(ledger: Ledger, accept: Callable[[str, A], Rejection | None], id: str, answer: A) -> Rejection | None:
    """What `accept` says of one row; nothing that it wrote is left where it refuses."""
    ledger.db.execute("SAVEPOINT one_row")
    refusal = guarded(accept, id, answer)
    if refusal is not None:
        ledger.db.execute("ROLLBACK TO one_row")
    ledger.db.execute("RELEASE one_row")
    return refusal
