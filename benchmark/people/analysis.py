"""Analysis of a study: who passed the catch trials, how far judges agree, and how strong each method is, with intervals.

Bradley & Terry (1952): the odds that i is preferred to j are exp(t_i - t_j). Each pair of methods counts half a win either
way besides its answers, so that a method that always won still has a finite strength. A method's number is the share of
comparisons that it would win against the others, each met equally often. Judges answer about the same trials and a judge's
answers are alike, so intervals redraw both judges and faces at once (Owen 2007, arXiv 0712.1111).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any, Literal

import numpy as np

from benchmark.people.answers import Answer
from benchmark.people.study import QUESTIONS, Design

Question = Literal["better", "person"]
DRAWS = 1000
LEVEL = 0.95
# Judges count whose answers to this share of the catch trials are right, of at least so many.
CAUGHT, FEWEST = 0.8, 3
VIRTUAL = 0.5
STEPS = 60


@dataclass(frozen=True)
class Judge:
    """One judge.

    Attributes:
        answered: comparisons answered; catch: catch trials answered; right: of them, for the intact picture in both questions.
        left: share of answers for what stood on the left; near 1/2 for whoever looks.
        counts: whether the answers count.
    """

    name: str
    answered: int
    catch: int
    right: int
    left: float
    counts: bool


@dataclass(frozen=True)
class Strength:
    """One method under one question.

    Attributes:
        share: of comparisons that it would win, with `low` and `high` of the interval; None where nothing is drawn.
        log_odds: its strength, the mean of all methods being 0.
        wins, met: of its comparisons.
    """

    method: str
    share: float
    low: float | None
    high: float | None
    log_odds: float
    wins: int
    met: int


@dataclass(frozen=True)
class Agreement:
    """How far judges agree, over all trials that two of them answered.

    Attributes:
        pairs: pairs of answers to one trial.
        observed: share of them that are the same; kappa: (observed - 1/2) / (1/2), chance being one half in a balanced
            design with two answers (Brennan & Prediger 1981).
    """

    pairs: int
    observed: float | None
    kappa: float | None


@dataclass(frozen=True)
class Outcome:
    """All of a study.

    Attributes:
        strengths, agreement: by question.
    """

    judges: list[Judge]
    strengths: dict[Question, list[Strength]]
    agreement: dict[Question, Agreement]

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def judged(design: Design, answers: Sequence[Answer]) -> Outcome:
    """The outcome of what has been answered so far; judges that failed the catch trials are told of and left out."""
    judges = [judge(name, design, answers) for name in sorted({one.judge for one in answers})]
    heard = {one.name for one in judges if one.counts}
    counted = [one for one in answers if one.judge in heard and not design.trials[one.trial].catch]
    questions: tuple[Question, ...] = ("better", "person")
    return Outcome(
        judges,
        {question: strengths(design, counted, question) for question in questions},
        {question: agreement(counted, question) for question in questions},
    )


def judge(name: str, design: Design, answers: Iterable[Answer]) -> Judge:
    """What is known of one judge."""
    mine = [one for one in answers if one.judge == name]
    caught = [one for one in mine if design.trials[one.trial].catch]
    compared = [one for one in mine if not design.trials[one.trial].catch]
    right = sum(one.better == one.person == "a" for one in caught)
    sides = [side == one.left for one in compared for side in (one.better, one.person)]
    counts = len(caught) < FEWEST or right >= CAUGHT * len(caught)
    return Judge(name, len(compared), len(caught), right, float(np.mean(sides)) if sides else 0.5, counts)


def agreement(answers: Sequence[Answer], question: Question) -> Agreement:
    """Over every two judges and every trial that both answered."""
    by_trial: dict[int, list[str]] = defaultdict(list)
    for one in answers:
        by_trial[one.trial].append(getattr(one, question))
    same = [a == b for sides in by_trial.values() for a, b in combinations(sides, 2)]
    if not same:
        return Agreement(0, None, None)
    observed = float(np.mean(same))
    return Agreement(len(same), observed, 2 * observed - 1)


def strengths(design: Design, answers: Sequence[Answer], question: Question, seed: int = 0) -> list[Strength]:
    """Every method's strength, in the design's order; without an answer all are alike and no interval is given."""
    methods = len(design.methods)
    wins = np.zeros((len(answers), methods, methods))
    for row, one in enumerate(answers):
        trial = design.trials[one.trial]
        won, lost = (trial.a, trial.b) if getattr(one, question) == "a" else (trial.b, trial.a)
        wins[row, won, lost] = 1
    whole = wins.sum(0)
    odds = fit(whole[None])[0]
    drawn = _redrawn(wins, design, answers, seed) if answers else None
    low, high = (None, None)
    if drawn is not None:
        low, high = np.quantile(shares(fit(drawn)), [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    mean = shares(odds[None])[0]
    return [
        Strength(
            name,
            float(mean[k]),
            None if low is None else min(float(low[k]), float(mean[k])),
            None if high is None else max(float(high[k]), float(mean[k])),
            float(odds[k]),
            int(whole[k].sum()),
            int(whole[k].sum() + whole[:, k].sum()),
        )
        for k, name in enumerate(design.methods)
    ]


def _redrawn(wins: np.ndarray, design: Design, answers: Sequence[Answer], seed: int) -> np.ndarray | None:
    """(DRAWS, M, M) win counts with judges and faces drawn again; None where there is one face only."""
    rng = np.random.default_rng(seed)
    weights = np.ones((DRAWS, len(answers)))
    faces = np.array([design.trials[one.trial].face for one in answers])
    for labels in (faces, np.array([one.judge for one in answers])):
        known, index = np.unique(labels, return_inverse=True)
        if len(known) > 1:
            weights *= rng.multinomial(len(known), np.full(len(known), 1 / len(known)), DRAWS)[:, index]
    if len(np.unique(faces)) < 2:
        return None
    return np.einsum("dn,nab->dab", weights, wins)


def fit(wins: np.ndarray) -> np.ndarray:
    """(D, M) log odds, of mean 0, from (D, M, M) counts of row over column: Newton's method on all D at once."""
    methods = wins.shape[1]
    counts = wins + VIRTUAL * (1 - np.eye(methods))
    met = counts + counts.transpose(0, 2, 1)
    odds = np.zeros(wins.shape[:2])
    for _ in range(STEPS):
        chance = 1 / (1 + np.exp(odds[:, None, :] - odds[:, :, None]))
        slope = (counts - met * chance).sum(2)
        bend = met * chance * (1 - chance)
        # The sum of the odds is free; adding ones fixes it at 0.
        curve = np.eye(methods) * bend.sum(2)[:, :, None] - bend + 1 / methods
        step = np.linalg.solve(curve, slope[..., None])[..., 0]
        # A step of more than 2 could leave the range in which the second derivative tells.
        odds += step * np.minimum(1, 2 / np.maximum(np.abs(step).max(1, keepdims=True), 1e-12))
        if np.abs(step).max() < 1e-10:
            break
    return odds - odds.mean(1, keepdims=True)


