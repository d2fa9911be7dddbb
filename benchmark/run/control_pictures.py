"""Controls: pictures whose place in every table is known beforehand, measured like a method's and never ranked with them.

What the painter himself answers is the most that any method can reach; noise is the least. A metric that does not order
them so says nothing of methods.
"""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from benchmark.run.generate import Block, read_rows
from benchmark.tasks.controls import COLOURS, NOISE, PAINTED, REAL, SHUFFLED, UNCHANGED
from benchmark.tasks.paper import Guidance
from benchmark.tasks.protocol import EvalPairs, seed_of
from models.data.release import Release, open_release
from suite.children import run_command
from suite.errors import SuiteError
from suite.files import write_whole


@dataclass(frozen=True)
class Stage:
    """What a control is made from.

    Attributes:
        size: side of the methods' pictures.
        answers: the painter's answers, K to a face, in the draw's order; None where nobody knows them.
        spare: rows of real artistic faces outside of the real set.
    """

    draws: EvalPairs
    release: Release
    size: int
    answers: Release | None = None
    spare: tuple[int, ...] = ()

    def sources(self, faces: range) -> Tensor:
        """The face pictures, each as often as it has styles."""
        rows = [self.draws.face_rows[face] for face in faces]
        return read_rows(self.release, rows, self.size).repeat_interleave(self.draws.styles, 0)

    def references(self, faces: range) -> Tensor:
        """The references, in order."""
        return read_rows(self.release, [row for face in faces for row in self.draws.style_rows[face]], self.size)

    def answered(self, places: list[int]) -> Tensor:
        """The painter's answers by their places in the draw."""
        assert self.answers is not None, "controls that need the painter are left out without his answers"
        return read_rows(self.answers, places, self.size)

    def places(self, faces: range) -> list[int]:
        """Where the pictures of `faces` stand among all of the draw."""
        return list(range(faces.start * self.draws.styles, faces.stop * self.draws.styles))


def painted(stage: Stage, faces: range) -> Tensor:
    """The face's own person, pose and light in the reference's style, by the painter himself."""
    return stage.answered(stage.places(faces))


def unchanged(stage: Stage, faces: range) -> Tensor:
    """The face as it was given."""
    return stage.sources(faces)


def colours(stage: Stage, faces: range) -> Tensor:
    """The face with the mean and the covariance of the reference's colours (Reinhard et al. 2001, in RGB, whole picture)."""
    face, style = stage.sources(faces).float() / 255, stage.references(faces).float() / 255
    return (with_colours(face, style) * 255).round().clamp(0, 255).to(torch.uint8)


def with_colours(face: Tensor, style: Tensor) -> Tensor:
    """(N, 3, H, W) faces whose pixels have the styles' mean and covariance; the linear map is that of Monge."""
    pixels, wanted = face.flatten(2).double(), style.flatten(2).double()
    mean, aim = pixels.mean(2, keepdim=True), wanted.mean(2, keepdim=True)
    own, other = (_covariance(p) for p in (pixels, wanted))
    root, inverse = _root(own), torch.linalg.inv(_root(own))
    transfer = inverse @ _root(root @ other @ root) @ inverse
    return (transfer @ (pixels - mean) + aim).view(face.shape).clamp(0, 1).float()


def _covariance(pixels: Tensor) -> Tensor:
    centred = pixels - pixels.mean(2, keepdim=True)
    # A picture of one colour has no covariance; this much keeps the map finite.
    return centred @ centred.transpose(1, 2) / pixels.shape[2] + 1e-5 * torch.eye(3, dtype=pixels.dtype)


def _root(matrix: Tensor) -> Tensor:
    values, vectors = torch.linalg.eigh(matrix)
    return vectors @ torch.diag_embed(values.clamp(min=0).sqrt()) @ vectors.transpose(1, 2)


def shuffled(stage: Stage, faces: range) -> Tensor:
    """The painter's answers to other faces and other references: right pictures, wrong ones."""
    total = stage.draws.faces * stage.draws.styles
    order = np.random.default_rng(seed_of(stage.draws.seed, "random pairing")).permutation(total)
    # A turn by one in a random circle: no picture keeps its place.
    turned = np.empty(total, int)
    turned[order] = np.roll(order, 1)
    return stage.answered([int(turned[place]) for place in stage.places(faces)])


