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
# What torchrun tells its processes about each other.
_TORCHRUN = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "GROUP_", "ROLE_", "MASTER_", "TORCHELASTIC_")


def run_command(command: Sequence[str], **options: Any) -> subprocess.CompletedProcess[Any]:
    """`subprocess.run` of one of the suite's own commands, which is told to stop when this process is gone.

    It is one process, also where this one is one of many under `torchrun`: it would wait for the others for ever.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_TORCHRUN)}
    return subprocess.run(command, check=False, env={**kept, _STARTED_BY: str(os.getpid())}, **options)


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
