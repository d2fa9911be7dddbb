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
