"""Near embeddings against brute force; clusters without chains; adding in parts against all at once; nothing done twice."""

from __future__ import annotations

import errno
import os
import shutil
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aahq.dedup import search
from aahq.dedup.embedding import WIDTH, flip
from aahq.dedup.index import DedupIndex, Entry, InMemory
from aahq.dedup.links import CONFIRM, CONFIRM_MIRROR, SIMILARITY
from aahq.dedup.search import near_embeddings
from aahq.folder import explain_disk_errors
from aahq.ledger import Ledger
from aahq.pipeline import open_build, run_all
from aahq.stages import dedup
from speed.synthetic import copy_of, descriptors, make_ledger
from suite.errors import SuiteError
from suite.progress import set_quiet

set_quiet(True)
Found = dict[tuple[int, int, bool], float]


def brute(values: np.ndarray, fresh: np.ndarray, least: float) -> Found:
    """Every pair by every product."""
    out: Found = {}
    values = values.astype(np.float32)
    for flipped in (False, True):
        products = (flip(values) if flipped else values) @ values.T
        for i, j in zip(*np.nonzero(products >= least)):
            if i < j and (fresh[i] or fresh[j]):
                out[int(i), int(j), flipped] = float(products[i, j])
    return out


def found_by_search(values: np.ndarray, fresh: np.ndarray, least: float) -> Found:
    near = near_embeddings(InMemory(values), fresh, least)
    keys = zip(near.i.tolist(), near.j.tolist(), near.flipped.tolist())
    return dict(zip(keys, near.cosine.tolist(), strict=True))


def near_the_limit(pair: tuple[int, int, bool], values: np.ndarray, least: float) -> bool:
    i, j, flipped = pair
    other = values[j].astype(np.float32)
    return abs(float(values[i].astype(np.float32) @ (flip(other) if flipped else other)) - least) < 1e-5


@pytest.mark.parametrize("direct", [0, 10**6])
@pytest.mark.parametrize("share", [1.0, 0.1])
def test_no_pair_is_lost_and_none_is_added(direct: int, share: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """In reduced dimensions too, which hold four fifths of these: the bound makes up for what they leave out."""
    monkeypatch.setattr(search, "DIRECT", direct)
    monkeypatch.setattr(search, "DIMENSIONS", 64)
    monkeypatch.setattr(search, "ROWS", 70)
    monkeypatch.setattr(search, "COLUMNS", 110)
    values = descriptors(900, seed=3)
    fresh = np.random.default_rng(0).random(900) < share
    wanted = brute(values, fresh, SIMILARITY)
    assert len(wanted) >= 40 * share
    assert {flipped for _, _, flipped in wanted} == {False, True}
    got = found_by_search(values, fresh, SIMILARITY)
    assert all(near_the_limit(pair, values, SIMILARITY) for pair in got.keys() ^ wanted.keys())
    assert all(got[pair] == pytest.approx(value, abs=1e-4) for pair, value in wanted.items() if pair in got)


def test_lists_recall_what_brute_force_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("faiss")
    values = descriptors(2400, seed=5)
    wanted = brute(values, np.ones(2400, bool), SIMILARITY)
    monkeypatch.setattr(search, "EXHAUSTIVE", 100)
    got = found_by_search(values, np.ones(2400, bool), SIMILARITY)
    for mirrored in (False, True):
        every = {pair for pair in wanted if pair[2] == mirrored}
        assert len(every) > 30
        assert len(got.keys() & every) >= 0.99 * len(every)
    assert all(near_the_limit(pair, values, SIMILARITY) for pair in got.keys() - wanted.keys()), "precision is 1"
    # The same lists answer for a part that was added.
    fresh = np.arange(2400) % 3 == 0
    part = found_by_search(values, fresh, SIMILARITY)
    assert len(part) >= 0.99 * len(brute(values, fresh, SIMILARITY))


def test_without_faiss_a_large_set_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "faiss", None)
    monkeypatch.setattr(search, "EXHAUSTIVE", 10)
    with pytest.raises(SuiteError, match=r"pip install 'aahq-blendgan\[dedup\]'"):
        found_by_search(descriptors(20), np.ones(20, bool), SIMILARITY)


