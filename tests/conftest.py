"""What every test shares: where the optional shared data is, and how many threads a worker may use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared"

if os.environ.get("PYTEST_XDIST_WORKER"):
    # Two workers with two threads each would fight over two cores.
    os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="session")
def golden() -> Path:
    """The folder of published networks' inputs and outputs; tests carry a few figures of each for clones without it."""
    folder = SHARED / "golden"
    if not folder.is_dir():
        pytest.skip("no ../shared/golden beside this clone; the figures carried in the tests still run")
    return folder


@pytest.fixture(scope="session")
def pictures() -> Path:
    """The folder of real pictures (art, faces, scenes, landmarks)."""
    folder = SHARED / "data"
    if not folder.is_dir():
        pytest.skip("no ../shared/data beside this clone; the embedded pictures serve in the other tests")
    return folder
