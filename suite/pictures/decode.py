"""Any picture file to one canonical form, 8-bit sRGB pixels upright, or a typed refusal.

What is decided here, once: EXIF rotation is applied; an embedded ICC profile is converted to sRGB (relative colorimetric
with black-point compensation) unless it already says sRGB, and so is a PNG's gAMA; transparency is laid on white, and a mostly
transparent picture is refused; CMYK, 12 and 16 bits, white-is-zero, palette, grey and bilevel become RGB; of a TIFF with
reduced copies the full picture is taken, and several frames are refused unless the first is asked for. Size is checked in
the header, before anything is decoded.
"""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageChops, UnidentifiedImageError

from suite.pictures.colour import gamma_to_srgb, to_srgb
from suite.pictures.complete import check_png_rows, check_whole
from suite.pictures.errors import PictureError
from suite.pictures.magic import HEAD, is_heic, is_plain_text, looks_like_text, picture_type

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "AVIF")
# What Pillow's decoders and plugins raise on malformed files; anything else is a fault of this program.
_DECODER_ERRORS = (
    *(OSError, ValueError, SyntaxError, EOFError, TypeError, LookupError, ArithmeticError, AttributeError),
    *(RuntimeError, struct.error, zlib.error),
)
# TIFF 6.0, section 8: BitsPerSample, NewSubfileType and PhotometricInterpretation; SubfileType of section 8, deprecated.
_BITS, _SUBFILE, _PHOTOMETRIC, _OLD_SUBFILE = 258, 254, 262, 255
# Bit 0: a reduced copy of another picture of the file; bit 2: a mask of one.
_NO_PICTURE = 0b101
# Pages of a TIFF that are looked at; a file with more of them is no picture.
_PAGES = 64

# EXIF orientation -> what turns the stored picture upright.
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@dataclass(frozen=True)
class DecodeLimits:
    """What is refused.

    Attributes:
        max_pixels: width times height as the header says; a 16-bit RGBA picture of this size takes 8 bytes each.
        min_side: the shorter side in pixels.
        max_transparent: the largest share of pixels that are more than half transparent.
        max_bytes: the file's size.
        first_of_several: of an animation, or several pictures in one file, take the first instead of refusing.
    """

    max_pixels: int = 64_000_000
    min_side: int = 64
    max_transparent: float = 0.5
    max_bytes: int = 200_000_000
    first_of_several: bool = False


@dataclass(frozen=True)
class Decoded:
    """A canonical picture.

    Attributes:
        rgb: uint8 (H, W, 3), sRGB, 0 to 255, upright.
        notes: JSON-able facts: "format", "mode", "size" (as stored, [width, height]), "orientation" (EXIF, 1 to 8),
            "icc" ("none", "srgb", "broken" or "converted: <name>"), "alpha" (share of pixels that are not opaque).
    """

    rgb: NDArray[np.uint8]
    notes: dict[str, Any]


def decode(source: Path | bytes, limits: DecodeLimits | None = None) -> Decoded:
    """Decode `source` to canonical pixels. The same bytes always give the same pixels.

    Args:
        source: a file's path or its bytes.
        limits: what is refused; the defaults of `DecodeLimits` where None.

    Raises:
        PictureError: with its reason.
    """
    limits = limits or DecodeLimits()
    data = _read(source, limits)
    with _no_warnings():
        black_is_zero = _black_is_zero(data)
        picture = _open(black_is_zero or data)
        with _typed_decoding():
            _choose_page(picture, limits.first_of_several)
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
        info = picture.info
        colour, alpha = _split_alpha(picture, data)
        if black_is_zero is not None:
            colour = ImageChops.invert(colour)
        del picture
        rgb, notes["icc"] = to_srgb(colour, info.get("icc_profile"))
        if notes["icc"] == "none" and "gamma" in info and "srgb" not in info:
            rgb, notes["icc"] = gamma_to_srgb(rgb, info["gamma"])
        notes["alpha"] = 0.0
        if alpha is not None:
            rgb, notes["alpha"] = _on_white(rgb, alpha, limits)
        if orientation in _UPRIGHT:
            rgb = np.asarray(Image.fromarray(rgb).transpose(_UPRIGHT[orientation]))
    return Decoded(np.array(rgb, order="C"), notes)


