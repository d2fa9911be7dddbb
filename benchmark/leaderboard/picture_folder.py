"""Pictures made elsewhere: a folder that is not trusted, read as the answer of a method."""

from __future__ import annotations

import os
import stat
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Literal

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from benchmark.leaderboard.inputs import pair_name
from benchmark.run.generate import Block, Generation, check_measurable, read_rows, to_float
from benchmark.tasks.paper import Guidance
from benchmark.tasks.protocol import EvalPairs
from models.data.release import Release
from models.method import Face, Mode
from suite.errors import SuiteError
from suite.files import digest, sha256_bytes
from suite.portable import PLAIN

LARGEST_SIDE = 4096
LARGEST_FILE = 64 << 20
# What a folder may hold besides its pictures: who made them.
ABOUT = "method.json"


class PrecomputedImages:
    """Stands where a `Method` would; its pictures were made before."""

    modes: frozenset[Mode] = frozenset({"latent", "reference"})

    def __init__(self, name: str, face: Literal["image", "seed"], resolution: int) -> None:
        self.name, self.face, self.resolution = name, face, resolution

    def from_latent(self, face: Face, seeds: Sequence[int]) -> Tensor:
        raise SuiteError(f"{self.name}: its pictures were made elsewhere; nothing can be generated")

    def from_reference(self, face: Face, style: Tensor, seeds: Sequence[int]) -> Tensor:
        raise SuiteError(f"{self.name}: its pictures were made elsewhere; nothing can be generated")


def list_pictures(folder: Path, faces: int, styles: int) -> list[str]:
    """The names of a folder that holds exactly the wanted pictures, in order of face and style.

    Raises:
        SuiteError: a link, a folder, a foreign or a missing file, named.
    """
    if folder.is_symlink() or not folder.is_dir():
        raise SuiteError(f"DIR {folder}: expected a folder of PNG files, and no link to one")
    wanted = [pair_name(f, k) for f in range(faces) for k in range(styles)]
    expected = set(wanted)
    found = set()
    with os.scandir(folder) as entries:
        for entry in entries:
            shown = ascii(entry.name)[:80]
            if entry.name != ABOUT and entry.name not in expected:
                hint = "; JPEG changes pixels, save PNG" if entry.name.lower().endswith((".jpg", ".jpeg")) else ""
                raise SuiteError(f"DIR {folder}: {shown} is not asked for; names go {wanted[0]} to {wanted[-1]}{hint}")
            if entry.is_symlink() or not entry.is_file(follow_symlinks=False):
                raise SuiteError(f"DIR {folder}: {shown} is no plain file (a link or a folder); refused")
            found.add(entry.name)
    lacking = [name for name in wanted if name not in found]
    if lacking:
        raise SuiteError(f"DIR {folder}: {lacking[0]} is missing, {len(lacking)} of {len(wanted)} in all")
    return wanted


@contextmanager
def open_png(path: Path) -> Iterator[tuple[BinaryIO, Image.Image]]:
    """The open file of a square 8-bit RGB PNG and its picture, not yet decoded; links are not followed.

    Raises:
        SuiteError: a link, too large, not an 8-bit RGB PNG, not square, damaged.
    """
    try:
        handle = os.open(path, os.O_RDONLY | PLAIN)
        with os.fdopen(handle, "rb") as file, warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            info = os.fstat(file.fileno())
            if not stat.S_ISREG(info.st_mode) or info.st_size > LARGEST_FILE:
                raise SuiteError(f"{path}: {info.st_size} bytes; expected a plain PNG file below {LARGEST_FILE}")
            with Image.open(file, formats=("PNG",)) as picture:
                width, height = picture.size
                if width != height or not 8 <= width <= LARGEST_SIDE:
                    raise SuiteError(f"{path}: {width} x {height}; expected a square of 8 to {LARGEST_SIDE}")
                if picture.mode != "RGB" or getattr(picture, "n_frames", 1) != 1:
                    raise SuiteError(f"{path}: mode {picture.mode}; expected one 8-bit RGB picture")
                yield file, picture
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise SuiteError(f"{path}: not a readable PNG ({error})") from None


def read_png(path: Path) -> tuple[str, np.ndarray]:
    """SHA-256 of a PNG file and its pixels, (S, S, 3) uint8. Raises as `open_png` does."""
    with open_png(path) as (file, picture):
        pixels = np.array(picture)
        file.seek(0)
        return sha256_bytes(file.read()), pixels


def side_of(folder: Path, names: Sequence[str]) -> int:
    """The side that all pictures share, from their headers alone: a wrong file stops the work before it begins.

    Raises:
        SuiteError: as `open_png`, or two sizes.
    """
    first = 0
    for name in names:
        with open_png(folder / name) as (_, picture):
            first = first or picture.width
            if picture.width != first:
                raise SuiteError(f"{folder / name}: {picture.width} px; {names[0]} has {first}; sizes must agree")
    return first


class PictureFolder(Generation):
    """A cell's pictures from a folder, checked as a method's answer is.

    Attributes:
        sums: file name -> SHA-256, filled while the pictures are read.

    Args:
        faces_from: `image` where the method restyles the given faces, `seed` where it invents them.
    """

    def __init__(
        self,
        folder: Path,
        name: str,
        guidance: Guidance,
        draws: EvalPairs,
        release: Release,
        faces_from: Literal["image", "seed"] = "image",
    ) -> None:
        self.folder = folder
        self.names = list_pictures(folder, draws.faces, draws.styles)
        self.sums: dict[str, str] = {}
        super().__init__(
            PrecomputedImages(name, faces_from, side_of(folder, self.names)), guidance, draws, release, batch=1
        )

    def block(self, faces: range) -> Block:
        draws, size = self.draws, self.method.resolution
        pictures = []
        for name in self.names[faces.start * draws.styles : faces.stop * draws.styles]:
            self.sums[name], pixels = read_png(self.folder / name)
            pictures.append(torch.from_numpy(pixels).permute(2, 0, 1))
        stacked = torch.stack(pictures)
        sources = None
        if self.method.face == "image":
            sources = read_rows(self.release, [draws.face_rows[f] for f in faces], size)
        check_measurable(to_float(stacked), sources, draws.styles, self.method.name)
        return Block(faces, stacked, sources)

    @property
    def digest(self) -> str:
        """Digest over every picture's bytes; the whole folder must have been read."""
        if len(self.sums) != len(self.names):
            raise SuiteError(f"{self.folder}: {len(self.sums)} of {len(self.names)} pictures read")
        return digest(self.sums)