def shares(odds: np.ndarray) -> np.ndarray:
    """(D, M): of comparisons with every other method equally often, the share that each wins."""
    chance = 1 / (1 + np.exp(odds[:, None, :] - odds[:, :, None]))
    methods = odds.shape[1]
    return (chance.sum(2) - 0.5) / (methods - 1)


def as_text(design: Design, outcome: Outcome) -> str:
    """The outcome for people."""
    if not outcome.judges:
        return "nobody has judged yet"
    lines = ["judges"]
    for one in outcome.judges:
        fate = "" if one.counts else "; left out, for the catch trials"
        lines.append(
            f"    {one.name}: {one.answered} comparisons, {one.right} of {one.catch} catch trials right, "
            f"left in {one.left:.0%}{fate}"
        )
    for question, words in QUESTIONS.items():
        agreement = outcome.agreement[question]  # type: ignore[index]
        alike = (
            "nobody answered what another did"
            if agreement.observed is None
            else (f"two judges agree in {agreement.observed:.0%} of {agreement.pairs} (kappa {agreement.kappa:.2f})")
        )
        lines += ["", f"{words}  [{alike}]"]
        ranked = sorted(outcome.strengths[question], key=lambda one: -one.share)  # type: ignore[index]
        width = max(len(one.method) for one in ranked)
        for met in ranked:
            span = "" if met.low is None else f" ({met.low:.2f} to {met.high:.2f})"
            lines.append(f"    {met.method:{width}}  {met.share:.2f}{span}  {met.wins} of {met.met} won")
    return "\n".join(lines)
