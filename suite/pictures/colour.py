"""Colour profiles to sRGB, judged by what they do to colours and not by what they are called."""

from __future__ import annotations

import io
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

_SRGB = ImageCms.createProfile("sRGB")
# Colours a channel on which a profile is tried, and how far it may move them and still be sRGB: the profiles of that name
# (black scaled or not, curves as tables or formulas) lie within this of each other, a gamma of 2.2 lies beyond.
_TRIED = 18
_SAME = 3
# Bytes of a profile whose verdict is remembered with it.
_KEPT = 2**16
# The file gamma that stands for sRGB in PNGs (PNG specification, 11.3.2.2), and what writers round it to.
_SRGB_GAMMA = 1 / 2.2
_NEAR = 0.02


def to_srgb(picture: Image.Image, profile: bytes | None) -> tuple[NDArray[np.uint8], str]:
    """The pixels as sRGB.

    Args:
        picture: in mode L, RGB, CMYK or LAB.
        profile: the embedded ICC profile, or None.

    Returns:
        uint8 (H, W, 3), and what was done: "none", "srgb", "broken" (as viewers do, the profile is ignored) or
        "converted: <name>".
    """
    if picture.mode == "LAB":
        transform = ImageCms.buildTransform(ImageCms.createProfile("LAB"), _SRGB, "LAB", "RGB")
        return np.asarray(ImageCms.applyTransform(picture, transform)), "converted: CIE L*a*b*"
    if not profile:
        return np.asarray(picture.convert("RGB")), "none"
    try:
        if picture.mode == "RGB" and (_is_srgb if len(profile) <= _KEPT else _is_srgb.__wrapped__)(profile):
            return np.asarray(picture), "srgb"
        embedded, transform = _opened(profile, picture.mode)
        name = " ".join((embedded.profile.profile_description or "unnamed").split())[:80]
        return np.asarray(ImageCms.applyTransform(picture, transform)), f"converted: {name}"
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        # A broken profile, or one for another kind of picture.
        return np.asarray(picture.convert("RGB")), "broken"


def gamma_to_srgb(rgb: NDArray[np.uint8], gamma: float) -> tuple[NDArray[np.uint8], str]:
    """Pixels of a PNG without a profile that says at which gamma they are stored (gAMA), as sRGB; as browsers do.

    Args:
        rgb: uint8 (H, W, 3).
        gamma: sample = light ** gamma, both from 0 to 1; what is no gamma is ignored.

    Returns:
        The pixels, and "none" or "converted: gamma <value>".
    """
    if not 0.05 <= gamma <= 5 or abs(gamma - _SRGB_GAMMA) <= _NEAR:
        return rgb, "none"
    light = (np.arange(256) / 255) ** (1 / gamma)
    encoded = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.round(encoded * 255).astype(np.uint8)[rgb], f"converted: gamma {gamma:.5g}"


def _opened(profile: bytes, mode: str) -> tuple[ImageCms.ImageCmsProfile, ImageCms.ImageCmsTransform]:
    embedded = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    intent, flags = ImageCms.Intent.RELATIVE_COLORIMETRIC, ImageCms.Flags.BLACKPOINTCOMPENSATION
    return embedded, ImageCms.buildTransform(embedded, _SRGB, mode, "RGB", intent, flags)


@lru_cache(maxsize=64)
def _is_srgb(profile: bytes) -> bool:
    steps = np.linspace(0, 255, _TRIED).round().astype(np.uint8)
    grid = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(1, -1, 3)
    moved = np.asarray(ImageCms.applyTransform(Image.fromarray(grid), _opened(profile, "RGB")[1]))
    return int(np.abs(moved.astype(int) - grid).max()) <= _SAME
