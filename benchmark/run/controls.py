"""Figures to read beside a cell's own: the diversity of real pictures and of noise."""

from __future__ import annotations

import numpy as np

from benchmark.metrics.lpips import Diversity
from benchmark.run.generate import read_rows
from benchmark.run.instruments import Extractors
from benchmark.run.real_set import RealSet
from benchmark.tasks.protocol import EvalPairs


def controls(extractors: Extractors, real: RealSet, draws: EvalPairs, groups: int = 20) -> dict[str, float]:
    """What to read beside the figures: diversity of real artistic faces and of noise."""
    return _diversity_controls(extractors.diversity, real, draws.styles, groups) if extractors.diversity else {}


def _diversity_controls(diversity: Diversity, real: RealSet, styles: int, groups: int) -> dict[str, float]:
    name = diversity.name
    rows = real.held_rows or real.rows
    groups = min(groups, len(rows) // styles)
    out = {f"{name} of noise": diversity.noise(groups or 1, styles)}
    if groups:
        values = [
            float(diversity.of_faces(read_rows(real.release, rows[i * styles : (i + 1) * styles]), styles).mean())
            for i in range(groups)
        ]
        out[f"{name} of real pictures"] = float(np.mean(values))
    return out
