"""Three hashes a picture, with written definitions.

- response SHA-256: of the bytes as the server sent them, before any decoding of the picture (after undoing a transfer's
  `Content-Encoding`); `suite.files.sha256_bytes`.
- pixel SHA-256: of the canonical picture, `pixel_sha256`; equal for two files that decode to the same pixels.
- perceptual hash: 64 bits of low frequencies, `phash64`; near for pictures that look alike.
"""

from __future__ import annotations

import hashlib
from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.uint8]
_SIDE = 32
_KEPT = 8


def pixel_sha256(rgb: Pixels) -> str:
    """Hex SHA-256 of `b"rgb8 <height> <width>\\n"` followed by the pixels, row by row, R G B.

    Args:
        rgb: uint8 (H, W, 3), values 0 to 255.
    """
    _check(rgb)
    state = hashlib.sha256(f"rgb8 {rgb.shape[0]} {rgb.shape[1]}\n".encode())
    state.update(np.ascontiguousarray(rgb).data)
    return state.hexdigest()


def phash64(rgb: Pixels) -> int:
    """The DCT hash: luma, box-reduced to 32 x 32, DCT-II, the 8 x 8 lowest frequencies against their median.

    The bit of the constant term says whether the picture is brighter than mid-grey; the other 63 whether their
    coefficient is above the median of the 63. The first coefficient is the most significant bit.

    Args:
        rgb: uint8 (H, W, 3), values 0 to 255.

    Returns:
        An int in [0, 2**64).
    """
    _check(rgb)
    picture = Image.fromarray(rgb)
    factor = min(picture.width, picture.height) // (4 * _SIDE)
    if factor > 1:
        picture = picture.reduce(factor)
    luma = np.asarray(picture.convert("L").resize((_SIDE, _SIDE), Image.Resampling.BOX), dtype=np.float64)
    basis = _dct()
    low = (basis @ (luma - 127.5) @ basis.T).ravel()
    # Rounded, so that the order of summation on another machine cannot turn a flat picture's zeros into signs.
    low = np.round(low, 6)
    bits = low > np.median(low[1:])
    bits[0] = low[0] > 0
    return int.from_bytes(np.packbits(bits).tobytes(), "big")


def phash_hex(value: int) -> str:
    """The hash as 16 hex digits, as the manifest holds it."""
    return f"{value:016x}"


def hamming(a: int, b: int) -> int:
    """How many of the 64 bits differ."""
    return (a ^ b).bit_count()


def _check(rgb: Pixels) -> None:
    if rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3:
        raise ValueError(f"expected uint8 (H, W, 3), got {rgb.dtype} {rgb.shape}")


@cache
def _dct() -> NDArray[np.float64]:
    """The first 8 rows of the orthonormal 32-point DCT-II."""
    k, n = np.arange(_KEPT)[:, None], np.arange(_SIDE)[None, :]
    basis = np.sqrt(2 / _SIDE) * np.cos(np.pi * (2 * n + 1) * k / (2 * _SIDE))
    basis[0] /= np.sqrt(2)
    return basis
