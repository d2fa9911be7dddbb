"""The file of a reference pack: a safetensors file of arrays, and a card that says what they are of. Nothing in it is run.

Arrays of an extractor NAME of D features: `NAME.mean` (D,) and `NAME.cov` (D (D + 1) / 2,) float64, the upper triangle of the
covariance by rows; `NAME.sample` (S, D) float32, the rows that kernel distances look at; and, where there is room, `NAME.real`,
`NAME.train` and `NAME.held`, for metrics that look at neighbours. Of draw K: `draw-K.faces` (F,) and `draw-K.styles` (F, S)
int64 rows of the release, `draw-K.face-sums` (F, 32) and `draw-K.style-sums` (F, S, 32) uint8 SHA-256 of the pictures' pixels.
`works` (N, 64) float16: sketches of all works of art, by which copies of them are found out.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from benchmark.metrics.gaussian import Gaussian
from benchmark.run.record import Sha256
from benchmark.tasks.protocol import EvalPairs
from suite.errors import SuiteError
from suite.files import canonical_json, sha256_file, whole_file
from suite.profiles import first_fault

# With room for neighbours a pack may be larger, if it is asked for.
MOST_BYTES = 60_000_000
# A card with the factors of every drawn picture of the largest draw stays far below.
CARD_CHARACTERS = 64 << 20
Arrays = dict[str, np.ndarray]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class ExtractorCard(_Strict):
    """One extractor's part: `describe` is everything that its features depend on besides the pictures."""

    name: str = Field(max_length=80)
    describe: dict[str, Any]
    kernel: Literal["polynomial", "gaussian"]
    dim: int = Field(ge=1, le=1 << 16)
    count: int = Field(ge=2)
    neighbours: bool


class DrawCard(_Strict):
    """One public draw."""

    seed: str = Field(max_length=200)
    digest: Sha256


class Moved(_Strict):
    """By how much a take-down moved a distance: of the drawn photographs as they are, and between the two references."""

    metric: str = Field(max_length=80)
    before: float
    after: float
    between: float | None = None


class Superseded(_Strict):
    """The pack that this one takes the place of."""

    version: int = Field(ge=1)
    manifest: Sha256
    sha256: Sha256
    moved: list[Moved]


class PackCard(_Strict):
    """What a pack says of itself.

    Attributes:
        version: 1, and one more with every pack that supersedes one.
        settings: the profile's settings that its numbers depend on.
        manifest, release, recipe, size, world: of the release that the real pictures and the draws are of; `rows`: how many
            it has; `photographs`, `doubt`: what plain photographs are, and why their numbers are not ranked.
        real_set: digest of the real pictures' pixels.
        controls: figures that records carry to be read beside their own.
        factors: row -> the painter's factors of a drawn picture.
        without: metric -> why it cannot be measured with this pack.
    """

    schema_version: Literal[2] = 2
    version: int = Field(ge=1)
    profile: str = Field(max_length=80)
    settings: dict[str, Any]
    manifest: Sha256
    release: str = Field(max_length=200)
    recipe: str = Field(max_length=200)
    size: int = Field(ge=8, le=8192)
    world: str = Field(max_length=80)
    rows: int = Field(ge=1, le=10**9)
    photographs: dict[str, str]
    doubt: str = Field(max_length=400)
    real_set: Sha256
    controls: dict[str, float]
    extractors: list[ExtractorCard] = Field(min_length=1, max_length=20)
    draws: list[DrawCard] = Field(min_length=1, max_length=100)
    factors: dict[str, str]
    without: dict[str, str]
    superseded: Superseded | None = None


