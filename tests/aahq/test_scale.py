"""Scale: a real Dask scheduler with two worker processes, one killed on the way, gives the release byte for byte."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aahq.dedup.hamming import near_pairs
from aahq.ledger import Ledger
from aahq.own import ROOMS
from aahq.pipeline import open_build, run_all
from aahq.stages.dask_engine import _refuse_other_versions, _version, choose_engine
from suite.errors import SuiteError

pytestmark = pytest.mark.skipif(find_spec("distributed") is None, reason="needs the extra 'cluster'")
ROOT = Path(__file__).resolve().parents[2]
ENV = {
    **os.environ,
    "OMP_NUM_THREADS": "1",
    "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}",
    "DASK_DISTRIBUTED__DIAGNOSTICS__NVML": "0",
}


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def wait_for(path: Path, what: str) -> str:
    until = time.monotonic() + 90
    while time.monotonic() < until:
        if found := re.search(what, path.read_text() if path.exists() else ""):
            return found.group(0)
        time.sleep(0.1)
    raise AssertionError(f"no {what!r} in {path.read_text()}")


@contextmanager
def cluster(folder: Path, workers: int) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """A scheduler and workers of one thread each, as processes of their own."""
    started: list[subprocess.Popen[bytes]] = []

    def start(module: str, name: str, *words: str) -> None:
        with (folder / f"{name}.log").open("wb") as log:
            command = [sys.executable, "-m", "distributed.cli." + module, *words]
            started.append(subprocess.Popen(command, stderr=log, stdout=log, env=ENV, cwd=folder))

    try:
        start("dask_scheduler", "scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard")
        address = wait_for(folder / "scheduler.log", r"tcp://127\.0\.0\.1:\d+")
        for number in range(workers):
            start("dask_worker", f"w{number}", address, "--nthreads", "1", "--no-nanny", "--no-dashboard")
        for number in range(workers):
            wait_for(folder / f"w{number}.log", "Registered to")
        yield address, started[1:]
    finally:
        for process in started:
            process.kill()
            process.wait()


@pytest.mark.slow
def test_a_cluster_that_loses_a_worker_writes_the_same_release(
    built: Path, painted_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from aahq.stages import align, faces, screen

    for stage in (screen, faces, align):
        # One picture a task: there is always one under way when the worker dies.
        monkeypatch.setattr(stage, "BATCH", 1)
    out = tmp_path / "out"
    with cluster(tmp_path, 2) as (address, workers):
        killed: list[int] = []

        def kill_one_at_work() -> None:
            until = time.monotonic() + 200
            # Its first aligned faces are there, and the rest is under way on both.
            while len(list(out.glob("faces/*/*.png"))) < 2 and time.monotonic() < until:
                time.sleep(0.002)
            workers[0].kill()
            killed.append(workers[0].wait())

        killer = threading.Thread(target=kill_one_at_work)
        killer.start()
        with open_build(
            out,
            source={"source": "folder", "target": str(painted_folder)},
            release={"size": 64},
            scheduler=address,
            create=True,
        ) as build:
            run_all(build)
        killer.join()
        assert killed == [-9]
        assert workers[1].poll() is None, "the other one did the rest"
    assert files_of(out / "release") == files_of(built / "release")


@pytest.mark.slow
def test_dedup_on_a_cluster_that_loses_a_worker_is_that_of_one_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hashes joined, descriptors reduced and searched in lists, clusters parted: on two workers, then on the one left."""
    pytest.importorskip("faiss")
    from aahq.stages import dedup
    from tests.aahq.dedup.test_parts import SMALL_PARTS, ledger_with_near_hashes, told

    for module, values in SMALL_PARTS.items():
        for name, value in values.items():
            monkeypatch.setattr(module, name, value)
    for name in ("one", "many"):
        ledger_with_near_hashes(tmp_path / name, 400)
    with Ledger(tmp_path / "one") as ledger:
        dedup.run(ledger)
    with (
        cluster(tmp_path, 2) as (address, workers),
        choose_engine(None, address) as engine,
        Ledger(tmp_path / "many") as ledger,
    ):
        submit, searches = engine.executor.submit, 0

        def kill_one_on_the_way(work: Any, *job: Any) -> Any:
            nonlocal searches
            sent = submit(work, *job)
            searches += getattr(work, "func", work).__name__ == "_search"
            if searches == 3 and workers[0].poll() is None:
                workers[0].kill()
                workers[0].wait()
            return sent

        monkeypatch.setattr(engine.executor, "submit", kill_one_on_the_way)
        dedup.run(ledger, engine=engine)
        assert workers[0].poll() == -9
        assert workers[1].poll() is None, "the other one did the rest"
    assert told(tmp_path / "many") == told(tmp_path / "one")
    assert not (tmp_path / "many" / ROOMS).exists()


def test_nobody_at_the_address_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aahq.stages.dask_engine.PATIENCE", 1)
    with (
        pytest.raises(SuiteError, match=r"--scheduler tcp://127\.0\.0\.1:9: no answer"),
        choose_engine(None, "tcp://127.0.0.1:9"),
    ):
        pass
    with pytest.raises(SuiteError, match="--workers"), choose_engine(2, "tcp://127.0.0.1:9"):
        pass
    with pytest.raises(SuiteError, match="expected the address"), choose_engine(None, "nonsense://x"):
        pass


def test_a_worker_with_other_code_is_named() -> None:
    ours = _version()
    _refuse_other_versions("tcp://head:8786", {"tcp://one:1": ours, "tcp://two:2": ours})
    with pytest.raises(
        SuiteError, match=r"tcp://head:8786: its worker tcp://two:2 has aahq-blendgan 0\.0\.9 \(abc\), exp"
    ):
        _refuse_other_versions("tcp://head:8786", {"tcp://one:1": ours, "tcp://two:2": "0.0.9 (abc)"})
    with pytest.raises(SuiteError, match="worker tcp://one:1 has no aahq-blendgan that answers"):
        _refuse_other_versions("tcp://head:8786", {"tcp://one:1": ModuleNotFoundError("aahq")})


def test_dedup_finds_every_planted_pair_among_a_hundred_thousand() -> None:
    rng = np.random.default_rng(3)
    hashes = rng.integers(0, 2**64, 100_000, dtype=np.uint64)
    flips = np.bitwise_or.reduce(np.uint64(1) << rng.integers(0, 64, (1000, 6), dtype=np.uint64), axis=1)
    hashes[50_000:51_000] = hashes[:1000] ^ flips
    pairs, distances = near_pairs(hashes, 6)
    found = set(map(tuple, pairs.tolist()))
    assert {(n, 50_000 + n) for n in range(1000)} <= found
    # Two of 100,000 random hashes lie within 6 of 64 bits with probability 4.5e-12 x 5e9 pairs: 0.02 pairs expected.
    assert len(found) < 1010
    assert int(distances.max()) <= 6
