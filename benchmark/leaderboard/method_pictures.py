"""A method's pictures for handed-out inputs, and what the folder says of who made them."""

from __future__ import annotations

from pathlib import Path

from PIL import Image
from pydantic import BaseModel, ConfigDict, Field

from benchmark.leaderboard.inputs import pair_name
from benchmark.leaderboard.picture_folder import ABOUT
from benchmark.run.generate import Generation, blocks
from benchmark.run.record import MethodInfo, Sha256
from models.data.pictures import save_png
from suite.files import whole_folder, write_json
from suite.ownership import claim_folder
from suite.profiles import read_json_model
from suite.progress import progress

ABOUT_BYTES = 1 << 20


class Answered(BaseModel):
    """What `method.json` says beside the pictures that a method made.

    Attributes:
        weights: file name -> SHA-256 of everything that the method loaded.
        invents_faces: whether it left the given faces aside.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    method: MethodInfo
    weights: dict[str, Sha256] = Field(default_factory=dict, max_length=50)
    invents_faces: bool = False


def read_answered(folder: Path) -> Answered | None:
    """What a folder of pictures says of its method; None where it says nothing.

    Raises:
        SuiteError: a `method.json` that does not fit.
    """
    path = folder / ABOUT
    if not path.is_file():
        return None
    return read_json_model(Answered, path, "DIR", ABOUT_BYTES, "delete it, or make the pictures again")


def check_new(folder: Path) -> None:
    """Refuse a place that holds something or cannot be written, before the work."""
    claim_folder("--out", folder, lambda _: False, "that may be written over")


def write_answers(folder: Path, generation: Generation, about: Answered, faces_a_block: int) -> int:
    """Write a method's pictures, one a style, and `method.json`; the folder is there when all of them are.

    Returns:
        How many pictures.

    Raises:
        SuiteError: the folder holds something, or the method's answer is no measurement.
    """
    check_new(folder)
    draws = generation.draws
    folder.parent.mkdir(parents=True, exist_ok=True)
    with whole_folder(folder, ABOUT) as part, progress(None, about.method.name, total=draws.faces, unit="face") as bar:
        for run in blocks(draws.faces, faces_a_block):
            pictures = iter(generation.block(run).pictures.permute(0, 2, 3, 1).numpy())
            for name in (pair_name(f, k) for f in run for k in range(draws.styles)):
                save_png(part / name, Image.fromarray(next(pictures)), {"method": about.method.name})
            bar.update(len(run))
        write_json(part / ABOUT, about.model_dump())
        # Judges and those who score may be others than who made them.
        part.chmod(0o755)
    return draws.faces * draws.styles
