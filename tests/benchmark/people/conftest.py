"""A small study: four faces in three styles, answered by three toy methods."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmark.leaderboard.inputs import face_name, hand_out, pair_name
from benchmark.leaderboard.seed import Seed
from benchmark.tasks.settings import Reproduce
from models.data.release import open_release
from tests.benchmark.toys import write_release

FACES, STYLES = 4, 3


def _mixed(face: np.ndarray, style: np.ndarray, share: float) -> np.ndarray:
    return (share * face + (1 - share) * style).astype(np.uint8)


@pytest.fixture(scope="session")
def handed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `aahq-bench inputs` writes, and `good`, `plain`, `poor` beside it: three methods' pictures."""
    folder = tmp_path_factory.mktemp("people")
    settings = Reproduce(faces=FACES, styles=STYLES, methods=())
    hand_out(folder / "inputs", open_release(write_release(folder / "data")), settings, "toy", Seed("0"))
    rng = np.random.default_rng(0)
    answers: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
        "good": lambda face, style: _mixed(face, style, 0.6),
        "plain": lambda face, style: face,
        "poor": lambda face, style: rng.integers(0, 256, face.shape).astype(np.uint8),
    }
    for name, answer in answers.items():
        (folder / name).mkdir()
        for f in range(FACES):
            face = np.asarray(Image.open(folder / "inputs" / "faces" / face_name(f))).astype(float)
            for k in range(STYLES):
                style = np.asarray(Image.open(folder / "inputs" / "styles" / pair_name(f, k))).astype(float)
                Image.fromarray(answer(face, style).astype(np.uint8)).save(folder / name / pair_name(f, k))
    return folder