def noise(stage: Stage, faces: range) -> Tensor:
    """Uniform noise."""
    draw = torch.Generator().manual_seed(seed_of(stage.draws.seed, "noise", faces.start) % 2**32)
    shape = (len(faces) * stage.draws.styles, 3, stage.size, stage.size)
    return torch.randint(0, 256, shape, generator=draw, dtype=torch.uint8)


def real(stage: Stage, faces: range) -> Tensor:
    """Real artistic faces that are not in the real set: the floor of every distance."""
    return read_rows(stage.release, [stage.spare[place] for place in stage.places(faces)], stage.size)


@dataclass(frozen=True)
class Control:
    """One control.

    Attributes:
        name: as tables print it.
        make: its pictures of some faces.
        needs: what it cannot be made without: the painter's `answers`, or `spare` real pictures.
        answers: whether it claims to answer face and reference; real pictures do not.
    """

    name: str
    make: Callable[[Stage, range], Tensor]
    needs: Literal["", "answers", "spare"] = ""
    answers: bool = True


CONTROLS = (
    Control(REAL, real, "spare", answers=False),
    Control(PAINTED, painted, "answers"),
    Control(COLOURS, colours),
    Control(UNCHANGED, unchanged),
    Control(SHUFFLED, shuffled, "answers"),
    Control(NOISE, noise),
)


@dataclass(frozen=True)
class _Answerer:
    """What measuring asks of a method."""

    name: str
    resolution: int
    face: Literal["image", "seed"]


class ControlGeneration:
    """A control in the place of a method's `Generation`."""

    def __init__(self, control: Control, stage: Stage) -> None:
        self.control, self.stage = control, stage
        self.draws, self.release = stage.draws, stage.release
        self.guidance: Guidance = "reference" if control.answers else "latent"
        self.method = _Answerer(control.name, stage.size, "image" if control.answers else "seed")

    def block(self, faces: range) -> Block:
        """The control's pictures of `faces`."""
        sources = None
        if self.control.answers:
            rows = [self.draws.face_rows[face] for face in faces]
            sources = read_rows(self.release, rows, self.stage.size)
        return Block(faces, self.control.make(self.stage, faces), sources)


def missing(control: Control, stage: Stage) -> str:
    """Why a control cannot be made here; "" where it can."""
    if control.needs == "answers" and stage.answers is None:
        return "only painted portraits have a right answer, and these are not (or --set answers=false)"
    wanted = stage.draws.faces * stage.draws.styles
    if control.needs == "spare" and len(stage.spare) < wanted:
        return (
            f"{wanted} real pictures besides the real set are needed, there are {len(stage.spare)}; --set real_pictures"
        )
    return ""


def paint_answers(release: Release, draws: EvalPairs, world: str, folder: Path) -> Release:
    """The painter's answers to a draw as a release, painted into `folder` unless they are there.

    Raises:
        SuiteError: the painter's own last words.
    """
    target = folder / f"answers-{draws.digest[:16]}"
    if not (target / "release.json").is_file():
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(["identity", "style", "variation"])
        for face, styles in zip(draws.face_rows, draws.style_rows):
            who = _factors(release, face)
            writer.writerows((who["identity"], _factors(release, row)["style"], who["variation"]) for row in styles)
        write_whole(folder / f"{target.name}.csv", out.getvalue())
        command = [sys.executable, "-m", "aahq", "portraits", str(target), "--list", str(folder / f"{target.name}.csv")]
        done = run_command(
            [*command, "--size", str(release.size), "--world", world, "--form", "shards"],
            capture_output=True,
            text=True,
        )
        if done.returncode:
            words = done.stderr.strip().splitlines()
            raise SuiteError(
                f"answers: 'aahq portraits --list' failed: {words[-1][:300] if words else done.returncode}"
            )
    return open_release(target)


def _factors(release: Release, row: int) -> dict[str, Any]:
    factors = release.factors(row)
    assert factors is not None, "a world is known where a picture has no factors"
    return factors