def chain(rng: np.random.Generator, length: int, step: float) -> np.ndarray:
    """float32 (length, WIDTH): each near the next, the ends as far as they come."""
    first, second = np.linalg.qr(rng.standard_normal((WIDTH, 2)))[0].T
    angles = np.arange(length) * np.arccos(step)
    return (np.cos(angles)[:, None] * first + np.sin(angles)[:, None] * second).astype(np.float32)


def test_no_chain_joins_strangers() -> None:
    """100 chains of up to 12 steps, each step nearer than the threshold; a hundred neighbours of the whole set besides."""
    rng = np.random.default_rng(1)
    index, places = DedupIndex(), {}
    entries = []
    for number in range(100):
        values = chain(rng, int(rng.integers(3, 13)), float(rng.uniform(SIMILARITY, 0.97)))
        for step in rng.permutation(len(values)).tolist():
            name = f"chain{number:03}-{step:02}"
            places[name] = values[step]
            entries.append(Entry(name, name, embedding=values[step], resolution=float(rng.integers(100, 400))))
    index.add(entries)
    faces, found = index.found()
    joined = 0
    for face, (name, keeper) in enumerate(zip(faces.ids, found.keeper, strict=True)):
        straight = float(places[name] @ places[faces.ids[keeper]])
        turned = float(flip(places[name]) @ places[faces.ids[keeper]])
        assert straight >= CONFIRM - 1e-5 or turned >= CONFIRM_MIRROR - 1e-5, (name, faces.ids[keeper])
        joined += keeper != face
    assert joined > 300, "near steps are still one work"
    names = {faces.ids[place].partition("-")[0] for place in found.component}
    assert len(names) == 100, "a split holds whole chains, and never two of them"
    longest = max(places, key=lambda name: name[-2:])
    ends = [name for name in places if name.startswith(longest[:8])]
    assert len({index.clusters()[name] for name in ends}) > 1, "a long chain is several clusters"
    assert all(float(places[a] @ places[b]) >= SIMILARITY - 1e-4 for a, b in pairwise(sorted(ends)))


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10**6), cuts=st.lists(st.integers(0, 60), max_size=3))
def test_adding_in_parts_is_adding_at_once_with_embeddings(seed: int, cuts: list[int]) -> None:
    rng = np.random.default_rng(seed)
    values = descriptors(60, seed)
    rows = [
        Entry(
            f"{n:02}",
            f"p{n // 2}",
            (f"d{rng.integers(0, 80)}",),
            None,
            None,
            values[n].astype(np.float32),
            float(n % 7),
        )
        for n in range(60)
    ]
    order = rng.permutation(60).tolist()
    whole, parts = DedupIndex(), DedupIndex()
    whole.add(rows)
    edges = [0, *sorted(cuts), 60]
    for start, end in pairwise(edges):
        parts.add(rows[n] for n in order[start:end])
    assert whole.links() == parts.links()
    assert whole.clusters() == parts.clusters()
    assert whole.keepers() == parts.keepers()


TOLD = "SELECT id, state, reason, detail, cluster, keeper, split, why FROM faces ORDER BY id"


def told(out: Path) -> list[tuple[Any, ...]]:
    with Ledger(out) as ledger:
        return [tuple(row) for row in ledger.rows(TOLD)]


