"""A picture made from an aligned face, put back into the photograph that the face was cut from."""

from __future__ import annotations

import numpy as np
from PIL import Image


def paste_back(photograph: Image.Image, face: Image.Image, quad: np.ndarray, feather: float = 0.12) -> Image.Image:
    """Return the photograph with `face` over the square `quad`, faded in from its edge.

    Args:
        photograph: RGB.
        face: RGB, square: the aligned face, changed.
        quad: (4, 2) corners top left, bottom left, bottom right, top right, in pixels of the photograph.
        feather: width of the fade as a share of the square's side; 0 pastes it hard.
    """
    side = float(np.linalg.norm(quad[3] - quad[0]))
    pixels = max(1, round(side))
    # Shrinking first keeps the affine map, which does not filter, from aliasing.
    face = face.resize((pixels, pixels), Image.Resampling.LANCZOS)
    low = np.maximum(np.floor(quad.min(0)).astype(int), 0)
    high = np.minimum(np.ceil(quad.max(0)).astype(int), photograph.size)
    if (high <= low).any():
        return photograph.copy()
    basis = np.linalg.inv(np.stack([quad[3] - quad[0], quad[1] - quad[0]], 1)) * pixels
    start = basis @ (low - quad[0])
    coefficients = (*basis[0], start[0], *basis[1], start[1])
    size = (int(high[0] - low[0]), int(high[1] - low[1]))
    affine = Image.Transform.AFFINE
    placed = face.transform(size, affine, coefficients, Image.Resampling.BICUBIC)
    mask = _fade(pixels, feather).transform(size, affine, coefficients, Image.Resampling.BILINEAR)
    out = photograph.copy()
    out.paste(placed, (int(low[0]), int(low[1])), mask)
    return out


def _fade(pixels: int, feather: float) -> Image.Image:
    """Opaque inside, falling to nothing at the edge along a smooth step."""
    centre = np.arange(pixels) + 0.5
    inside = np.minimum(centre, pixels - centre) / max(feather * pixels, 0.5)
    ramp = np.clip(inside, 0, 1)
    ramp = ramp * ramp * (3 - 2 * ramp)
    return Image.fromarray(np.uint8(np.rint(255 * np.minimum(ramp[:, None], ramp[None, :]))))
