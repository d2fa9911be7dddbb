"""What figures are drawn from and on: one draw of faces and styles, the methods' pictures, and labelled grids."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from benchmark.run.generate import Generation, read_rows, resize
from benchmark.run.methods import load
from benchmark.run.reproduction import Reproduction
from benchmark.run.training import find_weights
from benchmark.tasks.paper import Guidance
from benchmark.tasks.protocol import EvalPairs, sample_pairs
from models.data.release import Release
from suite.errors import SuiteError

LABEL = 18


@dataclass(frozen=True)
class FigureContext:
    """What figures are drawn from.

    Attributes:
        size: side of one picture in a grid, in pixels.
        faces: how many rows of faces a figure shows.
        psp: pSp encoder for given faces; looked for beside other published weights when None.
        gram_codes: BlendGAN trained on Gram matrices as style codes, for the ablation.
        finetuned: (weights, style picture) of one-shot finetunings.
    """

    work: Reproduction
    release: Release
    draws: EvalPairs
    size: int = 128
    faces: int = 4
    psp: Path | None = None
    gram_codes: Path | None = None
    finetuned: tuple[tuple[Path, Path], ...] = ()

    @classmethod
    def open(cls, work: Reproduction, size: int = 128, faces: int = 4, **weights: Any) -> FigureContext:
        """The release and a draw of its own; the same faces and styles in every figure."""
        release = work.open()
        settings = work.settings
        draws = sample_pairs(release, faces, 6, "figures", settings.face_split, settings.style_split)
        return cls(work, release, draws, size, faces, **weights)

    def weights(self, method: str) -> Path | None:
        """The weights of a method, None where it needs none; SuiteError says why it has none."""
        weights, why = find_weights(self.work, self.work.method(method))
        if weights is None and why:
            raise SuiteError(f"{method}: {why}")
        return weights

    def pictures(self, method: str, guidance: Guidance, indicator: int | None = None) -> Tensor:
        """(faces, styles, 3, size, size) uint8 of a method; SuiteError says why it has none."""
        weights = self.weights(method)
        answerer = load(method, weights, self.work.device, **self.work.options(method, indicator))
        generation = Generation(
            answerer, guidance, self.draws, self.release, self.work.settings.batch, self.work.device
        )
        block = generation.block(range(self.faces))
        return resize(block.pictures, self.size).unflatten(0, (self.faces, self.draws.styles))

    def sources(self) -> Tensor:
        """(faces, 3, size, size) uint8 face photographs of the draw."""
        return read_rows(self.release, list(self.draws.face_rows), self.size)

    def references(self, face: int) -> Tensor:
        """(styles, 3, size, size) uint8 references of a face."""
        return read_rows(self.release, list(self.draws.style_rows[face]), self.size)


def grid(rows: Sequence[Tensor], labels: Sequence[str]) -> Image.Image:
    """Rows of uint8 pictures (N, 3, S, S) below one another, a label over each row. Returns an RGB picture."""
    side, columns = rows[0].shape[-1], max(len(row) for row in rows)
    sheet = Image.new("RGB", (columns * side, len(rows) * (side + LABEL)), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default()
    for number, (row, label) in enumerate(zip(rows, labels, strict=True)):
        top = number * (side + LABEL)
        pen.text((3, top + 3), label, fill="black", font=font)
        for column, picture in enumerate(row):
            sheet.paste(Image.fromarray(picture.permute(1, 2, 0).numpy()), (column * side, top + LABEL))
    return sheet
