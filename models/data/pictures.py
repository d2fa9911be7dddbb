"""Pictures in and out: any file to float32 in [-1, 1], and back to PNG as the published scripts write it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any, Literal

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from suite.errors import SuiteError
from suite.files import whole_file
from suite.ownership import claim_file, head_of, is_png_of, png_mark, real, refuse_overlap
from suite.pictures import DecodeLimits, PictureError, decode
from suite.pictures.machine_made import save_made

# In every PNG that is written here: one without it is somebody else's.
MARK = "aahq-blendgan"
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".avif")


# Any size and any transparency: a person chose the picture.
_LIMITS = DecodeLimits(min_side=1, max_transparent=1.0, first_of_several=True)


def read_rgb(path: str | Path) -> Image.Image:
    """A picture file as an RGB image; see `decode_rgb`.

    Raises:
        SuiteError: no such file, not a picture, cut short, or too large to be one (a decompression bomb).
    """
    path = Path(path)
    if path.is_dir():
        raise SuiteError(f"{path}: is a folder; a picture is expected")
    if not path.exists():
        raise SuiteError(f"{path}: no such file; a picture is expected")
    try:
        return decode_rgb(path)
    except PICTURE_ERRORS as error:
        raise SuiteError(f"{path}: {' '.join(str(error).split())[:200]}") from None


def decode_rgb(source: Path | bytes) -> Image.Image:
    """The one way from a picture's bytes to RGB, for commands and training: `suite.pictures.decode`, the first of several.

    Raises:
        PICTURE_ERRORS: not a picture, damaged, too large to be one, or of a kind that has no range (32 bits, floats).
    """
    try:
        return Image.fromarray(decode(source, _LIMITS).rgb)
    except PictureError as error:
        raise ValueError(error.sentence()) from None


# What `decode_rgb` raises.
PICTURE_ERRORS = (OSError, ValueError)


def to_tensor(image: Image.Image | np.ndarray) -> Tensor:
    """uint8 RGB (H, W, 3) -> (3, H, W) float32 in [-1, 1]."""
    pixels = torch.from_numpy(np.array(image, dtype=np.uint8))
    return pixels.permute(2, 0, 1).float().div_(255).sub_(0.5).div_(0.5)


def read_picture(path: str | Path, size: int | None = None) -> Tensor:
    """A picture file as (3, H, W) float32 in [-1, 1]; with `size`, its centre square scaled to (3, size, size).

    Raises:
        SuiteError: as `read_rgb`.
    """
    image = read_rgb(path)
    if size is not None:
        image = ImageOps.fit(image, (size, size), Image.Resampling.LANCZOS)
    return to_tensor(image)


def to_uint8(picture: Tensor) -> np.ndarray:
    """(3, H, W) float, nominally in [-1, 1] -> (H, W, 3) uint8: x * 0.5 + 0.5, times 255, clamped, truncated.

    Truncation, not rounding, is what the published scripts do; measurements on files depend on it.
    """
    scaled = picture.detach().float().mul(0.5).add(0.5).mul(255).clamp(0, 255)
    if scaled.isnan().any():
        # A cast would make them black without a word.
        raise SuiteError("a picture came out as NaN; damaged weights, or --precision float16 overflowed (use float32)")
    return scaled.to(torch.uint8).permute(1, 2, 0).cpu().numpy()


def nearest_uint8(pictures: Tensor) -> Tensor:
    """float, nominally in [-1, 1] (clamped) -> uint8 of the same shape, rounded.

    For pictures that go on inside the suite: `to_uint8`'s truncation would darken a picture at every passage, this
    gives back exactly the bytes that `to_tensor` read.
    """
    return pictures.detach().float().clamp(-1, 1).mul(127.5).add(127.5).round().to(torch.uint8)


def is_own_png(path: Path) -> bool:
    """Whether a PNG was written by `save_png`, also by one of before, which kept only what made it."""
    if is_png_of(MARK)(path):
        return True
    head = head_of(path)
    return head.startswith(b"\x89PNG") and any(b"tEXt" + key in head for key in (b"weights\x00", b"method\x00"))


def refuse_results_among(out: Path, **inputs: Iterable[Path]) -> None:
    """Refuse to write results into a folder of pictures that is read: the next run would take them for pictures.

    Args:
        inputs: name of an option (`FACE`, `style`) -> the files and folders that it gives.

    Raises:
        SuiteError: naming both.
    """
    for name, places in inputs.items():
        for place in places:
            if place.is_dir() and real(place) == real(out):
                refuse_overlap("--out", out, name if name.isupper() else f"--{name}", place)


def claim_pictures(folder: Path, names: Iterable[str]) -> None:
    """Refuse, before the work, a folder in which results would be written over pictures that the suite did not write.

    Args:
        folder: where results are written; it may not exist yet.
        names: of the results, with `*` for what is not known yet.

    Raises:
        SuiteError: naming the first such picture.
    """
    for name in names if folder.is_dir() else ():
        for path in sorted(folder.glob(name)):
            claim_file("--out", path, is_own_png)


def save_png(
    path: str | Path,
    picture: Tensor | Image.Image,
    text: dict[str, Any] | None = None,
    source: Literal["made", "composite", "given"] = "made",
) -> None:
    """Write a (3, H, W) tensor, or an image, as PNG, atomically.

    Args:
        text: key -> value kept in the file's text chunks (what made it).
        source: what the file says of itself in XMP: that a network made it, that such pictures stand in it beside others, or
            nothing, for a picture of the person's own.

    Raises:
        SuiteError: a file is there that this did not write: a result's name is made here, a person's picture may have it.
    """
    claim_file("--out", path, is_own_png)
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(to_uint8(picture))
    if source == "given":
        with whole_file(path) as part:
            image.save(part, format="PNG", pnginfo=png_mark(MARK))
        return
    save_made(image, Path(path), "PNG", composite=source == "composite", mark=MARK, text=text)


def is_picture_name(name: str) -> bool:
    """Whether a file or an archive's member is a picture by its name; the shadows that macOS leaves beside files are not."""
    path = PurePosixPath(name)
    return name.lower().endswith(SUFFIXES) and not path.name.startswith("._") and "__MACOSX" not in path.parts


