"""The three hashes against their written definitions."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy.fft import dctn

from aahq.images.hashes import hamming, phash64, phash_hex, pixel_sha256


def portrait(seed: int, side: int = 256) -> np.ndarray:
    """uint8 (side, side, 3): smooth random shapes, different for each seed."""
    coarse = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC))


def test_pixel_hash_is_the_written_one() -> None:
    rgb = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    assert pixel_sha256(rgb) == hashlib.sha256(b"rgb8 2 4\n" + bytes(range(24))).hexdigest()
    assert pixel_sha256(rgb[:, ::-1]) == pixel_sha256(rgb[:, ::-1].copy())
    assert pixel_sha256(rgb) != pixel_sha256(rgb.reshape(4, 2, 3))


def test_perceptual_hash_agrees_with_scipys_dct() -> None:
    """At 32 x 32 grey nothing is reduced, so the definition can be computed with another library's transform."""
    for seed in range(20):
        grey = np.asarray(Image.fromarray(portrait(seed, 32)).convert("L"))
        low = dctn(grey.astype(float) - 127.5, norm="ortho")[:8, :8].ravel()
        bits = low > np.median(low[1:])
        bits[0] = low[0] > 0
        expected = int("".join("1" if bit else "0" for bit in bits), 2)
        assert phash64(np.repeat(grey[:, :, None], 3, axis=2)) == expected


def test_fixed_values_hold() -> None:
    """Releases store these: they may never change."""
    y, x = np.mgrid[0:200, 0:300]
    ramp = np.stack([x * 255 // 299, y * 255 // 199, (x + y) % 256], axis=2).astype(np.uint8)
    assert phash_hex(phash64(np.full((64, 64, 3), 255, np.uint8))) == "8000000000000000"
    assert phash_hex(phash64(np.zeros((64, 64, 3), np.uint8))) == "0000000000000000"
    assert phash_hex(phash64(ramp)) == "021eb266bc61bf61"


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6))
def test_like_pictures_are_near_and_others_far(seed: int) -> None:
    rgb = portrait(seed)
    value = phash64(rgb)
    smaller = np.asarray(Image.fromarray(rgb).resize((180, 180), Image.Resampling.LANCZOS))
    brighter = (rgb * 0.9 + 12).astype(np.uint8)
    noise = np.random.default_rng(seed).normal(0, 4, rgb.shape)
    noisy = np.clip(rgb + noise, 0, 255).astype(np.uint8)
    # 64 coefficients of unlike pictures agree by chance in 32 +- 4; 10 bits is more than five deviations below.
    assert hamming(value, phash64(smaller)) <= 10
    assert hamming(value, phash64(brighter)) <= 10
    assert hamming(value, phash64(noisy)) <= 10
    assert hamming(value, phash64(portrait(seed + 1))) > 10


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 90), st.integers(1, 90), st.integers(0, 255))
def test_any_size_has_a_hash(height: int, width: int, grey: int) -> None:
    assert 0 <= phash64(np.full((height, width, 3), grey, np.uint8)) < 2**64


def test_other_arrays_are_refused() -> None:
    for wrong in (np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3), np.float32), np.zeros((4, 4, 4), np.uint8)):
        with pytest.raises(ValueError, match="expected uint8"):
            phash64(wrong)
