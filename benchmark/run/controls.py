"""Figures to read beside a cell's own: what real pictures, noise and the truth itself score."""

from __future__ import annotations

import numpy as np

from benchmark.metrics.factor_metrics import TruthReader
from benchmark.metrics.lpips import Diversity
from benchmark.run.cell_features import Extractors, RealSet
from benchmark.run.generate import read_rows
from benchmark.tasks.protocol import Draws


def _truth(reader: TruthReader, real: RealSet, draws: Draws, faces: int = 20) -> dict[str, float]:
    """What the reader says of the faces and references themselves: the most that a method can be expected to reach."""
    run = range(min(faces, draws.faces))
    sources = read_rows(real.release, [draws.face_rows[f] for f in run]).repeat_interleave(draws.styles, 0)
    references = read_rows(real.release, [row for f in run for row in draws.style_rows[f]])
    kept = reader.identity_kept(sources, real.release, draws, run)
    followed = reader.style_followed(references, real.release, draws, run)
    return {
        "true identity kept of the faces themselves": float(kept.mean()),
        "true style followed of the references themselves": float(followed.mean()),
    }


def controls(extractors: Extractors, real: RealSet, draws: Draws, groups: int = 20) -> dict[str, float]:
    """What to read beside the figures: diversity of real artistic faces and of noise, and the truth reader's own ceiling."""
    out = _truth(extractors.truth, real, draws) if extractors.truth is not None else {}
    return out | (_diversity_controls(extractors.diversity, real, draws.styles, groups) if extractors.diversity else {})


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
