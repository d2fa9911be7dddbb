"""What one judge sees of a study, and in which order.

A judge has a seeded order of their own and sees each method of a pair left and right equally often. In a catch trial one side
is a result cut into tiles that are shuffled: whoever prefers it did not look.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmark.leaderboard.inputs import face_name, pair_name
from benchmark.leaderboard.picture_folder import read_png
from benchmark.people.study import CATCH_EVERY, Design, Trial
from benchmark.tasks.protocol import seed_of

# The tiles of a catch trial's spoilt side, along one edge.
TILES = 8


@dataclass(frozen=True)
class Showing:
    """One trial as one judge sees it.

    Attributes:
        trial: its number in the design.
        swapped: whether `b` is shown on the left.
    """

    trial: int
    swapped: bool


def showings(design: Design, judge: str) -> list[Showing]:
    """All trials in a judge's own order: blocks shuffled, sides balanced for every pair of methods."""
    rng = np.random.default_rng(seed_of(design.seed, "judge", judge))
    count = len(design.methods) * (len(design.methods) - 1) // 2
    block = max(1, count + count // CATCH_EVERY)
    out: list[Showing] = []
    sides: dict[tuple[int, int], bool] = {}
    for start in range(0, len(design.trials), block):
        for number in rng.permutation(np.arange(start, min(start + block, len(design.trials)))):
            trial = design.trials[int(number)]
            pair = (trial.a, trial.b)
            sides[pair] = not sides[pair] if pair in sides else bool(rng.integers(2))
            out.append(Showing(int(number), sides[pair]))
    return out


def picture(design: Design, trial: Trial, which: str) -> np.ndarray:
    """(S, S, 3) uint8: the `face`, the `style`, or result `a` or `b` of a trial.

    Raises:
        SuiteError: a picture that is gone or unreadable.
    """
    inputs = Path(design.inputs)
    if which == "face":
        return read_png(inputs / "faces" / face_name(trial.face))[1]
    if which == "style":
        return read_png(inputs / "styles" / pair_name(trial.face, trial.style))[1]
    method = trial.a if which == "a" else trial.b
    pixels = read_png(Path(design.folders[method]) / pair_name(trial.face, trial.style))[1]
    return shuffled(pixels) if trial.catch and which == "b" else pixels


def shuffled(pixels: np.ndarray) -> np.ndarray:
    """A picture (S, S, 3) cut into 8 x 8 tiles that are laid out in another order; nobody takes it for a face."""
    tile = pixels.shape[0] // TILES
    order = np.random.default_rng(0).permutation(TILES * TILES)
    out = pixels.copy()
    for place, origin in enumerate(order):
        (y, x), (v, u) = divmod(place, TILES), divmod(int(origin), TILES)
        out[y * tile : (y + 1) * tile, x * tile : (x + 1) * tile] = pixels[
            v * tile : (v + 1) * tile, u * tile : (u + 1) * tile
        ]
    return out
