"""A few pictures beside a record, small, for people to look at; no number comes from them."""

from __future__ import annotations

import io
import re
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from benchmark.leaderboard.inputs import face_name, pair_name
from benchmark.run.generate import Generation, read_rows, resize
from suite.files import write_whole
from suite.pictures.machine_made import save_made

FOLDER = "samples"
FACES, STYLES, SIDE = 3, 4, 128
NAME = re.compile(r"^f\d{4}(-s\d{2})?\.webp$")


def write_samples(records: Path, stem: str, generation: Generation, faces: int = FACES, styles: int = STYLES) -> Path:
    """Write the first faces x styles pictures under `samples/STEM`, and the faces and references that they answer.

    Faces and references are shared by all records of a draw: `samples/inputs-DRAW`.
    """
    draws, release = generation.draws, generation.release
    faces, styles = min(faces, draws.faces), min(styles, draws.styles)
    block = generation.block(range(faces))
    folder = records / FOLDER / stem
    inputs = records / FOLDER / f"inputs-{draws.digest[:12]}"
    for f in range(faces):
        _save(inputs / face_name(f), read_rows(release, [draws.face_rows[f]])[0])
        for k in range(styles):
            _save(inputs / pair_name(f, k), read_rows(release, [draws.style_rows[f][k]])[0])
            _save(folder / pair_name(f, k), block.pictures[f * draws.styles + k], made=True)
    return folder


def _save(path: Path, picture: Tensor, made: bool = False) -> None:
    side = min(SIDE, picture.shape[-1])
    small = resize(picture[None].to(torch.uint8), side)[0].permute(1, 2, 0).numpy()
    buffer = io.BytesIO()
    if made:
        save_made(Image.fromarray(small), buffer, "WEBP", quality=88, method=6)
    else:
        Image.fromarray(small).save(buffer, "WEBP", quality=88, method=6)
    write_whole(path.with_suffix(".webp"), buffer.getvalue())
