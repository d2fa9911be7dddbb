"""What every test shares: where the optional shared data is, and how many threads a worker may use."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

SHARED = Path(__file__).resolve().parents[2] / "shared"

if os.environ.get("PYTEST_XDIST_WORKER"):
    # Two workers with two threads each would fight over two cores.
    os.environ.setdefault("OMP_NUM_THREADS", "1")


# The same examples in every run, so that a change alone decides; `pytest --hypothesis-profile search` looks for new ones.
settings.register_profile("same", derandomize=True)
settings.register_profile("search")
settings.load_profile("same")

# Files that hold a worker for half a minute or more; begun last, one would keep the other worker waiting.
LONG = (
    "test_readme.py",
    "test_rescore.py",
    "test_kernels.py",
    "test_faults_long.py",
    "test_blendgan.py",
    "test_style_statistics.py",
    "test_style_encoder.py",
    "test_dedup.py",
    "test_blending.py",
    "test_loop.py",
    "test_blendgan_switches.py",
    "test_generate.py",
    "test_portraits.py",
    "test_fetch.py",
    "test_review_page.py",
    "test_page.py",
    "test_figures.py",
    "test_stylegan2.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long files first; within a file, and among the others, the order stays."""
    rank = {name: place for place, name in enumerate(LONG)}
    items.sort(key=lambda item: rank.get(item.path.name, len(rank)))


@pytest.fixture(scope="session")
def golden() -> Path:
    """Figures of the published networks, in every clone; $AAHQ_GOLDENS names the full outputs instead."""
    return Path(os.environ.get("AAHQ_GOLDENS") or Path(__file__).parent / "goldens")


@pytest.fixture(scope="session")
def pictures() -> Path:
    """The folder of real pictures (art, faces, scenes, landmarks)."""
    folder = SHARED / "data"
    if not folder.is_dir():
        pytest.skip("no ../shared/data beside this clone; the embedded pictures serve in the other tests")
    return folder


@pytest.fixture
def ssh_key(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Makes signing keys without a passphrase: owner -> private key; the public half lies beside it as `.pub`."""
    folder = tmp_path_factory.mktemp("keys")

    def make(owner: str) -> Path:
        key = folder / owner
        if not key.with_suffix(".pub").exists():
            words = ("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", owner, "-f", str(key))
            subprocess.run(words, check=True, capture_output=True)
        return key

    return make
