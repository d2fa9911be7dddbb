"""The log of decisions loses nothing that it acknowledged; agreement against textbook and scikit-learn."""

from __future__ import annotations

import itertools
import json
import random
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from aahq.review.agreement import Pair, disagreements, pairs, rulings
from aahq.review.log import Decision, DecisionLog, Decisions, log_path, read_log
from aahq.review.points import check_points
from suite.errors import SuiteError

names = (f"nonce{n:05}" for n in itertools.count())
FIVE = ((30.0, 40.0), (70.0, 40.0), (50.0, 60.0), (35.0, 80.0), (65.0, 80.0))


def says(who: str, id: str, act: str, **more: object) -> Decision:
    reason = {"reason": "blurred"} if act == "drop" else {}
    return Decision(act=act, nonce=next(names), reviewer=who, id=id, **{**reason, **more})  # type: ignore[arg-type]


def test_a_line_twice_is_kept_once_and_undo_appends(tmp_path: Path) -> None:
    log = DecisionLog(tmp_path)
    keep, drop = says("ann", "a", "keep"), says("ann", "a", "drop")
    assert log.append([keep, keep]) == [keep.nonce, keep.nonce]
    log.append([keep, drop])
    before = log_path(tmp_path).read_bytes()
    assert log.decisions.own("ann")["a"].act == "drop"
    log.append([says("ann", "a", "undo", undoes=drop.nonce)])
    assert log_path(tmp_path).read_bytes().startswith(before), "nothing is erased"
    assert log.decisions.own("ann")["a"].act == "keep", "what stood before stands again"
    log.append([says("ann", "a", "undo", undoes=drop.nonce)])
    assert log.decisions.lines == 3, "an undo of what is no longer in force says nothing"
    with pytest.raises(SuiteError, match="ann, who alone"):
        log.append([says("ben", "a", "undo", undoes=keep.nonce)])
    assert read_log(tmp_path).own("ann")["a"].act == "keep"


@pytest.mark.parametrize("cut", [1, 20, 60])
def test_a_torn_tail_is_passed_over_and_the_next_line_is_whole(tmp_path: Path, cut: int) -> None:
    log = DecisionLog(tmp_path)
    log.append([says("ann", "a", "keep"), says("ann", "b", "keep")])
    log.close()
    path = log_path(tmp_path)
    path.write_bytes(path.read_bytes()[:-cut])
    again = DecisionLog(tmp_path)
    again.append([says("ann", "c", "drop")])
    # A cut of one byte takes the newline alone: the line itself is whole.
    wanted = {"a", "c"} | ({"b"} if cut == 1 else set())
    assert set(again.decisions.own("ann")) == wanted
    assert set(read_log(tmp_path).own("ann")) == wanted


WRITER = """
import sys
import threading
from pathlib import Path
from aahq.review.log import Decision, DecisionLog
log = DecisionLog(Path(sys.argv[1]))
for n in range(100000):
    name = f"{sys.argv[2]}-{n:08}"
    log.append([Decision(act="keep", nonce=name, reviewer="ann", id=f"face{n}")])
    print(name, flush=True)
"""


def test_kill_9_amid_decisions_loses_none(tmp_path: Path) -> None:
    draw = random.Random(5)
    said: list[str] = []
    for run in range(3):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path), f"run{run}"], stdout=subprocess.PIPE, text=True
        )
        assert writer.stdout is not None
        wanted = draw.randrange(5, 60)
        for line in writer.stdout:
            said.append(line.strip())
            if len(said) % 60 == wanted:
                break
        writer.kill()
        # What it said before it died, and we had not read yet, counts too.
        said += [line.strip() for line in writer.stdout if line.endswith("\n")]
        assert writer.wait() == -signal.SIGKILL
    found = read_log(tmp_path)
    assert len(said) > 10
    assert [name for name in said if not found.known(name)] == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"act": "drop"},
        {"act": "drop", "reason": "dull"},
        {"act": "keep", "reason": "blurred"},
        {"act": "undo"},
        {"act": "keep", "id": "../x"},
        {"act": "keep", "reviewer": ""},
        {"act": "keep", "points": [[1, 2]]},
        {"act": "keep", "points": [[1, float("nan")]] * 5, "reason": "other"},
        {"act": "keep", "more": 1},
    ],
)
def test_a_line_that_makes_no_sense_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Decision(**{"nonce": "nonce-ok-1", "reviewer": "ann", "id": "a", **wrong})  # type: ignore[arg-type]


