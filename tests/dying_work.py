"""Work for a pool whose processes may die of a row; a module of its own, since spawned processes import it by name."""

from __future__ import annotations

import os
import time
from pathlib import Path

from aahq.reasons import Rejection


def work(rows: list[int]) -> list[tuple[int, int | Rejection]]:
    """Each row with its square; the process dies of a negative one."""
    if min(rows) < 0:
        os._exit(9)
    return [(row, row * row) for row in rows]


def died(row: int, refusal: Rejection) -> list[tuple[int, int | Rejection]]:
    return [(row, refusal)]


def sleep_long(folder: str) -> None:
    """Says that it has begun, and would not end while a test runs."""
    Path(folder, str(os.getpid())).touch()
    time.sleep(3600)


def die_then_sleep(rows: list[str]) -> list[tuple[str, int]]:
    """Two rows at once end the process; of one, a file named by the row's folder says that it has begun."""
    if len(rows) > 1:
        os._exit(9)
    sleep_long(rows[0])
    return []


def main(how: str, folder: str) -> None:
    """A program over several workers that are all busy for an hour."""
    import click

    from aahq.stages.engine import open_engine, run_batches
    from suite.cli import SuiteGroup

    @click.group(cls=SuiteGroup)
    def group() -> None: ...

    @group.command()
    def go() -> None:
        batches = [[folder, folder]] if how == "alone" else [[folder]] * 8
        with open_engine(3) as engine:
            run_batches(engine, batches, die_then_sleep, lambda answer: None, died)  # type: ignore[arg-type]

    group(["go"])


if __name__ == "__main__":
    import signal
    import sys

    # Begun in the background by a shell, a program and its children ignore the signal.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    main(*sys.argv[1:])
