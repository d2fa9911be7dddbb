"""Distances between two sets of pictures, wherever they lie: what training watches and `aahq-bench distance` prints."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from benchmark.metrics.extractors.features import Extractor
from benchmark.metrics.frechet import frechet_distance
from benchmark.metrics.gaussian import fit
from benchmark.metrics.mmd import kernel_influence
from benchmark.run.generate import resize
from models.data.sources import Pictures, decoded
from suite.errors import SuiteError

READ = 64
SHEET = "sheet.png"  # an overview that `blendgan sample` puts beside its pictures
Change = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class SetDistance:
    """How far a set of pictures lies from a real one.

    Attributes:
        fd: Fréchet distance; kd: unbiased polynomial MMD^2 (KID's kernel), both in the extractor's features.
        n_real, n_fake: pictures on either side. With no more pictures than features a Fréchet distance compares only
            with one over the same numbers of pictures.
    """

    fd: float
    kd: float
    n_real: int
    n_fake: int

    def named(self, extractor: Extractor) -> dict[str, float]:
        """The numbers under their own names."""
        return {
            extractor.fd_name: self.fd,
            extractor.kernel_name: self.kd,
            "n_real": self.n_real,
            "n_fake": self.n_fake,
        }


def read_pictures(source: Pictures, rows: Sequence[int], size: int | None = None) -> Tensor:
    """(N, 3, S, S) uint8 pictures of a source; the side is that of the first one unless `size` says another.

    Raises:
        SuiteError: a picture that cannot be read, or that is not square.
    """
    out = []
    for row in rows:
        try:
            picture = torch.from_numpy(decoded(source.read(row)).copy()).permute(2, 0, 1)[None]
        except (OSError, ValueError) as error:
            raise SuiteError(f"{source.names[row]}: not a readable picture ({error})") from None
        if picture.shape[-1] != picture.shape[-2]:
            raise SuiteError(
                f"{source.names[row]}: {picture.shape[-1]} x {picture.shape[-2]} pixels; expected a square"
            )
        size = size or picture.shape[-1]
        out.append(resize(picture, size))
    return torch.cat(out)


def set_features(
    source: Pictures, rows: Sequence[int], extractor: Extractor, size: int | None = None, change: Change | None = None
) -> np.ndarray:
    """(N, dim) float32 features of rows of a source.

    Args:
        size: side that pictures are brought to before the extractor sees them: that of the other set.
        change: applied to each batch (N, 3, S, S) uint8 before that; for controls.
    """
    parts = []
    for start in range(0, len(rows), READ):
        pictures = read_pictures(source, rows[start : start + READ], size)
        parts.append(extractor(change(pictures) if change else pictures).numpy())
    return np.concatenate(parts)


def set_distance(real: np.ndarray, fake: np.ndarray) -> SetDistance:
    """The distances between two sets of features (N, D) and (M, D)."""
    fd = frechet_distance(fit(real), fit(fake))
    return SetDistance(fd, kernel_influence(real, fake)[0], len(real), len(fake))


def chosen_rows(source: Pictures, count: int, seed: int = 0) -> list[int]:
    """`count` rows of a source at random, or all of them where it holds no more; the sheet of `blendgan sample` is none."""
    rows = [row for row, name in enumerate(source.names) if name != SHEET]
    order = np.random.default_rng(seed).permutation(len(rows))
    return [rows[row] for row in order[:count]]


def through(side: int) -> Change:
    """Shrinks pictures to `side` pixels and enlarges them again: what is lost at that size."""

    def change(pictures: Tensor) -> Tensor:
        small = F.interpolate(pictures.float(), (side, side), mode="bicubic", antialias=True, align_corners=False)
        return resize(small.clamp(0, 255).round().to(torch.uint8), pictures.shape[-1])

    return change


def noise(pictures: Tensor) -> Tensor:
    """Uniform noise in the pictures' place."""
    draw = torch.Generator().manual_seed(int(pictures.long().sum()))
    return torch.randint(0, 256, pictures.shape, generator=draw, dtype=torch.uint8)


def scale_of(
    source: Pictures, count: int, extractor: Extractor, size: int | None, seed: int = 0
) -> dict[str, SetDistance]:
    """What to read a distance by: real pictures against others of their own set, whole, through 32 and 16 px, and noise.

    Raises:
        SuiteError: fewer than two sets of `count` pictures.
    """
    rows = chosen_rows(source, 2 * count, seed)
    if len(rows) < 2 * count:
        raise SuiteError(f"--scale: two sets of {count} real pictures are needed, there are {len(rows)}; lower --count")
    first, second = rows[:count], rows[count:]
    real = set_features(source, first, extractor, size)
    changes: dict[str, Change | None] = {
        "real": None,
        "real through 32 px": through(32),
        "real through 16 px": through(16),
        "noise": noise,
    }
    return {
        name: set_distance(real, set_features(source, second, extractor, size, change))
        for name, change in changes.items()
    }


def as_numbers(scale: dict[str, SetDistance]) -> dict[str, dict[str, float]]:
    """The same as plain numbers, for JSON."""
    return {name: asdict(one) for name, one in scale.items()}