@dataclass(frozen=True)
class Pack:
    """A pack that was read; arrays are read when they are asked for.

    Attributes:
        sha256: of the file.
    """

    path: Path
    card: PackCard
    sha256: str

    def array(self, name: str, shape: tuple[int | None, ...], kind: str) -> np.ndarray:
        """An array of the file, checked.

        Raises:
            SuiteError: absent, of another shape or type, or not finite.
        """
        try:
            with safe_open(self.path, "np") as file:
                array: np.ndarray = file.get_tensor(name)
        except (SafetensorError, OSError) as error:
            raise SuiteError(f"--reference {self.path}: {name} cannot be read ({error}); get the pack again") from None
        fits = array.ndim == len(shape) and all(
            wanted in (None, side) for wanted, side in zip(shape, array.shape, strict=True)
        )
        if not fits or array.dtype != kind or not np.isfinite(array).all():
            raise SuiteError(
                f"--reference {self.path}: {name} is {array.dtype} {array.shape}, or not finite; get the pack again"
            )
        return array

    def has(self, name: str) -> bool:
        """Whether the file holds an array."""
        with safe_open(self.path, "np") as file:
            return name in file.keys()  # noqa: SIM118

    def extractor(self, name: str) -> ExtractorCard | None:
        """The part of an extractor, or None."""
        return next((one for one in self.card.extractors if one.name == name), None)

    def gaussian(self, part: ExtractorCard) -> Gaussian:
        """The Gaussian of the real features."""
        dim = part.dim
        packed = torch.from_numpy(self.array(f"{part.name}.cov", (dim * (dim + 1) // 2,), "float64").copy())
        cov = torch.zeros(dim, dim, dtype=torch.float64)
        rows, columns = torch.triu_indices(dim, dim)
        cov[rows, columns] = packed
        cov[columns, rows] = packed
        mean = torch.from_numpy(self.array(f"{part.name}.mean", (dim,), "float64").copy())
        return Gaussian(mean, cov, part.count)

    def features(self, part: ExtractorCard, what: Literal["sample", "real", "train", "held"]) -> np.ndarray:
        """(N, D) float32 real features."""
        return self.array(f"{part.name}.{what}", (None, part.dim), "float32")

    def draw(self, seed: str) -> tuple[EvalPairs, np.ndarray, np.ndarray]:
        """The draw of a seed, and the SHA-256 of its faces' (F, 32) and references' (F, S, 32) pixels.

        Raises:
            SuiteError: no such draw in the pack, or a changed one.
        """
        place = next((place for place, one in enumerate(self.card.draws) if one.seed == seed), None)
        if place is None:
            known = ", ".join(one.seed for one in self.card.draws)
            raise SuiteError(f"--reference {self.path}: holds no draw of seed {seed!a}; it has {known}")
        faces = self.array(f"draw-{place}.faces", (None,), "int64")
        styles = self.array(f"draw-{place}.styles", (len(faces), None), "int64")
        if min(faces.min(), styles.min()) < 0 or max(faces.max(), styles.max()) >= self.card.rows:
            raise SuiteError(f"--reference {self.path}: draw {seed!a} names rows that are none; get the pack again")
        draws = EvalPairs(seed, tuple(faces.tolist()), tuple(map(tuple, styles.tolist())))
        if draws.digest != self.card.draws[place].digest:
            raise SuiteError(f"--reference {self.path}: draw {seed!a} is not what the card says; get the pack again")
        sums = self.array(f"draw-{place}.face-sums", (len(faces), 32), "uint8")
        return draws, sums, self.array(f"draw-{place}.style-sums", (*styles.shape, 32), "uint8")


def packed_moments(name: str, fitted: Gaussian) -> Arrays:
    """The arrays of a Gaussian; a covariance of D features takes 4 D (D + 1) bytes: 16.8 MB for 2,048."""
    rows, columns = torch.triu_indices(*fitted.cov.shape)
    return {f"{name}.mean": fitted.mean.numpy(), f"{name}.cov": fitted.cov[rows, columns].numpy()}


def write_pack(path: Path, card: PackCard, arrays: Arrays) -> None:
    """Write a pack, atomically; the same content gives the same bytes.

    Raises:
        SuiteError: a file is there.
    """
    if path.exists():
        raise SuiteError(f"FILE {path}: is there already; name a new file, as others may score with the old one")
    tensors = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    with whole_file(path) as part:
        save_file(tensors, part, {"card": canonical_json(card.model_dump())})


def read_pack(path: Path) -> Pack:
    """Open a pack.

    Raises:
        SuiteError: not a whole pack, or a card that does not fit, with its field.
    """
    if not path.is_file():
        raise SuiteError(f"--reference {path}: no such file; expected what 'aahq-bench reference' wrote")
    try:
        with safe_open(path, "np") as file:
            text = (file.metadata() or {}).get("card", "")
    except (SafetensorError, OSError) as error:
        raise SuiteError(f"--reference {path}: not a whole reference pack ({error}); get it again") from None
    if not text or len(text) > CARD_CHARACTERS:
        raise SuiteError(f"--reference {path}: a file of arrays, but no reference pack; get what 'reference' wrote")
    try:
        card = PackCard.model_validate(json.loads(text))
    except ValidationError as error:
        raise SuiteError(
            f"--reference {path}: card: {': '.join(first_fault(error))}; made by another version?"
        ) from None
    except (ValueError, RecursionError):
        raise SuiteError(f"--reference {path}: its card is not JSON; get the pack again") from None
    return Pack(path, card, sha256_file(path))
