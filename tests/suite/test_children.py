"""A command that another one started, and the workers of its pool, end when the first is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from suite.children import run_command

STARTER = """
import sys
from suite.children import run_command
run_command([sys.executable, "-m", "aahq", "portraits", sys.argv[1], "--count", "100000", "--size", "64", "--workers", "2"])
"""


def _below(root: int) -> set[int]:
    """All processes below `root`."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
            except OSError:
                continue
    found = {root}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found - {root}


def _alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def _wait_until(true: Callable[[], bool], seconds: float) -> bool:
    end = time.monotonic() + seconds
    while not true() and time.monotonic() < end:
        time.sleep(0.1)
    return true()


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc of Linux")
def test_a_killed_starter_leaves_nobody_behind(tmp_path: Path) -> None:
    starter = subprocess.Popen([sys.executable, "-c", STARTER, str(tmp_path / "painted")], stderr=subprocess.DEVNULL)
    left: set[int] = set()
    try:
        # The command, its pool's resource tracker and two workers.
        assert _wait_until(lambda: len(_below(starter.pid)) >= 4, 60)
        left = _below(starter.pid)
        starter.kill()
        starter.wait()
        assert _wait_until(lambda: not any(_alive(process) for process in left), 60)
    finally:
        starter.kill()
        for process in filter(_alive, left):
            os.kill(process, signal.SIGKILL)


def test_a_command_is_one_process_also_under_torchrun(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT", "TORCHELASTIC_RUN_ID"):
        monkeypatch.setenv(name, "8")
    monkeypatch.setenv("AAHQ_CACHE", "kept")
    names = ("RANK", "WORLD", "LOCAL_", "MASTER", "TORCHELASTIC", "AAHQ_C")
    code = f"import os; print([name for name in os.environ if name.startswith({names})])"
    done = run_command([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "['AAHQ_CACHE']"
