"""Screen: any picture file to one canonical form, 8-bit sRGB pixels upright, before landmarks; or a typed rejection.

What is decided here, once: EXIF rotation is applied; an embedded ICC profile is converted to sRGB (relative colorimetric
with black-point compensation); transparency is laid on white, and a mostly transparent picture is refused; CMYK, 16-bit,
palette, grey and bilevel become RGB; animations are refused. Size is checked in the header, before anything is decoded.
"""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageCms

from aahq.images.complete import check_png_rows, check_whole
from aahq.images.magic import HEAD, looks_like_text, picture_type
from aahq.reasons import Rejected

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "AVIF")
# A JPEG of several pictures (stereo, thumbnails) opens as MPO; its first frame is the picture.
_OPENED = (*FORMATS, "MPO")
# What Pillow's decoders and plugins raise on malformed files; anything else is a fault of this program.
_DECODER_ERRORS = (OSError, ValueError, SyntaxError, EOFError, TypeError, LookupError, struct.error, zlib.error)
_SRGB = ImageCms.createProfile("sRGB")


# EXIF orientation -> what turns the stored (H, W, 3) pixels upright.
_UPRIGHT: dict[int, Callable[[NDArray[np.uint8]], NDArray[np.uint8]]] = {
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: a.transpose(1, 0, 2)[:, ::-1],
    7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
    8: lambda a: a.transpose(1, 0, 2)[::-1],
}


@dataclass(frozen=True)
class ScreenLimits:
    """What is refused.

    Attributes:
        max_pixels: width times height as the header says; a 16-bit RGBA picture of this size takes 8 bytes each.
        min_side: the shorter side in pixels.
        max_transparent: the largest share of pixels that are more than half transparent.
        max_bytes: the file's size.
    """

    max_pixels: int = 64_000_000
    min_side: int = 64
    max_transparent: float = 0.5
    max_bytes: int = 200_000_000


@dataclass(frozen=True)
class Screened:
    """A canonical picture.

    Attributes:
        rgb: uint8 (H, W, 3), sRGB, 0 to 255, upright.
        notes: JSON-able facts: "format", "mode", "size" (as stored, [width, height]), "orientation" (EXIF, 1 to 8),
            "icc" ("none", "srgb", "broken" or "converted: <name>"), "alpha" (share of pixels that are not opaque).
    """

    rgb: NDArray[np.uint8]
    notes: dict[str, Any]


def canonical(source: Path | bytes, limits: ScreenLimits | None = None) -> Screened:
    """Decode `source` to canonical pixels. The same bytes always give the same pixels.

    Args:
        source: a file's path or its bytes.
        limits: what is refused; the defaults of `ScreenLimits` where None.

    Raises:
        Rejected: with one of the screen's reasons.
    """
    limits = limits or ScreenLimits()
    data = _read(source, limits)
    with warnings.catch_warnings():
        # The limit on pixels is ours and typed; Pillow's warning at its own limit is not.
        warnings.simplefilter("ignore")
        picture = _open(data)
        _check_header(picture, limits)
        check_whole(data)
        notes: dict[str, Any] = {
            "format": picture.format,
            "mode": picture.mode,
            "size": [picture.width, picture.height],
        }
        with _typed_decoding():
            picture.load()
            # Pillow leaves rows that never came black; only then is counting them worth its time.
            last = picture.crop((0, picture.height - 1, picture.width, picture.height))
        if picture.format == "PNG" and ("interlace" in picture.info or last.getbbox(alpha_only=False) is None):
            check_png_rows(data)
        # Read after loading: Pillow turns a TIFF upright itself then, and a PNG may hold its EXIF after the pixels.
        notes["orientation"] = orientation = _orientation(picture)
        profile = picture.info.get("icc_profile")
        colour, alpha = _split_alpha(picture)
        del picture
        rgb, notes["icc"] = _to_srgb(colour, profile)
        notes["alpha"] = 0.0
        if alpha is not None:
            rgb, notes["alpha"] = _on_white(rgb, alpha, limits)
        if orientation in _UPRIGHT:
            rgb = _UPRIGHT[orientation](rgb)
    return Screened(np.array(rgb, order="C"), notes)


def _read(source: Path | bytes, limits: ScreenLimits) -> bytes:
    if isinstance(source, bytes):
        size = len(source)
    else:
        try:
            size = source.stat().st_size
        except OSError as error:
            raise Rejected("corrupt", f"cannot read the file: {error.strerror}") from None
    if size == 0:
        raise Rejected("empty")
    if size > limits.max_bytes:
        raise Rejected("too_large", f"{size} bytes > {limits.max_bytes}")
    return source if isinstance(source, bytes) else source.read_bytes()


