"""Write docs/metrics.md from `METRICS`: what each number is, which way is better, what it needs, what it ranks rightly.

The controls are those of `benchmark/tasks/controls.py`. The slow tests hold every row to what it says of them
(`tests/benchmark/run/test_controls.py`).
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmark.metrics.metric import Chain, Metric
from benchmark.metrics.panel import PANEL
from benchmark.metrics.table import METRICS
from models.weights.registry import entry
from suite.files import write_whole

PAGE = Path(__file__).parent / "metrics.md"
HEAD = """# Every number

Drawn from `METRICS` in `benchmark/metrics/table.py` by `python docs/make_metrics.py`. How they are computed and which compare
with the paper: [numbers.md](numbers.md).

*Ranks rightly* and *ranks wrongly* are orders of the controls (better first) that a slow test measures on painted portraits at
64 px, with the network's own weights, or, where those are not free to pass on, with random ones, which know less: an order that
holds with random weights is the least that the published ones owe. Where nothing is said nothing was measured.
"""
PANEL_WORDS = """\
Instruments of `--set panel='[...]'`; profile `paper` has all but `painted-style-encoder`. Weights are looked up in
`--weights-folder`, then in the cache, then fetched where they have an address ([weights.md](weights.md)).
"""
BETTER = {True: "higher", False: "lower", None: "neither"}
MEASURES = {"identity": "identity similarity", "style": "style similarity", "structure": "CFSD", "sets": "ArtFID"}


def name(metric: Metric) -> str:
    """Its names as a reader knows them."""
    return metric.names.replace("(FID|FD).*-infinity", "FID-infinity, FD-...-infinity").replace("|", ", ")


def chains(orders: tuple[Chain, ...]) -> str:
    """Orders of controls in words."""
    return "; ".join(" > ".join(chain) for chain in orders)


def table(heads: tuple[str, ...], rows: list[tuple[str, ...]]) -> list[str]:
    """Lines of a table."""
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    return [*lines, *(f"| {' | '.join(row)} |" for row in rows), ""]


def metrics() -> list[tuple[str, ...]]:
    """One row per metric."""
    return [
        (f"`{name(m)}`", BETTER[m.higher], m.against, m.weights, chains(m.orders), chains(m.wrong), m.vouched)
        for m in METRICS
    ]


def panel() -> list[tuple[str, ...]]:
    """One row per instrument."""
    out = []
    for one, row in PANEL.items():
        files = ", ".join(f"`{entry(file).file}`" for file in row.weights) or f"extra `{row.extra}`"
        terms = "; ".join(entry(file).license for file in row.weights) or "CC0-1.0 (dlib-models)"
        out.append((f"`{one}`", MEASURES[row.of], files, terms))
    return out


def page() -> str:
    """The page's text."""
    heads = ("number", "better", "compared with", "needs", "ranks rightly", "ranks wrongly", "shown with")
    lines = [HEAD, *table(heads, metrics()), "## What they are", ""]
    lines += [f"- **{m.title}.** {m.what} {m.read}" for m in METRICS if m.title]
    lines += ["", "## The panel", "", PANEL_WORDS]
    return "\n".join([*lines, *table(("instrument", "measures", "weights", "terms"), panel())])


if __name__ == "__main__":
    write_whole(PAGE, page())
