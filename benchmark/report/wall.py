"""The wall: the same faces and styles through every method and every control, one below the other."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from PIL import Image
from torch import Tensor

from benchmark.report.figure_context import FigureContext, grid
from benchmark.report.figures import ORDER
from benchmark.run.control_pictures import CONTROLS, Stage, missing, paint_answers
from benchmark.run.generate import resize
from benchmark.tasks.controls import NOISE, REAL, SHUFFLED
from suite.errors import SuiteError

# These answer neither the face nor the style of a column.
UNSHOWN = (REAL, SHUFFLED, NOISE)
STYLES = 2


def wall(context: FigureContext, methods: Sequence[str] = ORDER) -> tuple[Image.Image, dict[str, str]]:
    """A column a pair of face and style, a row a method or control; and why the others are missing."""
    columns = [(face, style) for face in range(context.faces) for style in range(STYLES)]

    def picked(pictures: Tensor) -> Tensor:
        """(faces, styles, 3, S, S) -> the columns' pictures."""
        return torch.stack([pictures[face, style] for face, style in columns])

    references = torch.stack([context.references(face) for face in range(context.faces)])
    sources = context.sources().unsqueeze(1).expand_as(references)
    rows, labels = [picked(sources), picked(references)], ["face", "style"]
    absent: dict[str, str] = {}
    for name, pictures in _controls(context, absent).items():
        rows.append(picked(pictures))
        labels.append(f"control: {name}")
    for name in methods:
        try:
            rows.append(picked(context.pictures(name, "reference", 0 if name == "BlendGAN" else None)))
        except SuiteError as error:
            absent[name] = str(error)
            continue
        labels.append(f"{name} (invents its own faces; i = 0)" if name == "BlendGAN" else name)
    return grid(rows, labels), absent


def _controls(context: FigureContext, absent: dict[str, str]) -> dict[str, Tensor]:
    world = context.release.world
    answers = paint_answers(context.release, context.draws, world, context.work.folder / "wall") if world else None
    stage = Stage(context.draws, context.release, context.release.size, answers)
    rows = {}
    for control in CONTROLS:
        if control.name in UNSHOWN:
            continue
        if why := missing(control, stage):
            absent[control.name] = why
            continue
        made = resize(control.make(stage, range(context.faces)), context.size)
        rows[control.name] = made.unflatten(0, (context.faces, context.draws.styles))
    return rows