@contextmanager
def _typed_decoding() -> Iterator[None]:
    """Whatever a decoder raises becomes a typed rejection."""
    try:
        yield
    except Image.DecompressionBombError as error:
        raise Rejected("too_many_pixels", str(error)) from None
    except (MemoryError, OverflowError) as error:
        raise Rejected("too_many_pixels", f"cannot be decoded in memory: {type(error).__name__}") from None
    except _DECODER_ERRORS as error:
        reason = "truncated" if "truncated" in str(error).lower() else "corrupt"
        raise Rejected(reason, " ".join(str(error).split())[:200] or type(error).__name__) from None


def _open(data: bytes) -> Image.Image:
    try:
        with _typed_decoding():
            return Image.open(io.BytesIO(data), formats=_OPENED)
    except Rejected as refused:
        if refused.reason != "corrupt" or picture_type(data[:HEAD]):
            raise
        if looks_like_text(data[:512]):
            raise Rejected("not_an_image", "the file is text: HTML, SVG or XML") from None
        raise Rejected("unknown_format", f"first bytes {data[:8].hex()}; read are {', '.join(FORMATS)}") from None


def _check_header(picture: Image.Image, limits: ScreenLimits) -> None:
    width, height = picture.size
    if width * height > limits.max_pixels:
        raise Rejected("too_many_pixels", f"{width} x {height} > {limits.max_pixels} pixels")
    if min(width, height) < limits.min_side:
        raise Rejected("too_small", f"{width} x {height}, shorter side < {limits.min_side}")
    with _typed_decoding():
        animated = getattr(picture, "is_animated", False) and picture.format != "MPO"
    if animated:
        raise Rejected("animated", f"{picture.format} of several frames")


def _orientation(picture: Image.Image) -> int:
    try:
        value = picture.getexif().get(ExifTags.Base.Orientation, 1)
    except _DECODER_ERRORS:
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _split_alpha(picture: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    """The picture without transparency in a mode that colour management takes, and its alpha (L) or None."""
    if picture.has_transparency_data:
        grey = picture.mode in ("L", "LA", "La")
        picture = picture.convert("RGBA")
        alpha = picture.getchannel("A")
        colour = picture.convert("RGB")
        return (colour.convert("L") if grey else colour), alpha
    if picture.mode.startswith("I"):
        return _from_16_bit(picture), None
    if picture.mode in ("L", "RGB", "CMYK", "LAB"):
        return picture, None
    if picture.mode == "1":
        return picture.convert("L"), None
    if picture.mode in ("P", "RGBX", "YCbCr", "RGBA", "LA", "PA"):
        return picture.convert("RGB"), None
    raise Rejected("unsupported_mode", picture.mode)


def _from_16_bit(picture: Image.Image) -> Image.Image:
    values = np.asarray(picture)
    if values.min() < 0 or values.max() > 65535:
        raise Rejected("unsupported_mode", f"{picture.mode} with values {values.min()} to {values.max()}")
    return Image.fromarray(((values.astype(np.uint32) * 255 + 32767) // 65535).astype(np.uint8))


def _to_srgb(picture: Image.Image, profile: bytes | None) -> tuple[NDArray[np.uint8], str]:
    """The pixels as sRGB (H, W, 3), and what was done with the embedded profile."""
    if picture.mode == "LAB":
        transform = ImageCms.buildTransform(ImageCms.createProfile("LAB"), _SRGB, "LAB", "RGB")
        return np.asarray(ImageCms.applyTransform(picture, transform)), "converted: CIE L*a*b*"
    note = "none"
    if profile:
        try:
            embedded = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            name = " ".join((embedded.profile.profile_description or "unnamed").split())[:80]
            if name.lower().startswith("srgb") and picture.mode == "RGB":
                note = "srgb"
            else:
                transform = ImageCms.buildTransform(
                    embedded,
                    _SRGB,
                    picture.mode,
                    "RGB",
                    ImageCms.Intent.RELATIVE_COLORIMETRIC,
                    ImageCms.Flags.BLACKPOINTCOMPENSATION,
                )
                return np.asarray(ImageCms.applyTransform(picture, transform)), f"converted: {name}"
        except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
            # A broken profile, or one for another kind of picture: viewers ignore it too.
            note = "broken"
    return np.asarray(picture.convert("RGB")), note


def _on_white(rgb: NDArray[np.uint8], mask: Image.Image, limits: ScreenLimits) -> tuple[NDArray[np.uint8], float]:
    alpha = np.asarray(mask)
    hidden = float((alpha < 128).mean())
    if hidden > limits.max_transparent:
        raise Rejected("transparent", f"{hidden:.0%} of the pixels are transparent > {limits.max_transparent:.0%}")
    white = Image.new("RGB", mask.size, "white")
    return np.asarray(Image.composite(Image.fromarray(rgb), white, mask)), float((alpha < 255).mean())