def _read(source: Path | bytes, limits: DecodeLimits) -> bytes:
    try:
        size = len(source) if isinstance(source, bytes) else source.stat().st_size
        if size == 0:
            raise PictureError("empty")
        if size > limits.max_bytes:
            raise PictureError("too_large", f"{size} bytes > {limits.max_bytes}")
        return source if isinstance(source, bytes) else source.read_bytes()
    except OSError as error:
        raise PictureError("corrupt", f"cannot read the file: {error.strerror}") from None


_decoding = 0
_counting = Lock()
_caught = warnings.catch_warnings()


@contextmanager
def _no_warnings() -> Iterator[None]:
    """Pillow's warnings say nothing that is not typed here. The filters belong to all threads: the last one restores them."""
    global _decoding, _caught
    with _counting:
        if _decoding == 0:
            _caught = warnings.catch_warnings()
            _caught.__enter__()
            warnings.simplefilter("ignore")
        _decoding += 1
    try:
        yield
    finally:
        with _counting:
            _decoding -= 1
            if _decoding == 0:
                _caught.__exit__(None, None, None)


@contextmanager
def _typed_decoding() -> Iterator[None]:
    """Whatever a decoder raises becomes a typed refusal."""
    try:
        yield
    except Image.DecompressionBombError as error:
        raise PictureError("too_many_pixels", str(error)) from None
    except (MemoryError, OverflowError) as error:
        raise PictureError("too_many_pixels", f"cannot be decoded in memory: {type(error).__name__}") from None
    except UnidentifiedImageError:
        # Its message holds a memory address, another one in every run.
        raise PictureError("corrupt", "no decoder can read its header") from None
    except _DECODER_ERRORS as error:
        reason = "truncated" if "truncated" in str(error).lower() else "corrupt"
        raise PictureError(reason, " ".join(str(error).split())[:200] or type(error).__name__) from None


def _open(data: bytes) -> Image.Image:
    try:
        with _typed_decoding():
            return Image.open(io.BytesIO(data), formats=FORMATS)
    except PictureError as refused:
        if is_heic(data[:64]):
            raise PictureError("unknown_format", "HEIC, as phones take it; export it as JPEG or PNG") from None
        if refused.reason != "corrupt" or picture_type(data[:HEAD]):
            raise
        if looks_like_text(data[:512]):
            raise PictureError("not_an_image", "the file is text: HTML, SVG or XML") from None
        if is_plain_text(data[:512]):
            raise PictureError("unknown_format", f"the file is text; read are {', '.join(FORMATS)}") from None
        raise PictureError("unknown_format", f"first bytes {data[:8].hex()}; read are {', '.join(FORMATS)}") from None


def _black_is_zero(data: bytes) -> bytes | None:
    """A TIFF of 12 or 16-bit greys whose zero is white, said to be one whose zero is black: Pillow reads only such.

    Its pixels are to be inverted. None for anything else.
    """
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(data[:4])
    if order is None or len(data) < 8:
        return None
    (at,) = struct.unpack(order + "I", data[4:8])
    (count,) = struct.unpack(order + "H", data[at : at + 2].ljust(2, b"\0"))
    places: dict[int, int] = {}
    shorts: dict[int, int] = {}
    for entry in range(at + 2, min(at + 2 + 12 * count, len(data) - 11), 12):
        tag, kind, number, value, _ = struct.unpack(order + "HHIHH", data[entry : entry + 12])
        if kind == 3 and number == 1:
            places[tag], shorts[tag] = entry + 8, value
    if shorts.get(_PHOTOMETRIC) != 0 or shorts.get(_BITS) not in (12, 16):
        return None
    place = places[_PHOTOMETRIC]
    return data[:place] + struct.pack(order + "H", 1) + data[place + 2 :]


