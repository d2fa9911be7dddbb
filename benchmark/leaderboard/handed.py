"""Handed-out inputs in a release's place: a method answers the very pictures and seeds that anybody else was given."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from benchmark.leaderboard.inputs import InputsCard, Seeds, face_name, pair_name, read_card
from benchmark.leaderboard.picture_folder import read_png
from benchmark.tasks.protocol import EvalPairs
from models.data.release import Release
from suite.errors import SuiteError


@dataclass(frozen=True)
class HandedPairs(EvalPairs):
    """A draw of which the seeds are known and not what they came from.

    Attributes:
        given: the card's seeds.
    """

    given: Seeds

    def face_seed(self, face: int) -> int:
        return self.given.face[face]

    def style_seed(self, face: int, style: int) -> int:
        return self.given.style[face][style]

    def sample_seed(self, face: int, style: int) -> int:
        return self.given.sample[face][style]


class HandedInputs(Release):
    """The pictures of handed-out inputs: the faces, then each face's references."""

    def __init__(self, folder: Path, card: InputsCard) -> None:
        faces = [folder / "faces" / face_name(f) for f in range(card.faces)]
        styles = [folder / "styles" / pair_name(f, k) for f in range(card.faces) for k in range(card.styles)]
        self.paths = faces + styles
        columns = ("file", "sha256", "pixel_sha256", "domain", "split", "cluster")
        manifest = pd.DataFrame({"id": [path.stem for path in self.paths]})
        manifest = manifest.assign(**dict.fromkeys(columns, ""), offset=0, bytes=0, recipe=card.recipe, factors=None)
        about = {"name": folder.name, "recipe": card.recipe, "size": card.size}
        super().__init__(folder, about, manifest, card.manifest)

    def png(self, index: int) -> bytes:
        return self.paths[index].read_bytes()

    def image(self, index: int) -> np.ndarray:
        """Picture `index`: (S, S, 3) uint8.

        Raises:
            SuiteError: not a square RGB PNG.
        """
        return read_png(self.paths[index])[1]


def open_handed(folder: Path) -> tuple[InputsCard, HandedInputs, HandedPairs]:
    """What `aahq-bench inputs` wrote, ready to be answered.

    Raises:
        SuiteError: no card there, seeds that are not as many as the pictures, or a picture that is missing.
    """
    card = read_card(folder)
    inputs = HandedInputs(folder, card)
    check_whole(folder, inputs.paths)
    seeds = card.seeds
    each_style = all(len(many) == card.faces for many in (seeds.face, seeds.style, seeds.sample)) and all(
        len(row) == card.styles for rows in (seeds.style, seeds.sample) for row in rows
    )
    if not each_style:
        raise SuiteError(f"--inputs {folder}: its seeds are not one a face and one a style; hand them out again")
    rows = range(card.faces, len(inputs.paths))
    pairs = HandedPairs(
        card.seed,
        tuple(range(card.faces)),
        tuple(tuple(rows[f * card.styles : (f + 1) * card.styles]) for f in range(card.faces)),
        seeds,
    )
    return card, inputs, pairs


def check_whole(folder: Path, paths: list[Path]) -> None:
    """Refuse inputs of which pictures are missing."""
    if lacking := [path for path in paths if not path.is_file()]:
        raise SuiteError(f"--inputs {folder}: {lacking[0]} is missing, {len(lacking)} in all; hand them out again")