def test_kappa_is_the_textbooks() -> None:
    # The worked example of Cohen's kappa that is found everywhere: 50 grant proposals, 20 and 15 agreed, kappa 0.40.
    assert Pair("A", "B", 20, 5, 10, 15).kappa == pytest.approx(0.4)
    assert Pair("A", "B", 7, 0, 0, 0).kappa is None, "who says one word only agrees neither more nor less than chance"
    assert Pair("A", "B", 0, 4, 4, 0).kappa == pytest.approx(-1.0)


@pytest.mark.parametrize("seed", range(5))
def test_kappa_is_scikit_learns(seed: int) -> None:
    from sklearn.metrics import cohen_kappa_score

    draw = np.random.default_rng(seed)
    first, second = draw.random(80) < 0.7, draw.random(80) < 0.6
    said = Decisions()
    for n in range(80):
        for who, keeps in (("ann", first[n]), ("ben", second[n])):
            said.add(says(who, f"face{n}", "keep" if keeps else "drop"))
    said.add(says("ann", "alone", "keep"))
    (pair,) = pairs(said)
    assert pair.both == 80
    # Both compute the same few sums in float64.
    assert pair.kappa == pytest.approx(cohen_kappa_score(first, second), abs=1e-12)
    assert len(disagreements(said)) == int((first != second).sum())


def test_what_holds_is_what_all_say_or_what_settles_it() -> None:
    said = Decisions()
    for decision in (
        says("ann", "both", "keep", points=FIVE),
        says("ben", "both", "keep"),
        says("ann", "split", "keep"),
        says("ben", "split", "drop"),
        says("ann", "done", "keep"),
        says("ben", "done", "drop"),
        says("cleo", "done", "drop", settle=True),
    ):
        said.add(decision)
    held = rulings(said)
    assert {id: ruling.verdict for id, ruling in held.items()} == {"both": "keep", "split": "open", "done": "drop"}
    assert held["both"].points == FIVE
    assert "cleo" not in said.words()["done"], "settling is not reviewing: it does not count for agreement"


@pytest.mark.parametrize(
    ("points", "what"),
    [
        ([(1, 1)] * 5, "one spot"),
        ([(70, 40), (30, 40), (50, 60), (65, 80), (35, 80)], "above the eyes"),
        ([(30, 80), (70, 80), (50, 60), (35, 40), (65, 40)], "above the eyes"),
        ([(900, 40), (70, 40), (50, 60), (35, 80), (65, 80)], "outside"),
        ([(30, 40), (33, 40), (31, 41), (30, 43), (33, 43)], "16 or more"),
        ([(1, 1)] * 4, "expected five"),
    ],
)
def test_points_that_no_face_has_are_refused(points: list[tuple[float, float]], what: str) -> None:
    with pytest.raises(SuiteError, match=what):
        check_points(points, 100, 100)


def test_a_turned_face_is_no_mistake() -> None:
    five = np.array(FIVE) - 50
    for degrees in (-170, -90, -30, 90, 135):
        turn = np.deg2rad(degrees)
        turned = five @ np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]]) + 50
        assert check_points(turned, 100, 100) == pytest.approx(turned[[0, 1, 3, 4]])


def test_lines_are_json_that_a_person_can_read(tmp_path: Path) -> None:
    DecisionLog(tmp_path).append([says("ann", "a", "drop")])
    line = json.loads(log_path(tmp_path).read_text())
    assert line.keys() == {"act", "nonce", "reviewer", "id", "reason", "time"}


def test_threads_ask_while_others_decide() -> None:
    decisions, done = Decisions(), threading.Event()
    failed: list[BaseException] = []

    def ask() -> None:
        try:
            while not done.is_set():
                for question in (decisions.words, decisions.settled, decisions.reviewers):
                    question()
                decisions.own("ann")
                decisions.recent("ann", 5)
        except RuntimeError as error:
            failed.append(error)

    switch = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    threads = [threading.Thread(target=ask) for _ in range(4)]
    try:
        for thread in threads:
            thread.start()
        for number in range(3000):
            decisions.add(says(f"r{number}", f"f{number}", "keep"))
    finally:
        done.set()
        for thread in threads:
            thread.join()
        sys.setswitchinterval(switch)
    assert failed == []
    assert len(decisions.reviewers()) == 3000
