"""Head pose from 68 landmarks: weak perspective against a generic head, in closed form."""

from __future__ import annotations

import numpy as np

# Nose tip, chin, outer eye corners, mouth corners, in the iBUG order below. Millimetres of an average head, x to the
# picture's right, y down, z away from the camera; the nose tip is the origin.
POINTS = [30, 8, 36, 45, 48, 54]
HEAD = np.array([[0, 0, 0], [0, 66, 13], [-45, -34, 27], [45, -34, 27], [-30, 30, 25], [30, 30, 25]], dtype=np.float64)


def head_pose(landmarks: np.ndarray) -> tuple[float, float, float]:
    """Yaw, pitch, roll in degrees.

    Positive yaw looks to the picture's right, positive pitch looks down, positive roll turns clockwise. One picture and a
    generic head: good to about ten degrees, enough to tell a profile from a portrait.

    Args:
        landmarks: (68,2) pixels, iBUG order.
    """
    image = np.asarray(landmarks, dtype=np.float64)[POINTS]
    head = HEAD - HEAD.mean(axis=0)
    rows = np.linalg.lstsq(head, image - image.mean(axis=0), rcond=None)[0].T
    # The nearest scaled rotation: equal singular values, third row by the right-hand rule.
    u, _, v = np.linalg.svd(rows, full_matrices=False)
    x, y = u @ v
    rotation = np.stack([x, y, np.cross(x, y)])
    # The face looks along -z of the head.
    look = -rotation[:, 2]
    yaw = np.degrees(np.arctan2(look[0], -look[2]))
    pitch = np.degrees(np.arctan2(look[1], np.hypot(look[0], look[2])))
    left, right = landmarks[36:42].mean(axis=0), landmarks[42:48].mean(axis=0)
    roll = np.degrees(np.arctan2(right[1] - left[1], right[0] - left[0]))
    return float(yaw), float(pitch), float(roll)
