"""A training run as others read it: its folder, what it trains for, and its checkpoints' weights, which rotate away."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from models.method import Method, Mode
from models.training.checkpoint import STATE, all_checkpoints
from suite.errors import SuiteError

SCORES = "scores.jsonl"
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
