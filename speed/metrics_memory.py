"""Memory of measuring one cell: a process of its own at N and at ten times N pictures, through `look` and `measure`."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from benchmark.metrics.extractors.features import Extractor
from benchmark.metrics.gaussian import Gaussian, fit
from benchmark.run.cell_features import extract
from benchmark.run.generate import Block, Generation
from benchmark.run.instruments import Extractors
from benchmark.run.measure import measure
from benchmark.run.real_set import RealSet
from benchmark.tasks.protocol import EvalPairs
from speed.run import Row

FACES, STYLES, DIM, REAL = 120, 10, 128, 2500


def rows() -> list[Row]:
    """Peak memory at ten times the pictures over the peak at N."""
    small, large = (_child(faces) for faces in (FACES, 10 * FACES))
    value = large / small
    note = (
        f"peak anonymous memory of a process that generates and measures a cell: {large:.0f} MB with "
        f"{10 * FACES * STYLES:,} pictures, {small:.0f} MB with {FACES * STYLES:,}; {DIM}-d features, which go to a file "
        "that is mapped"
    )
    return [Row("Memory of a cell, ten times the pictures", value, "x", "at most 1.1", note, value <= 1.1)]


def _child(faces: int) -> float:
    command = [sys.executable, "-m", "speed.metrics_memory", str(faces)]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


class _Means(Extractor):
    """Averages of 8 x 8 blocks, projected: the cheapest extractor that is one."""

    name, fd_name, kernel_name, dim, size = "means", "FD-means", "KD-means", DIM, 64
    resize, weights_sha256, licence = "none", "0" * 64, ""
    projection = torch.randn(192, DIM, generator=torch.Generator().manual_seed(0))

    def embed(self, pictures: Tensor) -> Tensor:
        return torch.nn.functional.adaptive_avg_pool2d(pictures.float() / 255, 8).flatten(1) @ self.projection


class _Inventing:
    """Has no faces to restyle."""

    face = "seed"


@dataclass
class _Noise:
    """Stands for a method's pictures: noise, drawn block by block."""

    draws: EvalPairs
    guidance: str = "latent"
    release: Any = None
    method: Any = None

    def block(self, faces: range) -> Block:
        draw = torch.Generator().manual_seed(faces.start)
        shape = (len(faces) * STYLES, 3, 64, 64)
        return Block(faces, torch.randint(0, 256, shape, generator=draw, dtype=torch.uint8), None)


class _Real(RealSet):
    """Stands for the real side, which does not grow with the pictures of a cell."""

    def __init__(self) -> None:
        rng = np.random.default_rng(0)
        pictures = torch.from_numpy(rng.integers(0, 256, (REAL, 3, 64, 64), dtype=np.uint8))
        self.kept = _Means()(pictures).numpy()
        self.train_rows, self.held_rows = [], []

    def features(self, extractor: Extractor, rows: list[int] | None = None) -> np.ndarray:
        return self.kept

    def gaussian(self, extractor: Extractor) -> Gaussian:
        return fit(self.kept)


def peak(faces: int) -> float:
    """Peak anonymous memory, in MB, of measuring a cell of `faces` x 10 pictures in this process."""
    draws = EvalPairs("0", tuple(range(faces)), tuple((0,) * STYLES for _ in range(faces)))
    extractors, most, done = Extractors(fd=(_Means(),)), [0.0], threading.Event()

    def watch() -> None:
        status = Path("/proc/self/status")
        while not done.is_set():
            line = next(line for line in status.read_text().splitlines() if line.startswith("RssAnon"))
            most[0] = max(most[0], int(line.split()[1]) / 1024)
            time.sleep(0.005)

    watcher = threading.Thread(target=watch)
    watcher.start()
    with tempfile.TemporaryDirectory() as scratch:
        made = cast(Generation, _Noise(draws, method=_Inventing))
        measure(extract(made, extractors, _Real(), Path(scratch), 8, lambda _: None))
    done.set()
    watcher.join()
    return most[0]


if __name__ == "__main__":
    torch.set_num_threads(1)
    print(peak(int(sys.argv[1])))
