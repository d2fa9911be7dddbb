"""Pictures in and out: any file to float32 in [-1, 1], and back to PNG as the published scripts write it."""

from __future__ import annotations

import struct
import warnings
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from threading import Lock
from typing import Any, BinaryIO

import numpy as np
import torch
from PIL import Image, ImageOps, PngImagePlugin, UnidentifiedImageError
from torch import Tensor

from suite.errors import SuiteError
from suite.files import whole_file

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".gif")


# `warnings` is shared by all threads, and loaders decode in several.
_opening = Lock()


def read_rgb(path: str | Path) -> Image.Image:
    """A picture file as an RGB image; see `decode_rgb`.

    Raises:
        SuiteError: no such file, not a picture, cut short, or too large to be one (a decompression bomb).
    """
    path = Path(path)
    try:
        return decode_rgb(path)
    except FileNotFoundError:
        raise SuiteError(f"{path}: no such file; a picture is expected") from None
    except IsADirectoryError:
        raise SuiteError(f"{path}: is a folder; a picture is expected") from None
    except UnidentifiedImageError:
        raise SuiteError(f"{path}: not a picture; PNG, JPEG, WebP, BMP, TIFF and GIF are read") from None
    except PICTURE_ERRORS as error:
        raise SuiteError(f"{path}: {' '.join(str(error).split())[:200]}") from None


def decode_rgb(source: Path | BinaryIO) -> Image.Image:
    """The one way from a picture's bytes to RGB, for commands and training: turned as its EXIF says, transparency on white,
    16-bit greys scaled, the first frame of several.

    Raises:
        PICTURE_ERRORS: not a picture, damaged, too large to be one, or of a kind that has no range (32 bits, floats).
    """
    with _opening, warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            image = Image.open(source)
        except (Image.DecompressionBombWarning, Image.DecompressionBombError):
            raise ValueError(f"more than {Image.MAX_IMAGE_PIXELS} pixels; make it smaller first") from None
    with image:
        try:
            return _to_rgb(ImageOps.exif_transpose(image))
        except _DAMAGE as error:
            raise ValueError(f"a damaged or foreign picture ({error})") from error


# What `decode_rgb` raises; `UnidentifiedImageError` is an OSError.
PICTURE_ERRORS = (OSError, ValueError)
# What Pillow's plug-ins raise on damaged bytes.
_DAMAGE = (
    *(OSError, SyntaxError, ValueError, ArithmeticError, LookupError, TypeError, AttributeError, EOFError),
    *(RuntimeError, struct.error, zlib.error, Image.DecompressionBombError),
)


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):
        # Pillow would clip 16-bit greys instead of scaling them.
        grey = np.asarray(image).astype(np.int64)
        if grey.min() < 0 or grey.max() > 65535:
            raise ValueError("32 bits a pixel; 8 or 16 are read")
        image = Image.fromarray((grey >> 8).astype(np.uint8))
    if image.mode == "F":
        raise ValueError("floating-point pixels; 8 or 16 bits are read")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        ground = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(ground, image).convert("RGB")
    return image.convert("RGB")


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


def save_png(path: str | Path, picture: Tensor | Image.Image, text: dict[str, Any] | None = None) -> None:
    """Write a (3, H, W) tensor, or an image, as PNG, atomically.

    Args:
        text: key -> value kept in the file's text chunks (what made it).
    """
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(to_uint8(picture))
    info = PngImagePlugin.PngInfo()
    for key, value in (text or {}).items():
        info.add_text(key, str(value))
    with whole_file(path) as part:
        image.save(part, format="PNG", pnginfo=info)


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


def check_pictures(pictures: Tensor, name: str) -> Tensor:
    """Return `pictures` if they are (N, 3, H, W) float in [-1, 1].

    Raises:
        SuiteError: another shape, uint8, [0, 255], or [0, 1] where [-1, 1] is due; names what was given.
    """
    if pictures.dim() != 4 or pictures.shape[1] != 3:
        raise SuiteError(f"{name}: shape {tuple(pictures.shape)}; (N, 3, H, W) is expected")
    if not pictures.is_floating_point():
        raise SuiteError(f"{name}: {pictures.dtype}; float in [-1, 1] is expected (x / 127.5 - 1)")
    if pictures.numel() == 0:
        return pictures
    low, high = (float(value) for value in torch.aminmax(pictures.detach()))
    if not (low >= -1.001 and high <= 1.001):
        raise SuiteError(f"{name}: values from {low:.3g} to {high:.3g}; [-1, 1] is expected")
    if low >= 0 and high > 0:
        raise SuiteError(f"{name}: values from {low:.3g} to {high:.3g} look like [0, 1]; [-1, 1] is expected (2 x - 1)")
    return pictures