@pytest.mark.parametrize("exhaustive", [search.EXHAUSTIVE, 100], ids=["all with all", "lists"])
def test_a_ledger_that_grows_is_as_one_that_came_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exhaustive: int
) -> None:
    pytest.importorskip("faiss")
    monkeypatch.setattr(search, "EXHAUSTIVE", exhaustive)
    make_ledger(tmp_path / "whole", 400)
    shutil.copytree(tmp_path / "whole", tmp_path / "parts")
    with Ledger(tmp_path / "whole") as ledger:
        stats = dedup.run(ledger)
        assert (stats.rows, stats.reasons["duplicate"]) == (400, sum(copy_of(n) is not None for n in range(400)))
        assert stats.notes["largest cluster"] >= 2
    with Ledger(tmp_path / "parts") as ledger:
        ids = [row["id"] for row in ledger.rows("SELECT id FROM faces ORDER BY id")]
        late = np.random.default_rng(0).permutation(ids)[:250].tolist()
        for group in (late[:150], late[150:]):
            ledger.db.executemany("UPDATE faces SET state = 'found' WHERE id = ?", [(id,) for id in group])
        assert dedup.run(ledger).rows == 150
        for group in (late[:150], late[150:]):
            ledger.db.executemany("UPDATE faces SET state = 'aligned' WHERE id = ?", [(id,) for id in group])
            dedup.run(ledger)
    assert told(tmp_path / "parts") == told(tmp_path / "whole")


def test_a_set_that_has_not_changed_is_not_clustered_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_ledger(tmp_path, 60)
    with Ledger(tmp_path) as ledger:
        dedup.run(ledger)
        before = told(tmp_path)
        monkeypatch.setattr(dedup, "find_links", lambda *_: pytest.fail("nothing has changed"))
        assert dedup.run(ledger).rows == 0
        assert told(tmp_path) == before
        for change in ("seed", "face"):
            monkeypatch.setattr(dedup, "find_links", lambda *_: pytest.fail("again"))
            if change == "face":
                ledger.db.execute(
                    "UPDATE faces SET state = 'rejected', stage = 'align' WHERE id = (SELECT min(id) FROM faces)"
                )
            with pytest.raises(pytest.fail.Exception, match="again"):
                dedup.run(ledger, seed=1 if change == "seed" else 0)


def test_a_build_that_adds_nothing_writes_the_same_release(
    built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    shutil.copytree(built, out)
    monkeypatch.setattr(dedup, "find_links", lambda *_: pytest.fail("nothing was added"))
    with open_build(out, workers=1) as build:
        run_all(build)
    for name in ("manifest.parquet", "rejects.parquet", "SHA256SUMS"):
        assert (out / "release" / name).read_bytes() == (built / "release" / name).read_bytes()


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        ("UPDATE descriptors SET embedding = x'0102' WHERE id = :id", "its descriptor has 2 bytes"),
        ("UPDATE faces SET phash = 'nonsense' WHERE id = :id", "ValueError"),
        ("UPDATE faces SET phash_mirror = NULL WHERE id = :id", "TypeError"),
    ],
)
def test_a_row_that_cannot_be_compared_is_refused_alone(tmp_path: Path, harm: str, said: str) -> None:
    make_ledger(tmp_path, 30)
    with Ledger(tmp_path) as ledger:
        id = ledger.one("SELECT min(id) FROM faces")
        ledger.db.execute(harm, {"id": id})
        stats = dedup.run(ledger)
        assert (stats.rows, stats.reasons["fault"]) == (30, 1)
        detail, trace = ledger.db.execute(
            "SELECT detail, traceback FROM faces JOIN faults USING (id) WHERE id = ?", (id,)
        ).fetchone()
        assert said in detail
        assert "Traceback" in trace
        assert dedup.run(ledger).rows == 0


def test_a_disk_without_room_for_descriptors_is_one_line_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("here", "there"):
        make_ledger(tmp_path / name, 60)
    monkeypatch.setattr(dedup, "IN_MEMORY", 10)

    def full(handle: int, start: int, size: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with Ledger(tmp_path / "here") as ledger, Ledger(tmp_path / "there") as other:
        with monkeypatch.context() as patched:
            patched.setattr(os, "posix_fallocate", full)
            room = r"No space left on device \(.*\.room\); free some space"
            with pytest.raises(SuiteError, match=room) as told, explain_disk_errors(tmp_path):
                dedup.run(ledger)
        assert "\n" not in str(told.value)
        assert ledger.count("faces", "aligned") == 60
        assert dedup.run(ledger).rows == dedup.run(other).rows == 60
        query = "SELECT id, state, cluster, keeper FROM faces ORDER BY id"
        assert [tuple(row) for row in ledger.rows(query)] == [tuple(row) for row in other.rows(query)]
