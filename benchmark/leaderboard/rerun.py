"""A method that runs here, from its name to a record."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmark.leaderboard.score import open_bench, score
from benchmark.leaderboard.seed import Seed
from benchmark.plugin.limits import Limits
from benchmark.run.cell import Bench
from benchmark.run.generate import Generation
from benchmark.run.methods import load
from benchmark.run.record import MethodInfo, Record
from benchmark.run.reproduction import Reproduction
from benchmark.run.training import weight_digests
from benchmark.tasks.paper import Guidance
from suite.errors import SuiteError


def score_method(
    work: Reproduction,
    name: str,
    weights: Path | None,
    seeds: Sequence[Seed],
    guidance: Guidance,
    method: MethodInfo,
    indicator: int | None = None,
    bench: Bench | None = None,
    limits: Limits | None = None,
) -> tuple[Record, list[Generation]]:
    """Run an installed method on a profile's draws and measure its pictures.

    Args:
        bench: what `open_bench(work, seeds)` gave, where several methods are measured on it.
        limits: of a method that is no part of this suite.

    Raises:
        SuiteError: no such method, no such mode, or an answer that is no measurement.
    """
    answering = load(name, weights, work.device, limits, **work.options(name, indicator))
    if guidance not in answering.modes:
        raise SuiteError(f"--guidance {guidance}: {name} has {', '.join(sorted(answering.modes))} only")
    bench = bench or open_bench(work, seeds)
    generations = [
        Generation(answering, guidance, draws, bench.release, work.settings.batch, work.device) for draws in bench.draws
    ]
    record = score(bench, generations, weight_digests(weights), "re-run from weights", guidance, method)
    notes = [] if weights is not None else ["no weights"]
    if (enforced := getattr(answering, "enforced", None)) is not None:
        held = ", ".join(sorted(enforced)) or "nothing"
        notes.append(f"answered from a process of its own; the system held it to bounds of: {held}")
    cell = record.cell.model_copy(update={"indicator": indicator})
    return record.model_copy(update={"notes": [*record.notes, *notes], "cell": cell}), generations
