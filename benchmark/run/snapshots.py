"""Scores of a training run's checkpoints, taken while it trains by a process of its own.

Whatever a discriminator trains on is never what the score is taken on: FD-lite0 and KD-lite0 on held-out pictures. The
best checkpoint is kept beside the run's own, which rotate away.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
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
from models.data.pictures import nearest_uint8
from models.data.sources import Pictures
from models.method import Face, Method, Mode
from models.training.checkpoint import STATE, all_checkpoints
from suite.errors import SuiteError
from suite.files import whole_file, write_json

SCORES, BEST, CURVE = "scores.jsonl", "best", "scores.png"
BATCH = 20
# The paper's indicator of a face without any style; the adapter scales it to the generator's layers.
NATURAL = 18


@dataclass(frozen=True)
class View:
    """One way of asking a method for pictures, and the pictures that the answer should look like.

    Attributes:
        name: `face` (invented, no style), `latent` or `reference` (stylised).
        domain: "photo" or "art".
        mode: how the method is asked.
        options: of the method's factory.
    """

    name: str
    domain: str
    mode: Mode
    options: dict[str, Any] = field(default_factory=dict)


VIEWS = {
    "face": View("face", "photo", "latent", {"indicator": NATURAL}),
    "latent": View("latent", "art", "latent"),
    "reference": View("reference", "art", "reference"),
}


@dataclass(frozen=True)
class Run:
    """A training run's folder as the scorer sees it: which method, which pictures it should make."""

    folder: Path
    name: str
    config: dict[str, Any]

    @classmethod
    def open(cls, folder: Path) -> Run:
        """The run in `folder`.

        Raises:
            SuiteError: no run there.
        """
        try:
            run = json.loads((folder / "run.json").read_text())
            return cls(folder, str(run["name"]), dict(run["config"]))
        except (OSError, ValueError, KeyError, TypeError):
            raise SuiteError(f"RUN {folder}: not a run's folder (no readable run.json)") from None

    def views(self) -> list[View]:
        """What the run trains for: BlendGAN's faces and, where its style games are on, its stylised faces."""
        if self.name != "blendgan":
            return [VIEWS["reference"]]
        weights = (self.config.get("style_weight", 1), self.config.get("style_latent_weight", 1))
        faces = [VIEWS["face"]] if self.config.get("face_weight", 1) else []
        return faces + ([VIEWS["latent"], VIEWS["reference"]] if any(weights) else [])

    def checkpoints(self) -> list[Path]:
        """The whole checkpoints that are there now, oldest first."""
        return all_checkpoints(self.folder / "checkpoints")

    def ended(self) -> bool:
        """Whether training is over."""
        return (self.folder / "summary.json").is_file()

    def scored(self) -> list[dict[str, Any]]:
        """The scores so far, by step."""
        path = self.folder / SCORES
        lines = path.read_text().splitlines() if path.is_file() else []
        return sorted((json.loads(line) for line in lines if line.endswith("}")), key=lambda score: score["step"])


def step_of(checkpoint: Path) -> int:
    """The step in a checkpoint's name."""
    return int(checkpoint.name.removeprefix("step-"))


@contextmanager
def snapshot(run: Run, checkpoint: Path) -> Iterator[Path]:
    """One checkpoint's weights as a run's folder of their own: the run may delete its checkpoint meanwhile.

    Raises:
        FileNotFoundError: it is deleted already.
    """
    with tempfile.TemporaryDirectory(prefix=".snapshot-", dir=run.folder) as place:
        copy_weights(run, checkpoint, Path(place))
        yield Path(place)


def copy_weights(run: Run, checkpoint: Path, target: Path) -> None:
    """`target` becomes a run's folder with this one checkpoint, without what only resuming needs."""
    inside = target / "checkpoints" / checkpoint.name
    inside.mkdir(parents=True)
    for file in sorted(checkpoint.glob("*.safetensors")):
        if not file.name.startswith("d_"):  # a discriminator makes no pictures
            shutil.copyfile(file, inside / file.name)
    shutil.copyfile(checkpoint / STATE, inside / STATE)
    shutil.copyfile(run.folder / "run.json", target / "run.json")


def open_snapshot(run: Run, folder: Path, view: View, device: str = "cpu") -> Method:
    """The method of a snapshot's folder (see `snapshot`), set for a view."""
    from benchmark.run.methods import load

    weights = next((folder / "checkpoints").glob("step-*")) if run.name == "blendgan" else folder
    return load(run.name, weights, device, **view.options)


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
            found: SetDistance = set_distance(held.real(view.domain, size), made_features(method, view, held))
            views[view.name] = found.named(held.extractor)
            total += found.fd
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
    parts = ", ".join(f"{name} {found[metric]:.1f}" for name, found in score["views"].items())
    return f"step {score['step']}: {metric} {parts}"


def best_of(scores: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The best score."""
    return min(scores, key=lambda score: score["score"])
