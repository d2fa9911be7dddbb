"""A study is balanced, its answers survive, its numbers are Bradley and Terry's, and what does not fit is told in a line."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from benchmark.cli import main
from benchmark.people.analysis import agreement, as_text, fit, judge, judged, shares, strengths
from benchmark.people.answers import Answer, AnswerLog, read_answers
from benchmark.people.records import METRICS, records, write_records
from benchmark.people.showing import picture, showings, shuffled
from benchmark.people.study import Design, check_pictures, draw_trials, make, read
from benchmark.run.record_file import read as read_record
from benchmark.site.board import build_board, read_records
from suite.errors import SuiteError


def results(handed: Path, *names: str) -> dict[str, Path]:
    return {name: handed / name for name in names or ("good", "plain", "poor")}


@pytest.fixture
def design(handed: Path, tmp_path: Path) -> Design:
    return make(tmp_path / "study", handed / "inputs", results(handed), 60, "0")


def said(design: Design, names: list[str], wins: dict[tuple[int, int], float], seed: int = 0) -> list[Answer]:
    """Answers of judges that prefer `a` of a pair with a given probability, and know an intact picture."""
    rng = np.random.default_rng(seed)
    out = []
    for name in names:
        for number, trial in enumerate(design.trials):
            first = trial.catch or rng.random() < wins[trial.a, trial.b]
            side = "a" if first else "b"
            given = {"judge": name, "trial": number, "better": side, "person": "a", "left": "a", "seconds": 2.0}
            out.append(Answer.model_validate(given))
    return out


def test_a_study_is_moved_with_what_it_shows(handed: Path, tmp_path: Path) -> None:
    whole = tmp_path / "here"
    shutil.copytree(handed, whole, ignore=shutil.ignore_patterns("data"))
    made = make(whole / "study", whole / "inputs", results(whole), 30, "0")
    text = (whole / "study" / "study.json").read_text()
    assert str(tmp_path) not in text
    assert json.loads(text)["folders"] == ["../good", "../plain", "../poor"]
    assert read(whole / "study") == made
    moved = whole.rename(tmp_path / "there")
    found = read(moved / "study")
    check_pictures(found)
    assert found.digest == made.digest
    assert picture(found, found.trials[0], "face").shape == (found.size, found.size, 3)


def test_records_carry_what_the_folders_say_of_their_methods(handed: Path, tmp_path: Path) -> None:
    shutil.copytree(handed, tmp_path, ignore=shutil.ignore_patterns("data"), dirs_exist_ok=True)
    method = {"name": "elsewhere", "version": "1a2b", "code": "https://example.org/good", "train_data": "AAHQ train"}
    about = {"method": method, "weights": {"good.pt": "1" * 64}}
    (tmp_path / "good" / "method.json").write_text(json.dumps(about))
    design = make(tmp_path / "study", tmp_path / "inputs", results(tmp_path), 60, "0")
    answers = said(design, ["ann", "ben", "cem"], {(0, 1): 0.8, (0, 2): 0.95, (1, 2): 0.8})
    good, plain, _ = records(design, judged(design, answers), answers)
    assert good.method.model_dump(exclude_defaults=True) == method | {"name": "good"}
    assert good.provenance.weights == {"good.pt": "1" * 64}
    assert (plain.method.train_data, plain.provenance.weights) == ("", {})
    # Whoever invents the faces cannot be asked whether the person is kept.
    (tmp_path / "good" / "method.json").write_text(json.dumps(about | {"invents_faces": True}))
    with pytest.raises(SuiteError, match="--results good: its pictures are of invented faces"):
        make(tmp_path / "other", tmp_path / "inputs", results(tmp_path), 60, "0")


@pytest.mark.parametrize("methods", [2, 3, 5])
def test_the_design_is_balanced(methods: int) -> None:
    trials = draw_trials(methods, 8, 10, 60, "s")
    compared = [trial for trial in trials if not trial.catch]
    met = Counter((trial.a, trial.b) for trial in compared)
    assert set(met) == set(combinations(range(methods), 2))
    assert len(set(met.values())) == 1
    assert len(trials) - len(compared) == pytest.approx(len(compared) / 9, abs=1)
    # No face twice before every face once; no two trials of one face and style before all are used.
    assert len({trial.face for trial in compared[:8]}) == 8
    assert len({(trial.face, trial.style) for trial in compared}) == min(len(compared), 80)


def test_each_judge_has_an_order_and_both_sides_of_every_pair(design: Design) -> None:
    ann, ben = showings(design, "ann"), showings(design, "ben")
    assert ann == showings(design, "ann")
    assert ann != ben
    assert sorted(one.trial for one in ann) == list(range(len(design.trials)))
    sides = Counter((design.trials[s.trial].a, design.trials[s.trial].b, s.swapped) for s in ann)
    for a, b in combinations(range(3), 2):
        assert abs(sides[a, b, True] - sides[a, b, False]) <= 1
    # Whoever stops early has met every pair about as often.
    early = Counter((t.a, t.b) for t in (design.trials[s.trial] for s in ann[:21]) if not t.catch)
    assert max(early.values()) - min(early.values()) <= 2


def test_a_catch_trials_spoilt_side_has_the_same_pixels_elsewhere(design: Design) -> None:
    caught = next(trial for trial in design.trials if trial.catch)
    whole, spoilt = picture(design, caught, "a"), picture(design, caught, "b")
    assert not np.array_equal(whole, spoilt)
    np.testing.assert_array_equal(np.sort(whole.reshape(-1, 3), 0), np.sort(spoilt.reshape(-1, 3), 0))
    np.testing.assert_array_equal(shuffled(whole), spoilt)


def test_two_methods_are_what_counting_gives() -> None:
    wins = np.zeros((1, 2, 2))
    wins[0, 0, 1], wins[0, 1, 0] = 30, 10
    # Half a win either way: 30.5 of 41.
    assert shares(fit(wins))[0].tolist() == pytest.approx([30.5 / 41, 10.5 / 41])


def test_strengths_are_the_likelihoods_maximum() -> None:
    from scipy.optimize import minimize

    rng = np.random.default_rng(1)
    wins = rng.integers(0, 20, (4, 4)) * (1 - np.eye(4))
    ours = fit(wins[None])[0]

    def loss(odds: np.ndarray) -> float:
        counts = wins + 0.5 * (1 - np.eye(4))
        return float((counts * np.logaddexp(0, odds[None, :] - odds[:, None])).sum())

    theirs = minimize(loss, np.zeros(4), tol=1e-12).x
    np.testing.assert_allclose(ours, theirs - theirs.mean(), atol=1e-4)


def test_one_that_always_won_is_finite_and_first(design: Design) -> None:
    answers = said(design, ["ann", "ben"], {(0, 1): 1.0, (0, 2): 1.0, (1, 2): 1.0})
    found = strengths(design, answers, "better")
    assert [one.share for one in found] == sorted((one.share for one in found), reverse=True)
    assert all(np.isfinite(one.log_odds) for one in found)
    assert found[0].low is not None
    assert found[2].high is not None
    assert found[0].low > found[2].high


def test_who_fails_the_catch_trials_is_left_out_and_told(design: Design) -> None:
    good = said(design, ["ann"], {(0, 1): 0.9, (0, 2): 0.9, (1, 2): 0.9})
    blind = [one.model_copy(update={"judge": "eve", "better": "b", "person": "b"}) for one in good]
    outcome = judged(design, good + blind)
    assert [(one.name, one.counts) for one in outcome.judges] == [("ann", True), ("eve", False)]
    assert outcome.strengths["better"] == strengths(design, [one for one in good if not _caught(design, one)], "better")
    assert "eve: 60 comparisons, 0 of" in as_text(design, outcome)
    assert "left out, for the catch trials" in as_text(design, outcome)


def _caught(design: Design, answer: Answer) -> bool:
    return design.trials[answer.trial].catch


def test_agreement_is_counted_over_common_trials(design: Design) -> None:
    ann = [one for one in said(design, ["ann"], {(0, 1): 0, (0, 2): 0, (1, 2): 0}) if not _caught(design, one)]
    ben = [one.model_copy(update={"judge": "ben"}) for one in ann[:40]]
    other = {"a": "b", "b": "a"}
    ben = [one.model_copy(update={"better": other[one.better]}) if k < 10 else one for k, one in enumerate(ben)]
    found = agreement(ann + ben, "better")
    assert (found.pairs, found.observed, found.kappa) == (40, 0.75, 0.5)
    assert agreement(ann, "better").kappa is None


def test_a_judge_who_looks_to_one_side_is_seen(design: Design) -> None:
    answers = [
        one.model_copy(update={"left": one.better})
        for one in said(design, ["ann"], {(0, 1): 0.5, (0, 2): 0.5, (1, 2): 0.5})
    ]
    lefts = judge("ann", design, [one.model_copy(update={"person": one.better}) for one in answers])
    assert lefts.left == 1.0


@pytest.mark.slow
def test_intervals_hold_the_truth() -> None:
    """Judges of tastes of their own and faces that favour one method: 95 % intervals hold the true share in 90 % or more."""
    truth = np.array([0.8, 0.0, -0.8])
    wanted = shares(truth[None])[0]
    folder = ["x"] * 3
    held = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        design = Design(
            methods=["a", "b", "c"], folders=folder, pictures=["0" * 64] * 3, inputs="", manifest="0" * 64, draws="0" * 64,
            profile="", public_seed="", faces=30, styles=2, size=32, seed="0", trials=draw_trials(3, 30, 2, 120, str(seed)),
        )  # fmt: skip
        taste, lean = rng.normal(0, 0.3, (8, 3)), rng.normal(0, 0.3, (30, 3))
        answers = []
        for who in range(8):
            for number, trial in enumerate(design.trials):
                if trial.catch:
                    continue
                odds = truth + taste[who] + lean[trial.face]
                side = "a" if rng.random() < 1 / (1 + np.exp(odds[trial.b] - odds[trial.a])) else "b"
                answers.append(Answer(judge=f"j{who}", trial=number, better=side, person=side, left="a", seconds=1))
        for one, right in zip(strengths(design, answers, "better"), wanted, strict=True):
            assert one.low is not None
            assert one.high is not None
            held.append(one.low <= right <= one.high)
    # The truth is a little nearer to one half than without tastes; 180 intervals of 95 % leave 0.9 once in 500 times.
    assert np.mean(held) >= 0.9


def test_answers_survive_a_torn_line_and_the_last_word_counts(design: Design, tmp_path: Path) -> None:
    folder = tmp_path / "study"
    log = AnswerLog(folder)
    first = Answer(judge="ann", trial=0, better="a", person="a", left="b", seconds=1.5)
    log.append(first)
    log.append(first.model_copy(update={"better": "b"}))
    log.close()
    with (folder / "answers.jsonl").open("ab") as file:
        file.write(b'{"judge": "ann", "tri')
    again = AnswerLog(folder)
    again.append(first.model_copy(update={"trial": 1}))
    again.close()
    found = read_answers(folder, len(design.trials))
    assert [(one.trial, one.better) for one in found] == [(0, "b"), (1, "a")]


def test_records_say_who_judged_and_stand_on_the_board(design: Design, tmp_path: Path) -> None:
    wins = {(0, 1): 0.8, (0, 2): 0.95, (1, 2): 0.8}
    answers = said(design, ["ann", "ben"], wins)
    with pytest.raises(SuiteError, match="--records: 2 judges count, a record needs 3"):
        records(design, judged(design, answers), answers)
    answers = said(design, ["ann", "ben", "cem"], wins)
    paths = write_records(tmp_path / "records", records(design, judged(design, answers), answers))
    assert [path.name for path in paths] == ["judged-good.json", "judged-plain.json", "judged-poor.json"]
    found = [read_record(path) for path in paths]
    assert {one.trust for one in found} == {"judged by people"}
    best, worst = (one.get(METRICS["better"]) for one in (found[0], found[2]))
    assert best is not None
    assert worst is not None
    assert best.value > worst.value
    assert len({one.values[0].protocol for one in found}) == 1
    board = build_board(read_records(tmp_path / "records"))
    assert {"good", "plain", "poor"} <= {row.method for group in board.groups for row in group.rows}


def wrong(*words: str) -> str:
    done = CliRunner().invoke(main, ["judge", *words], prog_name="aahq-bench")
    assert done.exit_code != 0
    lines = (
        done.output + str(done.exception if done.exception and not isinstance(done.exception, SystemExit) else "")
    ).strip()
    assert lines
    assert "Traceback" not in lines
    return lines


def test_bad_input_is_told_in_a_line(handed: Path, tmp_path: Path) -> None:
    study, inputs = str(tmp_path / "study"), str(handed / "inputs")
    good, plain = f"good={handed / 'good'}", f"plain={handed / 'plain'}"
    assert "needs --inputs" in wrong(study, "--results", good, "--results", plain)
    assert "a study compares at least two" in wrong(study, "--inputs", inputs, "--results", good)
    assert "given twice" in wrong(study, "--inputs", inputs, "--results", good, "--results", good)
    assert "expected NAME=DIR" in wrong(study, "--inputs", inputs, "--results", "nothing", "--results", good)
    assert "expected what 'aahq-bench inputs' wrote" in wrong(
        study, "--inputs", str(tmp_path), "--results", good, "--results", plain
    )
    empty = tmp_path / "empty"
    empty.mkdir()
    told = wrong(study, "--inputs", inputs, "--results", good, "--results", f"none={empty}")
    assert "--results none" in told
    assert "is missing, 12 of 12 in all" in told
    assert not (tmp_path / "study").exists(), "nothing is half made"
    assert "begin with --inputs DIR" in wrong(study, "--report")
    (tmp_path / "study").mkdir()
    (tmp_path / "study" / "study.json").write_text("{}")
    assert "methods: Field required" in wrong(study, "--report")
    assert "holds something" in wrong(study, "--inputs", inputs, "--results", good, "--results", plain)


def test_pictures_that_changed_end_a_study(design: Design, handed: Path, tmp_path: Path) -> None:
    check_pictures(design)
    other = design.model_copy(update={"folders": [design.folders[1], *design.folders[1:]]})
    with pytest.raises(SuiteError, match=r"pictures of good in .* are not those it was designed with"):
        check_pictures(other)


def test_answers_of_another_study_are_refused(design: Design, tmp_path: Path) -> None:
    line = Answer(judge="ann", trial=999, better="a", person="a", left="a", seconds=1).model_dump()
    (tmp_path / "study" / "answers.jsonl").write_text(json.dumps(line) + "\n")
    assert read(tmp_path / "study") == design
    with pytest.raises(SuiteError, match=r"line 1: trial 999, the study has"):
        read_answers(tmp_path / "study", len(design.trials))
