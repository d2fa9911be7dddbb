"""Agreement of reviewers: Cohen's kappa, and the disagreements that nobody has settled yet."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

from aahq.review.log import Decision, Decisions


@dataclass(frozen=True)
class Pair:
    """Two reviewers over the faces that both decided.

    Attributes:
        first, second: who.
        both_keep, first_only, second_only, both_drop: faces that both keep, that only one of them keeps, that both drop.
    """

    first: str
    second: str
    both_keep: int
    first_only: int
    second_only: int
    both_drop: int

    @property
    def both(self) -> int:
        """Faces that both decided."""
        return self.both_keep + self.first_only + self.second_only + self.both_drop

    @property
    def observed(self) -> float:
        """Share of them on which the two agree."""
        return (self.both_keep + self.both_drop) / self.both

    @property
    def kappa(self) -> float | None:
        """Cohen's kappa (Educ. Psychol. Meas. 20, 1960); None where both said the same one word throughout."""
        first, second = (self.both_keep + self.first_only) / self.both, (self.both_keep + self.second_only) / self.both
        chance = first * second + (1 - first) * (1 - second)
        return None if chance == 1 else (self.observed - chance) / (1 - chance)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self), "both": self.both, "observed": self.observed, "kappa": self.kappa}


def pairs(decisions: Decisions) -> list[Pair]:
    """Every two reviewers who decided a face in common."""
    words = decisions.words()
    out = []
    for first, second in combinations(decisions.reviewers(), 2):
        counts = {(a, b): 0 for a in ("keep", "drop") for b in ("keep", "drop")}
        for said in words.values():
            if first in said and second in said:
                counts[said[first].act, said[second].act] += 1
        if any(counts.values()):
            cells = (counts[a, b] for a in ("keep", "drop") for b in ("keep", "drop"))
            out.append(Pair(first, second, *cells))
    return out


@dataclass(frozen=True)
class Ruling:
    """What holds for a face.

    Attributes:
        verdict: `keep`, `drop`, or `open` where reviewers disagree and nobody settled it.
        line: the line that says so (of `open`, the last one).
        points: the five points that were placed last, by those whose word holds; None where none were.
    """

    verdict: str
    line: Decision
    points: tuple[tuple[float, float], ...] | None


def rulings(decisions: Decisions) -> dict[str, Ruling]:
    """face -> what holds: a settling word, else everybody's, where they are of one mind."""
    settled = decisions.settled()
    words = decisions.words()
    out = {}
    for id in sorted(words.keys() | settled.keys()):
        said = sorted(words.get(id, {}).values(), key=lambda line: line.time)
        acts = {line.act for line in said}
        line = settled.get(id) or said[-1]
        verdict = line.act if id in settled or len(acts) == 1 else "open"
        placed = [one.points for one in (*said, line) if one.points is not None and one.act == "keep"]
        out[id] = Ruling(verdict, line, placed[-1] if placed and verdict == "keep" else None)
    return out


def disagreements(decisions: Decisions) -> list[str]:
    """Faces on which reviewers' words differ, settled or not."""
    return sorted(id for id, said in decisions.words().items() if len({line.act for line in said.values()}) > 1)