def picture_files(paths: tuple[Path, ...], flag: str) -> Iterator[Path]:
    """The files that are given, and those of folders (sorted, not those below), one at a time.

    Raises:
        SuiteError: a path that does not exist, or a folder without pictures, named with `flag`.
    """
    for path in paths:
        if path.is_dir():
            names = sorted(entry.name for entry in path.iterdir() if is_picture_name(entry.name))
            if not names:
                raise SuiteError(f"{flag} {path}: no picture in this folder")
            yield from (path / name for name in names)
        elif path.is_file():
            yield path
        else:
            raise SuiteError(f"{flag} {path}: no such file or folder; a picture, or a folder of pictures, is expected")


class UniqueNames:
    """Names that are given once: "art", then "art-2", so that two inputs of one name are two results."""

    def __init__(self) -> None:
        self._given: set[str] = set()

    def __call__(self, name: str) -> str:
        """`name`, or with the smallest number that makes it new; case does not make it so (some disks ignore it)."""
        new, count = name, 1
        while new.casefold() in self._given:
            count += 1
            new = f"{name}-{count}"
        self._given.add(new.casefold())
        return new


# What a photograph's darkest tone stays below, in [0, 1].
BLACK = 0.02


def check_pictures(pictures: Tensor, name: str, expect_dark: bool = False) -> Tensor:
    """Return `pictures` if they are (N, 3, H, W) float in [-1, 1]: the one check of a range.

    A picture whose darkest tone is mid-grey exactly is taken for one in [0, 1] with black in it; a pale sketch passes.

    Args:
        expect_dark: among these many pictures some tone must be darker than mid-grey, so none means [0, 1].

    Raises:
        SuiteError: another shape, uint8, [0, 255], or [0, 1] where [-1, 1] is due; names what was given.
    """
    if pictures.ndim != 4 or pictures.shape[1] != 3:
        raise SuiteError(f"{name}: shape {tuple(pictures.shape)}; expected (N, 3, H, W)")
    if not pictures.is_floating_point():
        kind = str(pictures.dtype).removeprefix("torch.")
        raise SuiteError(f"{name}: {kind}; expected float32 in [-1, 1] (x / 127.5 - 1)")
    if pictures.numel() == 0:
        return pictures
    low, high = (float(value) for value in torch.aminmax(pictures.detach()))
    if not (low >= -1.01 and high <= 1.01):  # bicubic resizing goes a little over
        raise SuiteError(f"{name}: values from {low:.3g} to {high:.3g}; expected [-1, 1]")
    if 0 <= low < (1 if expect_dark else BLACK) and high > 0:
        raise SuiteError(f"{name}: values from {low:.3g} to {high:.3g} look like [0, 1]; expected [-1, 1] (2 x - 1)")
    return pictures
