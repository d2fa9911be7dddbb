"""Kernels on a machine without a GPU: run by Triton's interpreter, and compiled ahead of time for two generations."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("triton")
HERE = Path(__file__).parent


def run(*arguments: str, **environment: str) -> None:
    done = subprocess.run(
        [sys.executable, *arguments],
        env=os.environ | environment,
        cwd=HERE.parents[1],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]


@pytest.mark.slow
def test_kernels_match_their_references_in_the_interpreter() -> None:
    run("-m", "pytest", "-q", "-x", "-p", "no:xdist", str(HERE / "kernel_checks.py"), TRITON_INTERPRET="1")


@pytest.mark.slow
@pytest.mark.parametrize("capability", [80, 90])
def test_kernels_compile_ahead_of_time(capability: int) -> None:
    run(str(HERE / "compile_kernels.py"), str(capability), TRITON_INTERPRET="0")


@pytest.mark.slow
def test_operators_import_without_triton_and_compile_nothing() -> None:
    code = (
        "import sys; sys.modules['triton'] = None\n"
        "import torch, ops.bias_act, ops.upfirdn2d, ops.modulated_conv, ops.gram\n"
        "assert not any(name.startswith('ops.') and name.endswith('.triton') for name in sys.modules)\n"
        "assert ops.bias_act.bias_act(torch.ones(1, 2)).shape == (1, 2)\n"
    )
    run("-c", code)