def _choose_page(picture: Image.Image, first_of_several: bool) -> None:
    """Go to the one picture of a file; its reduced copies (the pyramids of museums) and masks are none.

    Raises:
        PictureError: "animated": frames of an animation, or several pictures, of which the first is not asked for.
    """
    # A JPEG of several pictures (stereo, thumbnails) is an MPO for Pillow; its first frame is the picture.
    if picture.format == "MPO" or not getattr(picture, "is_animated", False):
        return
    if picture.format != "TIFF":
        if first_of_several:
            return
        raise PictureError("animated", f"{picture.format} of several frames")
    pages = []
    for page in range(_PAGES + 1):
        try:
            picture.seek(page)
        except EOFError:
            break
        tags = picture.tag_v2  # type: ignore[attr-defined]
        if not int(tags.get(_SUBFILE, 0)) & _NO_PICTURE and tags.get(_OLD_SUBFILE) != 2:
            pages.append(page)
        if pages and first_of_several:
            break
        if len(pages) > 1 or page == _PAGES:
            raise PictureError("animated", "TIFF of several pictures")
    picture.seek(pages[0] if pages else 0)


def _check_header(picture: Image.Image, limits: DecodeLimits) -> None:
    width, height = picture.size
    if width * height > limits.max_pixels:
        raise PictureError("too_many_pixels", f"{width} x {height} > {limits.max_pixels} pixels")
    if min(width, height) < limits.min_side:
        raise PictureError("too_small", f"{width} x {height}, shorter side < {limits.min_side}")


def _orientation(picture: Image.Image) -> int:
    try:
        value = picture.getexif().get(ExifTags.Base.Orientation, 1)
    except _DECODER_ERRORS:
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _split_alpha(picture: Image.Image, data: bytes) -> tuple[Image.Image, Image.Image | None]:
    """The picture without transparency in a mode that colour management takes, and its alpha (L) or None."""
    if picture.mode.startswith("I"):
        return _from_deep_grey(picture)
    if picture.format == "PNG" and "transparency" in picture.info:
        picture.info["transparency"] = _as_decoded(picture.info["transparency"], *data[24:26])
    if picture.has_transparency_data:
        grey = picture.mode in ("L", "LA", "La")
        picture = picture.convert("RGBA")
        alpha = picture.getchannel("A")
        colour = picture.convert("RGB")
        return (colour.convert("L") if grey else colour), alpha
    if picture.mode in ("L", "RGB", "CMYK", "LAB"):
        return picture, None
    if picture.mode == "1":
        return picture.convert("L"), None
    if picture.mode in ("P", "RGBX", "YCbCr", "RGBA", "LA", "PA"):
        return picture.convert("RGB"), None
    raise PictureError("unsupported_mode", "floating-point pixels" if picture.mode == "F" else picture.mode)


def _as_decoded(transparent: Any, depth: int, colour: int) -> Any:
    """A PNG's transparent colour in the 8 bits that Pillow decodes to; the file holds it in its own depth.

    Of 16-bit colours the upper halves are compared, as the lower ones are not decoded.
    """
    if colour == 2 and depth == 16:
        return tuple(value >> 8 for value in transparent)
    if colour == 0 and depth in (2, 4):
        return min(int(transparent) * (255 // ((1 << depth) - 1)), 255)
    return transparent


def _from_deep_grey(picture: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    """Grey of more than 8 bits as L, and the alpha that a transparent value of a PNG makes."""
    values, largest = np.asarray(picture), 65535
    if picture.format == "TIFF":
        tags = picture.tag_v2  # type: ignore[attr-defined]
        if tags.get(_BITS) == (12,):
            largest = 4095
    if values.min() < 0 or values.max() > largest:
        raise PictureError("unsupported_mode", f"32 bits a pixel, from {values.min()} to {values.max()}")
    transparent, alpha = picture.info.get("transparency"), None
    if picture.format == "PNG" and isinstance(transparent, int):
        alpha = Image.fromarray(np.where(values == transparent, 0, 255).astype(np.uint8))
    scaled = (values.astype(np.uint32) * 255 + largest // 2) // largest
    return Image.fromarray(scaled.astype(np.uint8)), alpha


def _on_white(rgb: NDArray[np.uint8], mask: Image.Image, limits: DecodeLimits) -> tuple[NDArray[np.uint8], float]:
    alpha = np.asarray(mask)
    hidden = float((alpha < 128).mean())
    if hidden > limits.max_transparent:
        raise PictureError("transparent", f"{hidden:.0%} of the pixels are transparent > {limits.max_transparent:.0%}")
    white = Image.new("RGB", mask.size, "white")
    return np.asarray(Image.composite(Image.fromarray(rgb), white, mask)), float((alpha < 255).mean())
