"""Five landmarks that a person placed: validation, and what the ledger keeps of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from aahq.faces.align import MAX_SIDE, crop_quad
from suite.errors import SuiteError

NAMES = ("left eye", "right eye", "nose", "left mouth corner", "right mouth corner")
# Alignment is by eyes and mouth; the nose shows the person that the face is not upside down or turned round.
ALIGNED = (0, 1, 3, 4)
# A crop of fewer pixels holds no face that anyone could use.
SMALLEST = 16.0


def check_points(points: Sequence[Sequence[float]] | np.ndarray, width: int, height: int) -> np.ndarray:
    """The four points of alignment, float64 (4,2), from five in pixels of a picture of this size.

    Raises:
        SuiteError: points far outside the picture or on one spot, or in an order that no face has.
    """
    five = np.asarray(points, dtype=np.float64)
    if five.shape != (5, 2) or not np.isfinite(five).all():
        raise SuiteError(f"points: expected five of x and y ({', '.join(NAMES)})")
    room = 0.5 * max(width, height)
    if (five < -room).any() or (five > (width + room, height + room)).any():
        raise SuiteError(f"points: outside the picture of {width} x {height}")
    four = five[list(ALIGNED)]
    if np.hypot(*(four[1] - four[0])) < 2 or np.hypot(*(four[:2].mean(axis=0) - four[2:].mean(axis=0))) < 2:
        raise SuiteError("points: eyes or mouth lie on one spot; place each on its own")
    across, down = four[1] - four[0], four[2:].mean(axis=0) - four[:2].mean(axis=0)
    if across[0] * down[1] - across[1] * down[0] <= 0:
        raise SuiteError("points: the mouth lies above the eyes' line; left is left as the face is seen upright")
    side = crop_quad(four)[1]
    if not SMALLEST <= side < MAX_SIDE:
        raise SuiteError(f"points: the crop would be {side:.0f} px wide; expected {SMALLEST:.0f} or more")
    return four


def face_columns(four: np.ndarray) -> dict[str, Any]:
    """The columns of a face's row that follow from its four points."""
    from aahq.stages.faces import rounded

    across = four[1] - four[0]
    return {
        "box": rounded([*four.min(axis=0), *four.max(axis=0)]),
        "landmarks": rounded(four),
        "detector": "person",
        "score": 1.0,
        "inter_ocular": float(np.hypot(*across)),
        "yaw": None,
        "pitch": None,
        "roll": float(np.degrees(np.arctan2(across[1], across[0]))),
    }
