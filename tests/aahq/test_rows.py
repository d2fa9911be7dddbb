"""Whatever a row holds, its stage ends: the row is refused with a reason, a program's fault keeps its traceback, and the
other rows go on."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from concurrent.futures import wait
from pathlib import Path
from typing import Any

import dying_work
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aahq.consent.optouts import OptOuts
from aahq.crawl.stage import offer_again
from aahq.faces.align import align, crop_quad
from aahq.ledger import Ledger
from aahq.pipeline import RUN, open_build
from aahq.reasons import REASONS, Rejected, Rejection, guarded
from aahq.release.verify import verify
from aahq.stages import align as align_stage
from aahq.stages import quality, release
from aahq.stages.engine import WorkerDiedError, open_pool, run_batches
from aahq.stages.rows import _accepted
from suite.progress import set_quiet

RGB = np.random.default_rng(0).integers(0, 256, (70, 90, 3), dtype=np.uint8)
# Where a list, a person or a damaged ledger may put a point.
NUMBER = st.one_of(
    st.floats(-20, 110), st.floats(-1e7, 1e7), st.floats(allow_nan=True, allow_infinity=True), st.just(0.0)
)
POINTS = st.lists(st.tuples(NUMBER, NUMBER), min_size=4, max_size=4)
JUNK = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBER, st.text(max_size=5)),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=12,
)


def row(landmarks: Any, **values: Any) -> dict[str, Any]:
    return {
        "id": "x-00",
        "box": "[0, 0, 9, 9]",
        "landmarks": landmarks,
        "detector": "list",
        "score": 1.0,
        "inter_ocular": 9.0,
        "yaw": None,
        "pitch": None,
        "roll": None,
        **values,
    }


@settings(max_examples=80, deadline=None)
@given(points=POINTS)
def test_any_four_points_are_cut_or_refused(tmp_path_factory: pytest.TempPathFactory, points: Any) -> None:
    made = guarded(align_stage._make, tmp_path_factory.getbasetemp(), RGB, row(json.dumps(points)), 16)
    if isinstance(made, Rejection):
        assert made.reason in ("bad_points", "quality_cut"), made.trace
    else:
        assert 2 <= crop_quad(np.array(points))[1] < 100_000
        assert 0 <= json.loads(made["quality"])["outside"] <= 1


@pytest.mark.parametrize(
    "points",
    [
        [[0, 0]] * 4,
        [[40, 40], [40.2, 40], [40, 40.2], [40.1, 40.2]],
        [[0, 0], [180_000, 0], [0, 180_000], [180_000, 180_000]],
        [[float("nan")] * 2] * 4,
        [[1e300, 0], [2e300, 0], [1e300, 1e300], [2e300, 1e300]],
        # eyes and mouth apart, and nothing left of their axis: the crop's direction is 0 / 0
        [[10, 10], [10, 10], [10, 10], [10, 10]],
    ],
)
def test_points_that_make_no_crop_have_their_own_reason(points: Any) -> None:
    with pytest.raises(Rejected) as refused:
        align(RGB, np.array(points), 16, 64)
    assert refused.value.reason == "bad_points"


@settings(max_examples=60, deadline=None)
@given(landmarks=JUNK, box=JUNK, score=JUNK)
def test_a_row_of_anything_at_all_is_a_refusal_that_keeps_its_traceback(landmarks: Any, box: Any, score: Any) -> None:
    task = row(json.dumps(landmarks), box=json.dumps(box), score=score)
    made = guarded(align_stage._make, Path("/nonexistent"), RGB, task, 16)
    assert isinstance(made, Rejection)
    assert made.reason in REASONS
    assert (made.reason == "fault") == ("Traceback" in made.trace)
    assert "\n" not in made.detail


def test_what_concerns_every_row_is_no_rows_refusal() -> None:
    def full() -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        guarded(full)
    with pytest.raises(ImportError):
        guarded(lambda: __import__("no_such_package_at_all"))


def test_what_a_refused_row_wrote_is_undone_and_a_full_ledger_is_no_rows_fault(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, create=True)

    def accept(id: str, answer: int) -> None:
        ledger.put(id, answer)
        if answer == 2:
            ledger.db.execute("INSERT INTO runs VALUES (1, NULL, '', 0, 0, 0)")
        if answer == 3:
            raise sqlite3.OperationalError("database or disk is full")

    with ledger.transaction():
        assert _accepted(ledger, accept, "one", 1) is None
        refused = _accepted(ledger, accept, "two", 2)
        assert isinstance(refused, Rejection)
        assert refused.detail.startswith("IntegrityError")
        assert (ledger.get("one"), ledger.get("two")) == (1, None)
    with pytest.raises(sqlite3.OperationalError, match="full"), ledger.transaction():
        _accepted(ledger, accept, "three", 3)
    assert ledger.get("three") is None


def broken_build(built: Path, out: Path) -> Ledger:
    """A finished build whose faces and pictures are to be done again from `fetched`."""
    shutil.copytree(built, out)
    ledger = Ledger(out)
    ledger.db.execute("DELETE FROM faces")
    ledger.db.execute("UPDATE pictures SET state = 'fetched', stage = '', reason = '' WHERE state = 'faced'")
    return ledger


@pytest.mark.parametrize(
    ("stage", "place", "columns"),
    [
        ("screen", "aahq.stages.screen.pixel_sha256", "pictures"),
        ("faces", "aahq.stages.faces._detected", "pictures"),
        ("align", "aahq.stages.align.embed", "faces"),
    ],
)
def test_a_fault_on_one_row_is_kept_with_its_traceback_and_the_others_go_on(
    built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stage: str, place: str, columns: str
) -> None:
    broken_build(built, tmp_path / "out").close()
    module, _, name = place.rpartition(".")
    real, calls = getattr(__import__(module, fromlist=[name]), name), []

    def fails_once(*arguments: Any) -> Any:
        calls.append(arguments)
        if len(calls) == 2:
            raise ZeroDivisionError("two lines\nof it")
        return real(*arguments)

    monkeypatch.setattr(place, fails_once)
    order = ("screen", "faces", "align")
    with open_build(tmp_path / "out", workers=1) as build:
        all_stats = {name: RUN[name](build) for name in order[: order.index(stage) + 1]}
        assert all_stats[stage].reasons["fault"] == 1
        assert all_stats[stage].kept >= 4
        (bad,) = build.ledger.rows(f"SELECT id, stage, detail FROM {columns} WHERE reason = 'fault'")
        assert (bad["stage"], bad["detail"]) == (stage, "ZeroDivisionError: two lines of it")
        kept = build.ledger.one("SELECT traceback FROM faults WHERE id = ? AND stage = ?", (bad["id"], stage))
        assert "fails_once" in kept
        monkeypatch.setattr(place, real)
        assert offer_again(build.ledger) == 1
        again = {name: RUN[name](build) for name in order}
        assert again[stage].kept == 1
        assert build.ledger.one("SELECT count(*) FROM faults") == 0
        assert build.ledger.count("faces", "aligned") >= 6


@pytest.fixture(scope="module")
def judged(built: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Ledger, str, str]:
    """A build's ledger, one kept face that has no copy, and that face's scores."""
    out = tmp_path_factory.mktemp("judged") / "out"
    shutil.copytree(built, out)
    set_quiet(True)
    ledger = Ledger(out)
    alone = "SELECT id FROM faces f WHERE state = 'kept' AND 1 = (SELECT count(*) FROM faces WHERE cluster = f.cluster)"
    face = ledger.one(alone)
    return ledger, face, ledger.one("SELECT quality FROM faces WHERE id = ?", (face,))


@settings(max_examples=15, deadline=None)
@given(junk=JUNK, whole=st.booleans())
def test_scores_of_anything_at_all_end_as_a_reason(judged: tuple[Ledger, str, str], junk: Any, whole: bool) -> None:
    ledger, face, good = judged
    scores = junk if whole else {**json.loads(good), "sharpness": junk}
    ledger.update("faces", face, quality=json.dumps(scores))
    stats = quality.run(ledger)
    assert stats.rows == 6
    state, reason, value = ledger.db.execute(
        "SELECT state, reason, quality FROM faces WHERE id = ?", (face,)
    ).fetchone()
    sound = not whole and isinstance(junk, int | float) and junk >= 0.06
    assert (state, reason) == ("kept", "") if sound else (state == "rejected" and reason in REASONS), value


@pytest.mark.slow
def test_a_row_that_kills_its_process_is_refused_alone() -> None:
    results: list[Any] = []
    with open_pool(2) as engine:
        batches = [[1, 2], [3, -4, 5], [6], [-7], [8, 9], [10]]
        run_batches(engine, batches, dying_work.work, results.extend, dying_work.died)
    done = dict(results)
    assert {n: value for n, value in done.items() if n > 0} == {n: n * n for n in (1, 2, 3, 5, 6, 8, 9, 10)}
    assert [done[n].reason for n in (-4, -7)] == ["fault", "fault"]
    assert len(results) == 10, "each row comes back once"


@pytest.mark.slow
def test_a_machine_on_which_every_process_dies_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aahq.stages.engine.DEATHS", 1)
    results: list[Any] = []
    with pytest.raises(WorkerDiedError, match="a worker process died"), open_pool(2) as engine:
        run_batches(engine, [[-1, -2, -3, -4]], dying_work.work, results.extend, dying_work.died)
    assert len(results) == 1


@pytest.mark.slow
def test_an_interrupt_waits_for_no_worker(tmp_path: Path) -> None:
    """Without ending them this would take the hour that each of them sleeps."""
    with pytest.raises(KeyboardInterrupt), open_pool(2) as engine:
        futures = [engine.executor.submit(dying_work.sleep_long, str(tmp_path)) for _ in range(2)]
        while len(list(tmp_path.iterdir())) < 2:
            wait(futures, timeout=0.05)
        raise KeyboardInterrupt
    for path in tmp_path.iterdir():
        assert not Path(f"/proc/{path.name}").exists(), "the worker is gone"


@pytest.mark.slow
@pytest.mark.parametrize(("how", "busy"), [("all", 3), ("alone", 1)])
def test_ctrl_c_ends_a_program_whose_workers_are_busy(tmp_path: Path, how: str, busy: int) -> None:
    """The terminal signals the whole group; "alone": while a row is tried by itself after a process died."""
    root = Path(dying_work.__file__).parents[1]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(root), str(root / "tests")])}
    words = [sys.executable, "-m", "dying_work", how, str(tmp_path)]
    with subprocess.Popen(words, env=env, stderr=subprocess.PIPE, text=True, start_new_session=True) as child:
        try:
            while len(list(tmp_path.iterdir())) < busy:
                assert child.poll() is None, child.stderr and child.stderr.read()
                time.sleep(0.02)
            os.killpg(child.pid, signal.SIGINT)
            # Not a measure: waiting for one worker would take an hour.
            _, said = child.communicate(timeout=120)
        finally:
            child.kill()
    assert child.returncode == 130, said
    assert said.strip().splitlines()[-1] == "error: interrupted; run the same command again to go on"
    assert not [path.name for path in tmp_path.iterdir() if Path(f"/proc/{path.name}").exists()], "no worker is left"


@settings(max_examples=8, deadline=None)
@given(junk=JUNK, place=st.sampled_from(["consent", "candidate", "landmarks"]))
def test_a_row_of_anything_is_left_out_of_the_release_and_the_others_are_in(
    judged: tuple[Ledger, str, str], junk: Any, place: str
) -> None:
    """Whatever stands there, the release is whole; what it cannot hold is set aside with its traceback."""
    ledger, face, scores = judged
    # The test before leaves its last junk there.
    ledger.update("faces", face, quality=scores)
    quality.run(ledger)
    table, id = ("faces", face) if place == "landmarks" else ("pictures", face.rpartition("-")[0])
    good = ledger.one(f"SELECT {place} FROM {table} WHERE id = ?", (id,))
    ledger.update(table, id, **{place: json.dumps(junk)})
    try:
        written = release.run(ledger, name="x", size=64, domain="art", optouts=OptOuts())
        assert verify(written.folder).ok
        state, reason = ledger.db.execute("SELECT state, reason FROM faces WHERE id = ?", (face,)).fetchone()
        assert written.count == 5 + (state == "kept")
        assert (state, reason) in (("kept", ""), ("rejected", "fault"))
        assert (reason == "fault") == bool(ledger.one("SELECT count(*) FROM faults WHERE id = ?", (face,)))
    finally:
        ledger.update(table, id, **{place: good})
        offer_again(ledger)
