"""Scores of a training run's checkpoints: FD-lite0 and KD-lite0 on pictures that nothing of the run has seen.

The best checkpoint is kept beside the run's own.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmark.metrics.extractors.features import Extractor
from benchmark.metrics.sets import (
    Change,
    SetDistance,
    chosen_rows,
    read_pictures,
    set_distance,
    set_features,
    through,
)
from benchmark.run.generate import to_float
from benchmark.run.snapshots import Run, View, open_snapshot, snapshot, step_of
from models.data.pictures import nearest_uint8
from models.data.sources import Pictures
from models.method import Face, Method
from suite.errors import SuiteError
from suite.files import whole_file, write_json

BEST, CURVE = "best", "scores.png"

BATCH = 20


@dataclass
class HeldOut:
    """Pictures that training never sees, by domain, with what a score needs of them."""

    sources: dict[str, Pictures]
    extractor: Extractor
    count: int
    seed: int = 0
    _real: dict[tuple[str, int], np.ndarray] = field(default_factory=dict)

    def rows(self, domain: str, part: int) -> list[int]:
        """Rows of a domain: part 0 is compared with, part 1 is shown (references, faces), where there are enough."""
        source = self.sources[domain]
        order = chosen_rows(source, len(source.names), self.seed)
        if len(order) < 2 * self.count:
            return order[: self.count]
        return order[part * self.count : (part + 1) * self.count]

    def real(self, domain: str, size: int) -> np.ndarray:
        """Features of the pictures that are compared with, at the method's size."""
        key = (domain, size)
        if key not in self._real:
            self._real[key] = set_features(self.sources[domain], self.rows(domain, 0), self.extractor, size)
        return self._real[key]

    def marks(self, domain: str, size: int) -> dict[str, float]:
        """What to read the curve by: FD of other real pictures, whole and through half of the size."""
        changes: dict[str, Change | None] = {"real": None, f"real through {size // 2} px": through(size // 2)}
        known, rows = self.real(domain, size), self.rows(domain, 1)
        return {
            name: set_distance(known, set_features(self.sources[domain], rows, self.extractor, size, change)).fd
            for name, change in changes.items()
        }


@torch.inference_mode()
def made_features(method: Method, view: View, held: HeldOut) -> np.ndarray:
    """(count, dim) features of what a method makes in a view."""
    parts = []
    art = held.rows("art", 1) if view.mode == "reference" else []
    photos = held.rows("photo", 1) if method.face == "image" else []
    count = min(len(rows) for rows in (art, photos, range(held.count)) if rows)
    for start in range(0, count, BATCH):
        seeds = range(start, min(start + BATCH, count))
        pick = slice(seeds.start, seeds.stop)
        face = _faces(method, held, photos[pick], seeds)
        # Style seeds apart from face seeds; both the same for every checkpoint, so that the curve is smooth.
        styles = [10_000_000 + seed for seed in seeds]
        if view.mode == "reference":
            references = to_float(read_pictures(held.sources["art"], art[pick], method.resolution))
            pictures = method.from_reference(face, references, styles)
        else:
            pictures = method.from_latent(face, styles)
        parts.append(held.extractor(nearest_uint8(pictures)).numpy())
    return np.concatenate(parts)


def _faces(method: Method, held: HeldOut, rows: Sequence[int], seeds: range) -> Face:
    if method.face == "seed":
        return Face(seeds=tuple(seeds))
    images: Tensor = to_float(read_pictures(held.sources["photo"], rows, method.resolution))
    return Face(images=images)


def score_checkpoint(run: Run, checkpoint: Path, held: HeldOut) -> dict[str, Any]:
    """`{step, views: {name: {FD-lite0, KD-lite0, ...}}, score}`; the score is the sum of the views' Fréchet distances.

    Raises:
        FileNotFoundError: the run has deleted the checkpoint meanwhile.
        SuiteError: weights that the method refuses, or a `best` of somebody else's in the run's folder.
    """
    if (run.folder / BEST).exists() and not (run.folder / BEST / "score.json").is_file():
        raise SuiteError(f"RUN {run.folder}: its {BEST!r} was not kept by this command; move it elsewhere")
    views: dict[str, Any] = {}
    total, size = 0.0, 0
    with snapshot(run, checkpoint) as folder:
        for view in run.views():
            method = open_snapshot(run, folder, view)
            if view.mode not in method.modes:
                continue  # trained without a style encoder
            size = method.resolution
            distance: SetDistance = set_distance(held.real(view.domain, size), made_features(method, view, held))
            views[view.name] = distance.named(held.extractor)
            total += distance.fd
        score = {"step": step_of(checkpoint), "size": size, "score": total, "views": views}
        if all(total < other["score"] for other in run.scored()):
            _keep_best(run, folder, score)
    return score


def _keep_best(run: Run, folder: Path, score: dict[str, Any]) -> None:
    """`RUN/best` becomes these weights; it is whole at every moment but the one between two renames."""
    part = run.folder / ".best-part"
    shutil.rmtree(part, ignore_errors=True)
    shutil.copytree(folder, part)
    write_json(part / "score.json", score)
    old = run.folder / ".best-old"
    shutil.rmtree(old, ignore_errors=True)
    if (run.folder / BEST).exists():
        (run.folder / BEST).rename(old)
    part.rename(run.folder / BEST)
    shutil.rmtree(old, ignore_errors=True)


def draw_curve(run: Run, marks: dict[str, dict[str, float]], metric: str) -> None:
    """`RUN/scores.png`: each view's distance over the steps, with the real pictures' own as dashed lines."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    scores = run.scored()
    figure, axes = pyplot.subplots(figsize=(7, 4))
    for number, view in enumerate(run.views()):
        colour = f"C{number}"
        points = [(score["step"], score["views"][view.name][metric]) for score in scores if view.name in score["views"]]
        axes.plot(
            *zip(*points, strict=True), "o-", color=colour, markersize=3, label=f"{view.name} against {view.domain}"
        )
    lines = {(domain, name): value for domain, found in marks.items() for name, value in found.items()}
    for (domain, name), value in lines.items():
        axes.axhline(value, color="grey", linestyle="--", linewidth=0.8)
        axes.annotate(f"{domain}: {name}", (0.01, value), xycoords=("axes fraction", "data"), fontsize=7, va="bottom")
    axes.set(xlabel="step", ylabel=f"{metric} (less is better)", yscale="log", title=run.folder.name)
    axes.legend(fontsize=8)
    with whole_file(run.folder / CURVE) as part:
        figure.savefig(part, format="png", dpi=110, bbox_inches="tight")
    pyplot.close(figure)
