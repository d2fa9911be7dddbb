"""The FFHQ crop (NVlabs/ffhq-dataset, also AAHQ's): an oriented square round a face becomes a picture of fixed size."""

from __future__ import annotations

import numpy as np
from PIL import Image

from aahq.reasons import Rejected

RECIPE = "ffhq-quad4096-bilinear-lanczos1024-v1"
MAX_SIDE = 100_000
# Pixels from the corner of the picture beyond which no landmark can lie.
FARTHEST = 1e6


def crop_quad(landmarks: np.ndarray) -> tuple[np.ndarray, float]:
    """The oriented square that the recipe cuts.

    Args:
        landmarks: (68,2) in iBUG order, or (4,2): left eye, right eye, left and right mouth corner (as they lie in the
            picture); pixels.

    Returns:
        float64 (4,2) corners top left, bottom left, bottom right, top right; and the square's side in pixels.
    """
    points = np.asarray(landmarks, dtype=np.float64)
    if points.shape == (68, 2):
        left, right, corners = points[36:42].mean(axis=0), points[42:48].mean(axis=0), (points[48], points[54])
    elif points.shape == (4, 2):
        left, right, corners = points[0], points[1], (points[2], points[3])
    else:
        raise ValueError(f"landmarks: expected shape (68, 2) or (4, 2), not {points.shape}")
    eyes, mouth = (left + right) * 0.5, (corners[0] + corners[1]) * 0.5
    across, down = right - left, mouth - eyes
    x = across - down[::-1] * [-1, 1]
    x /= np.hypot(*x)
    x *= max(np.hypot(*across) * 2.0, np.hypot(*down) * 1.8)
    y = x[::-1] * [-1, 1]
    centre = eyes + down * 0.1
    return np.stack([centre - x - y, centre - x + y, centre + x + y, centre + x - y]), float(np.hypot(*x) * 2)


def checked_quad(landmarks: np.ndarray) -> tuple[np.ndarray, float]:
    """`crop_quad` of points that a list, a person or a detector gave.

    Raises:
        Rejected: "bad_points": not numbers, on one spot, or farther apart than any picture.
    """
    points = np.asarray(landmarks, dtype=np.float64)
    if not (np.isfinite(points).all() and np.abs(points).max() < FARTHEST):
        raise Rejected("bad_points", "landmarks are no numbers, or far outside any picture")
    with np.errstate(invalid="ignore", divide="ignore"):
        quad, side = crop_quad(points)
    # A comparison with nan, from points on one spot, is false too.
    if not 2 <= side < MAX_SIDE:
        raise Rejected("bad_points", f"the crop's side would be {side:.1f} px; expected 2 to {MAX_SIDE}")
    return quad, side


def align(
    rgb: np.ndarray, landmarks: np.ndarray, size: int = 1024, transform_size: int = 4096, padding: bool = True
) -> np.ndarray:
    """The aligned face, bit-identical to the published recipe.

    Args:
        rgb: uint8 (H,W,3).
        landmarks: (68,2), or (4,2) as in `crop_quad`; pixels of `rgb`.
        size: side of the result.
        transform_size: side of the bilinear intermediate that Lanczos reduces to `size`.
        padding: fill what lies beyond the picture with its blurred reflection; without it that stays black (the recipe's
            own switch, with which some data sets were cut).

    Returns:
        uint8 (size,size,3).

    Raises:
        Rejected: "bad_points" as in `checked_quad`, or "quality_cut" where the crop lies outside the picture.
    """
    quad, side = checked_quad(landmarks)
    # Imported on use: the compiled loops cost half a second that help pages and other stages need not wait for.
    from aahq.faces.border import blurred_border
    from aahq.faces.warp import warp_reduce

    shrink = int(np.floor(side / size * 0.5))
    if shrink > 1:
        height, width = (max(1, int(np.rint(n / shrink))) for n in rgb.shape[:2])
        rgb = np.asarray(Image.fromarray(rgb).resize((width, height), Image.Resampling.LANCZOS))
        quad, side = quad / shrink, side / shrink
    border = max(int(np.rint(side * 0.1)), 3)
    low, high = _bounds(quad)
    left, top = np.maximum(low - border, 0)
    right, bottom = np.minimum(high + border, rgb.shape[1::-1])
    rgb, quad = rgb[top:bottom, left:right], quad - (left, top)
    low, high = _bounds(quad)
    pad = np.array([*np.maximum(border - low, 0), *np.maximum(high - rgb.shape[1::-1] + border, 0)])
    if padding and pad.max() > border - 4:
        pad = np.maximum(pad, int(np.rint(side * 0.3)))
        quad = quad + pad[:2]
        # Bilinear sampling reads one pixel beyond the quad; two are taken, and no more of the padded picture is made.
        full = (int(rgb.shape[1] + pad[0] + pad[2]), int(rgb.shape[0] + pad[1] + pad[3]))
        low, high = np.maximum(_bounds(quad)[0] - 2, 0), np.minimum(_bounds(quad)[1] + 2, full)
        part = blurred_border(rgb, pad, side, (int(low[0]), int(low[1]), int(high[0]), int(high[1])))
        return warp_reduce(
            part, quad + 0.5, transform_size, min(size, transform_size), (int(low[0]), int(low[1])), full
        )
    return warp_reduce(rgb, quad + 0.5, transform_size, min(size, transform_size))


def _bounds(quad: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return np.floor(quad.min(axis=0)).astype(int), np.ceil(quad.max(axis=0)).astype(int)


def is_aligned(rgb: np.ndarray, landmarks: np.ndarray, tolerance: float = 0.04) -> bool:
    """Whether the picture already is what the recipe would cut from it (an FFHQ, AAHQ or MetFaces file).

    Args:
        rgb: uint8 (H,W,3).
        landmarks: as in `crop_quad`.
        tolerance: how far each corner of the quad may lie from the picture's, as a share of the picture's side.
    """
    h, w = rgb.shape[:2]
    if abs(h - w) > 0.02 * max(h, w):
        return False
    frame = np.array([[0, 0], [0, h], [w, h], [w, 0]], dtype=np.float64)
    return bool(np.hypot(*(crop_quad(landmarks)[0] - frame).T).max() <= tolerance * max(h, w))
