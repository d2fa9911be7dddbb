"""A training run watched: its checkpoints are scored while it trains, within a share of the machine's time."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmark.run.snapshot_scores import HeldOut, draw_curve, score_checkpoint
from benchmark.run.snapshots import SCORES, Run, step_of


@dataclass
class Budget:
    """How much processor time scoring may take of the time that passes.

    Attributes:
        share: of wall time, per core that scoring keeps busy.
        clock, spent: seconds, as `time.monotonic` and `time.process_time` count them.
    """

    share: float
    clock: Callable[[], float] = time.monotonic
    spent: Callable[[], float] = time.process_time
    begun: float = field(init=False)

    def __post_init__(self) -> None:
        self.begun = self.clock()

    def allows(self) -> bool:
        """Whether what was spent so far is within the share."""
        return self.spent() <= self.share * (self.clock() - self.begun) * (os.cpu_count() or 1)


def watch(
    run: Run, held: HeldOut, share: float, once: bool, say: Callable[[str], None], wait: Callable[[], None]
) -> list[dict[str, Any]]:
    """Score checkpoints until the run has ended: the newest one whenever the share of time allows, the last one always.

    Args:
        once: score everything that is there now, and stop.
        wait: called between looks.

    Returns:
        All scores of the run.
    """
    budget = Budget(share)
    marks: dict[str, dict[str, float]] = {}
    first = True
    while True:
        ended = run.ended()
        # The weights before the first step say nothing and would draw the curve flat.
        known = {0, *(score["step"] for score in run.scored())}
        # While it trains, what was passed over is not gone back to.
        floor = 0 if once else max(known)
        fresh = [one for one in run.checkpoints() if step_of(one) not in known and step_of(one) > floor]
        for checkpoint in fresh if once else fresh[-1:]:
            if not (once or ended or first or budget.allows()):
                break
            try:
                score = score_checkpoint(run, checkpoint, held)
            except FileNotFoundError:
                continue
            first = False
            with (run.folder / SCORES).open("a") as out:
                out.write(json.dumps(score) + "\n")
            for view in run.views():
                if view.domain not in marks:
                    marks[view.domain] = held.marks(view.domain, score["size"])
            draw_curve(run, marks, held.extractor.fd_name)
            say(line_of(score, held.extractor.fd_name))
        if once or (ended and not fresh):
            return run.scored()
        wait()


def line_of(score: dict[str, Any], metric: str) -> str:
    """A score as one line."""
    parts = ", ".join(f"{name} {distances[metric]:.1f}" for name, distances in score["views"].items())
    return f"step {score['step']}: {metric} {parts}"


def best_of(scores: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The best score."""
    return min(scores, key=lambda score: score["score"])
