"""Pictures in and out: any file to float32 in [-1, 1], and back to PNG as the published scripts write it."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps, PngImagePlugin, UnidentifiedImageError
from torch import Tensor

from suite.errors import SuiteError
from suite.files import whole_file

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".gif"})


def read_rgb(path: str | Path) -> Image.Image:
    """A picture as an RGB image, turned as its EXIF says; transparency lies on white.

    Raises:
        SuiteError: no such file, not a picture, cut short, or too large to be one (a decompression bomb).
    """
    path = Path(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path) as image:
                return _to_rgb(ImageOps.exif_transpose(image))
    except FileNotFoundError:
        raise SuiteError(f"{path}: no such file; a picture is expected") from None
    except UnidentifiedImageError:
        raise SuiteError(f"{path}: not a picture; PNG, JPEG, WebP, BMP, TIFF and GIF are read") from None
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        raise SuiteError(f"{path}: more than {Image.MAX_IMAGE_PIXELS} pixels; make it smaller first") from None
    except (OSError, SyntaxError, ValueError) as error:
        raise SuiteError(f"{path}: a damaged picture ({error})") from None


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I;16"):
        # Pillow would clip 16-bit greys instead of scaling them.
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
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


def picture_files(paths: tuple[Path, ...], flag: str) -> Iterator[Path]:
    """The files that are given, and those of folders (sorted, not those below), one at a time.

    Raises:
        SuiteError: a path that does not exist, or a folder without pictures, named with `flag`.
    """
    for path in paths:
        if path.is_dir():
            names = sorted(entry.name for entry in path.iterdir() if entry.suffix.lower() in SUFFIXES)
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
