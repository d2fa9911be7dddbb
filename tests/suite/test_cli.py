"""Every command group fails in one line."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize("room", ["aahq", "models", "baselines", "benchmark"])
def test_unknown_command_is_one_line(room: str) -> None:
    code = f"from {room}.cli import main; main(['nonsense'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert "no command 'nonsense'" in done.stderr
    assert done.stderr.count("\n") == 1
