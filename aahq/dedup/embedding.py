"""A descriptor of an aligned face that survives recompression, recolouring and small crops: gradients, not colours.

Histograms of gradient directions (unsigned, so that inverted tones agree) on a grid over the aligned face, each cell
normalised by its neighbourhood. The face's own place is fixed by the alignment, so what differs is the person, the drawing
and the background: two crops of one work agree in nearly every cell.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

SIDE = 128
CELL = 8
DIRECTIONS = 9
# Numbers of an embedding.
WIDTH = (SIDE // CELL) ** 2 * DIRECTIONS


def embed(aligned: np.ndarray) -> np.ndarray:
    """Descriptor of an aligned face; the cosine of two tells how near the works are.

    Args:
        aligned: uint8 (S,S,3).

    Returns:
        float32 (D,), of length one; zero for a picture without any detail.
    """
    grey = Image.fromarray(aligned).convert("L").resize((SIDE, SIDE), Image.Resampling.BOX)
    gy, gx = np.gradient(np.asarray(grey, dtype=np.float32))
    strength = np.sqrt(np.hypot(gx, gy))
    at = np.arctan2(gy, gx) % np.pi / np.pi * DIRECTIONS
    low = np.floor(at).astype(int) % DIRECTIONS
    part = (at - np.floor(at)).astype(np.float32)
    cells = SIDE // CELL
    place = np.arange(SIDE) // CELL
    cell = (place[:, None] * cells + place[None, :]) * DIRECTIONS
    histogram = np.zeros(cells * cells * DIRECTIONS, dtype=np.float32)
    np.add.at(histogram, (cell + low).ravel(), (strength * (1 - part)).ravel())
    np.add.at(histogram, (cell + (low + 1) % DIRECTIONS).ravel(), (strength * part).ravel())
    grid = histogram.reshape(cells, cells, DIRECTIONS)
    energy = np.pad((grid**2).sum(axis=2), 1, mode="edge")
    around = sum(energy[y : y + cells, x : x + cells] for y in range(3) for x in range(3))
    even: np.ndarray = grid / np.sqrt(around + 1e-3)[..., None]
    # What all aligned faces share (the mean of directions in a cell) says nothing; the deviation does.
    flat = ((even - even.mean(axis=2, keepdims=True)) * _window(cells)[..., None]).ravel()
    length = float(np.linalg.norm(flat))
    return (flat / length if length > 1e-6 else flat * 0).astype(np.float32)


def _window(cells: int) -> np.ndarray:
    """Less weight to the border, which a tighter crop of the same work replaces by blur."""
    ramp = np.minimum(np.arange(cells) + 0.5, cells - 0.5 - np.arange(cells)) / (cells / 2)
    return (np.minimum(ramp * 2, 1)[:, None] * np.minimum(ramp * 2, 1)[None, :]).astype(np.float32)


def flip(embedding: np.ndarray) -> np.ndarray:
    """The embedding that the picture flipped left to right has (up to a pixel's rounding), without the picture.

    Args:
        embedding: float32 (..., D).
    """
    cells = SIDE // CELL
    grid = embedding.reshape(*embedding.shape[:-1], cells, cells, DIRECTIONS)
    # Direction a becomes pi - a; bins stand at multiples of pi / DIRECTIONS.
    turned = (DIRECTIONS - np.arange(DIRECTIONS)) % DIRECTIONS
    return np.ascontiguousarray(grid[..., :, ::-1, :][..., turned]).reshape(embedding.shape)
