"""Processes that end with the one that started them, however that one ends: nothing is left running behind a kill."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import threading
import time
from collections.abc import Sequence
from multiprocessing.connection import wait
from typing import Any

_STARTED_BY = "AAHQ_STARTED_BY"
_LOOK_SECONDS = 1.0


def run_command(command: Sequence[str], **options: Any) -> subprocess.CompletedProcess[Any]:
    """`subprocess.run` of one of the suite's own commands, which is told to stop when this process is gone."""
    return subprocess.run(command, check=False, env={**os.environ, _STARTED_BY: str(os.getpid())}, **options)


def stop_with_starter() -> None:
    """In a command that `run_command` started: SIGTERM, as from a scheduler, once its starter is gone. Else nothing."""
    starter = os.environ.pop(_STARTED_BY, "")
    if starter.isdigit():
        threading.Thread(target=_stop_without, args=(int(starter),), daemon=True).start()


def _stop_without(starter: int) -> None:
    while os.getppid() == starter:
        time.sleep(_LOOK_SECONDS)
    os.kill(os.getpid(), signal.SIGTERM)


def end_with_pool() -> None:
    """In a worker of a process pool: ends when the pool's owner is gone, which the pool itself does not see to."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_after, args=(parent.sentinel,), daemon=True).start()


def _end_after(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)
