"""Dedup in parts: workers that share nothing but a folder find what one process finds, and what stops them leaves nothing."""

from __future__ import annotations

import errno
import pickle
from collections.abc import Callable
from concurrent.futures import Executor, Future
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from aahq.dedup import cluster, hamming, links, lists, search
from aahq.dedup.hamming import near_distinct
from aahq.dedup.links import SIMILARITY
from aahq.dedup.rooms import HERE, Room, Workshop
from aahq.dedup.search import Pairs, Stored, near_embeddings
from aahq.folder import LOCK
from aahq.ledger import Ledger
from aahq.open_folder import open_folder
from aahq.own import ROOMS
from aahq.stages import dedup
from aahq.stages.engine import Engine, in_parts
from speed.synthetic import copy_of, descriptors, make_ledger
from suite.errors import SuiteError

TOLD = "SELECT id, state, reason, detail, cluster, keeper, split, why FROM faces ORDER BY id"


class Elsewhere(Executor):
    """Does the work as another process would: with copies of all that it is sent, and from files."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.most = 0

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        sent = pickle.dumps((fn, args))
        self.most = max(self.most, len(sent))
        work, given = pickle.loads(sent)
        self.sent.append(work.func.__name__ if hasattr(work, "func") else work.__name__)
        try:
            future.set_result(pickle.loads(pickle.dumps(work(*given))))
        except BaseException as error:
            future.set_exception(error)
        return future


# Limits that make many parts of hundreds of faces.
SMALL_PARTS: dict[ModuleType, dict[str, int]] = {
    dedup: {"SPREAD": 0},
    hamming: {"SMALL": 20, "TASK": 3000},
    lists: {"BLOCK": 90},
    search: {"EXHAUSTIVE": 100, "DIRECT": 100, "REDUCED": 70, "LEAST_BLOCK": 100, "PARTS": 3},
    links: {"CONFIRMED": 7},
    cluster: {"COMPONENTS": 3},
}


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    for module, values in SMALL_PARTS.items():
        for name, value in values.items():
            monkeypatch.setattr(module, name, value)


@pytest.mark.parametrize("crowd", [0, 200, 500])
@pytest.mark.parametrize("distance", [2, 8])
def test_hashes_joined_in_parts(small_parts: None, tmp_path: Path, crowd: int, distance: int) -> None:
    rng = np.random.default_rng(crowd + distance)
    values = rng.integers(0, 2**64, 500, dtype=np.uint64)
    values[250:] = values[:250] ^ (np.uint64(1) << rng.integers(0, 64, 250, dtype=np.uint64))
    values[:crowd] &= np.uint64(0x00FF0000000000FF)
    values = np.unique(values)
    apart = np.bitwise_count(values[:, None] ^ values[None])
    every = np.argwhere(np.triu(apart <= distance, 1))
    assert len(every) > 50
    elsewhere = Elsewhere()
    found = near_distinct(values, distance, Workshop(in_parts(Engine(elsewhere, 3)), tmp_path))
    np.testing.assert_array_equal(found, every)
    assert len(elsewhere.sent) >= (1 if crowd == 500 else 3)


@pytest.mark.parametrize("share", [1.0, 0.1])
@pytest.mark.parametrize("exhaustive", [100, 10_000])
def test_embeddings_searched_in_parts(
    small_parts: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, share: float, exhaustive: int
) -> None:
    pytest.importorskip("faiss")
    monkeypatch.setattr(search, "EXHAUSTIVE", exhaustive)
    monkeypatch.setattr(search, "COLUMNS", 110)
    values = descriptors(700, seed=4)
    fresh = np.random.default_rng(0).random(700) < share
    there = Workshop(in_parts(Engine(Elsewhere(), 3)), tmp_path)
    here = near_embeddings(Stored(HERE.share(values)), fresh, SIMILARITY)
    parts = near_embeddings(Stored(there.share(values)), fresh, SIMILARITY, there)
    assert len(here.i) >= 30 * share
    for name in Pairs.__annotations__:
        np.testing.assert_array_equal(getattr(parts, name), getattr(here, name))


def ledger_with_near_hashes(out: Path, count: int) -> None:
    """Copies with near hashes too, and without descriptors every second one, so that only hashes speak for them."""
    make_ledger(out, count)
    with Ledger(out) as ledger:
        faces = list(
            ledger.rows("SELECT f.id, f.phash FROM faces f JOIN pictures p ON p.id = f.picture ORDER BY p.key")
        )
        hashes = [int(row["phash"], 16) for row in faces]
        for number, row in enumerate(faces):
            of = copy_of(number)
            if of is not None:
                hashes[number] = hashes[of] ^ (1 << number % 64)
                ledger.update("faces", row["id"], phash=f"{hashes[number]:016x}")
                if number // 20 % 2:
                    ledger.db.execute("DELETE FROM descriptors WHERE id = ?", (row["id"],))


def told(out: Path) -> list[tuple[Any, ...]]:
    with Ledger(out) as ledger:
        return [tuple(row) for row in ledger.rows(TOLD)]


def test_a_build_of_many_workers_is_that_of_one(small_parts: None, tmp_path: Path) -> None:
    pytest.importorskip("faiss")
    for name in ("one", "many"):
        ledger_with_near_hashes(tmp_path / name, 400)
    with Ledger(tmp_path / "one") as ledger:
        dedup.run(ledger)
    elsewhere = Elsewhere()
    with Ledger(tmp_path / "many") as ledger:
        stats = dedup.run(ledger, engine=Engine(elsewhere, 3))
    assert stats.reasons["duplicate"] == sum(copy_of(n) is not None for n in range(400))
    assert told(tmp_path / "many") == told(tmp_path / "one")
    assert set(elsewhere.sent) == {"_reduced", "_homes", "_search", "_part", "confirmed", "_part_all"}
    assert elsewhere.most < 40_000, "workers are sent names of files, not what is in them"
    assert not (tmp_path / "many" / ROOMS).exists()


def test_a_disk_that_fills_up_is_one_line_and_the_same_command_goes_on(
    small_parts: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("faiss")
    ledger_with_near_hashes(tmp_path / "out", 200)
    put, calls = Room.put, 0

    def full(room: Room, start: int, rows: np.ndarray) -> None:
        nonlocal calls
        calls += 1
        if calls == 6:
            raise OSError(errno.ENOSPC, "No space left on device")
        put(room, start, rows)

    monkeypatch.setattr(Room, "put", full)
    with pytest.raises(SuiteError, match="disk"), open_folder(tmp_path / "out") as ledger:
        dedup.run(ledger, engine=Engine(Elsewhere(), 3))
    assert not (tmp_path / "out" / ROOMS).exists()
    assert {row[1] for row in told(tmp_path / "out")} == {"aligned"}
    monkeypatch.setattr(Room, "put", put)
    with open_folder(tmp_path / "out") as ledger:
        assert dedup.run(ledger, engine=Engine(Elsewhere(), 3)).reasons["duplicate"] == 10


def test_what_a_killed_dedup_left_is_swept_and_nothing_else(tmp_path: Path) -> None:
    make_ledger(tmp_path, 2)
    (tmp_path / ROOMS).mkdir()
    (tmp_path / ROOMS / "3.room").write_bytes(b"half")
    (tmp_path / ROOMS / "mine.txt").write_bytes(b"kept")
    (tmp_path / LOCK).write_text("4711\n")
    with open_folder(tmp_path):
        assert [path.name for path in (tmp_path / ROOMS).iterdir()] == ["mine.txt"]
    (tmp_path / ROOMS / "mine.txt").unlink()
    (tmp_path / LOCK).write_text("4711\n")
    with open_folder(tmp_path):
        assert not (tmp_path / ROOMS).exists()


def test_a_file_cut_short_is_one_line(tmp_path: Path) -> None:
    room = Workshop(folder=tmp_path).share(np.arange(10.0))
    sent = pickle.dumps(room)
    np.testing.assert_array_equal(pickle.loads(sent).array, np.arange(10.0))
    assert room.path is not None
    room.path.write_bytes(room.path.read_bytes()[:-1])
    with pytest.raises(SuiteError, match=r"gone or cut short while it was in use .*run the same command again"):
        _ = pickle.loads(sent).array
