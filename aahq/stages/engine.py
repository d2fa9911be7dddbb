"""What all stages share: batches of rows go to an executor, results are committed by the main process as they come.

A worker is a module-level function of a batch that touches no ledger; it returns plain values. Results may come back in
any order and any process may die at any moment: a row is done when its transaction is, and never before. Whatever one row
does to a worker (an exception, a crash of the whole process) is that row's refusal, and the others go on.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

from aahq.dedup.rooms import Each
from aahq.ledger import Ledger
from aahq.reasons import Rejection
from suite.children import end_with_pool
from suite.errors import SuiteError
from suite.portable import processors
from suite.progress import progress

# Pictures a task: enough that sending it costs nothing, few enough that a kill loses seconds of work.
BATCH = 16
# Rows that may end their worker's process, each alone in it, before the machine is taken for the culprit.
DEATHS = 8


T = TypeVar("T")
R = TypeVar("R")


@dataclass
class StageStats:
    """What one run of a stage did.

    Attributes:
        stage: its name.
        rows: how many it looked at.
        kept: how many went on.
        reasons: reason -> how many were rejected for it.
        seconds: wall time.
        notes: other figures worth saying.
    """

    stage: str
    rows: int = 0
    kept: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    notes: dict[str, Any] = field(default_factory=dict)

    def keep(self, count: int = 1) -> None:
        """Count rows that go on."""
        self.rows += count
        self.kept += count

    def drop(self, reason: str) -> None:
        """Count a row that is rejected."""
        self.rows += 1
        self.reasons[reason] += 1

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "stage": self.stage,
            "rows": self.rows,
            "kept": self.kept,
            "reasons": dict(sorted(self.reasons.items())),
            "seconds": round(self.seconds, 3),
            **self.notes,
        }


class SerialExecutor(Executor):
    """Does the work at once, in this process: for one core, debuggers and small tests."""

    def submit(self, fn: Callable[..., R], /, *args: Any, **kwargs: Any) -> Future[R]:
        future: Future[R] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except BaseException as error:
            future.set_exception(error)
        return future


@dataclass
class Engine:
    """Where the work of the stages is done: an executor, and how many tasks to keep in flight.

    Attributes:
        renew: makes another executor of that many processes, after a worker of this one died; None where there is none.
    """

    executor: Executor
    in_flight: int
    renew: Callable[[int], Executor] | None = None


@contextmanager
def open_engine(workers: int | None) -> Iterator[Engine]:
    """A pool of processes on this machine (1 worker: this process itself).

    Processes are spawned, not forked: forking a process that holds threads and SQLite is not safe.

    Raises:
        SuiteError: a number of workers that cannot be.
    """
    count = workers if workers is not None else processors()
    if count < 1:
        raise SuiteError(f"--workers {count}: expected 1 or more")
    if count == 1:
        yield Engine(SerialExecutor(), 1)
        return
    with open_pool(count) as engine:
        yield engine


@contextmanager
def open_pool(count: int) -> Iterator[Engine]:
    """Worker processes of this machine."""
    context = multiprocessing.get_context("spawn")
    pools: list[ProcessPoolExecutor] = []

    def start(processes: int) -> ProcessPoolExecutor:
        pools.append(ProcessPoolExecutor(processes, mp_context=context, initializer=_start_worker))
        return pools[-1]

    try:
        yield Engine(start(count), 2 * count, start)
    except BaseException:
        # Nothing that is under way will be committed: waiting for it would only keep the person waiting.
        for pool in pools:
            for process in list((pool._processes or {}).values()):
                process.terminate()
        raise
    finally:
        for pool in pools:
            pool.shutdown(wait=True, cancel_futures=True)


def _start_worker() -> None:
    """One thread per worker, and no worker that outlives a killed build; Ctrl-C is for the process that commits."""
    os.environ["OMP_NUM_THREADS"] = "1"
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_pool()


class BoundedSubmitter(Generic[T, R]):
    """Batches on their way through an engine: a bounded number of them, each committed here as it comes back.

    Raises:
        SuiteError: from `feed` and `drain`: a worker process died; what was committed stands.
    """

    def __init__(self, engine: Engine, work: Callable[[list[T]], R], commit: Callable[[R], None]) -> None:
        self._engine, self._work, self._commit = engine, work, commit
        self._waiting: dict[Future[R], list[T]] = {}
        self._refused: list[list[T]] = []

    def feed(self, batches: Iterable[list[T]]) -> None:
        """Send every batch, waiting for earlier ones where too many are under way; the last ones still are."""
        with living_workers():
            for batch in batches:
                self._refused = [batch]
                self._waiting[self._engine.executor.submit(self._work, batch)] = batch
                self._refused = []
                if len(self._waiting) >= self._engine.in_flight:
                    self._take()

    def drain(self) -> None:
        """Wait until nothing is under way."""
        with living_workers():
            while self._waiting:
                self._take()

    def cancel(self) -> None:
        """Begin nothing more of what is under way."""
        for future in self._waiting:
            future.cancel()

    def lost(self) -> list[list[T]]:
        """The batches that a pool which broke did not finish; what it did finish is committed."""
        for future in [future for future in self._waiting if future.done() and future.exception() is None]:
            self._waiting.pop(future)
            self._commit(future.result())
        return [*self._waiting.values(), *self._refused]

    def _take(self) -> None:
        done, _ = wait(self._waiting, return_when=FIRST_COMPLETED)
        for future in done:
            result = future.result()
            del self._waiting[future]
            self._commit(result)


@contextmanager
def living_workers() -> Iterator[None]:
    try:
        yield
    except BrokenProcessPool:
        raise WorkerDiedError from None


def run_batches(
    engine: Engine,
    batches: Iterable[list[T]],
    work: Callable[[list[T]], R],
    commit: Callable[[R], None],
    died: Callable[[T, Rejection], R] | None = None,
) -> None:
    """Send every batch to `work` and give its result to `commit` here, with a bounded number in flight.

    Args:
        died: the result of a batch of one row whose worker process dies of it. With it, what was under way when a
            process died is done again row by row, each alone, and the row that kills its process is refused.

    Raises:
        SuiteError: a worker process died, and no row can be blamed for it; what was committed stands.
    """
    left, deaths = iter(batches), 0
    while True:
        flow = BoundedSubmitter(engine, work, commit)
        try:
            flow.feed(left)
            flow.drain()
            return
        except WorkerDiedError:
            if died is None or engine.renew is None:
                raise
            for row in [row for batch in flow.lost() for row in batch]:
                try:
                    result = _alone(engine.renew, work, row)
                except BrokenProcessPool:
                    deaths += 1
                    if deaths > DEATHS:
                        raise WorkerDiedError from None
                    result = died(row, Rejection("fault", "the worker process died on it (a crash, or out of memory)"))
                commit(result)
            engine.executor = engine.renew(engine.in_flight // 2)
        finally:
            flow.cancel()


def in_parts(engine: Engine) -> Each:
    """Does parts of one job on an engine, a bounded number of them under way; answers come in the jobs' order.

    A Dask cluster does again what a worker that died held.
    """

    def each(work: Callable[[T], R], jobs: Iterable[T], /) -> Iterator[R]:
        waiting: deque[Future[R]] = deque()
        try:
            with living_workers():
                for job in jobs:
                    waiting.append(engine.executor.submit(work, job))
                    if len(waiting) >= engine.in_flight:
                        yield waiting.popleft().result()
                while waiting:
                    yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()

    return each


def _alone(renew: Callable[[int], Executor], work: Callable[[list[T]], R], row: T) -> R:
    # Not in a `with`, which would wait for the row when a person interrupts it: `open_pool` ends its process.
    executor = renew(1)
    try:
        result = executor.submit(work, [row]).result()
    except BrokenProcessPool:
        executor.shutdown()
        raise
    executor.shutdown()
    return result


class WorkerDiedError(SuiteError):
    """A worker process died."""

    def __init__(self) -> None:
        super().__init__(
            "a worker process died (killed, or out of memory); run the same command again to go on, "
            "with fewer --workers",
            exit_code=1,
        )


@contextmanager
def stage_run(
    ledger: Ledger, name: str, total: int | None, unit: str
) -> Iterator[tuple[StageStats, Callable[[int], object]]]:
    """Time a stage with a progress bar (none for a total of 0), and leave a line in the ledger's `runs`.

    Yields the tally and the bar's step.
    """
    stats = StageStats(name)
    started, clock = datetime.now(UTC).isoformat(timespec="seconds"), time.perf_counter()
    try:
        if total == 0:
            yield stats, lambda count: None
        else:
            with progress(what=name, total=total, unit=unit) as bar:
                yield stats, bar.update
    finally:
        stats.seconds = time.perf_counter() - clock
        if stats.rows:
            ledger.db.execute(
                "INSERT INTO runs (stage, started_at, seconds, rows, kept) VALUES (?, ?, ?, ?, ?)",
                (name, started, stats.seconds, stats.rows, stats.kept),
            )
