"""Where the 68 points of a face lie, in space and in the picture.

Head coordinates: the distance between the pupils is 1, u grows to the viewer's right, v downwards, z towards the
viewer, the origin lies between the eyes. The order of the points is iBUG's (300-W): 0-16 jaw, 17-26 brows,
27-35 nose, 36-47 eyes, 48-67 mouth.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aahq.painted.portraits.factors import Factors

# float32 unless a docstring says otherwise; NumPy's stubs widen arithmetic, so the item type is left open.
Array = NDArray[Any]

_JAW = np.array(
    [(-1.165, 0.03), (-1.15, 0.31), (-1.11, 0.59), (-1.045, 0.86), (-0.93, 1.12), (-0.75, 1.36), (-0.53, 1.57),
     (-0.28, 1.72), (0.0, 1.765)]
)  # fmt: skip
_BROW = np.array([(-0.92, -0.25), (-0.78, -0.365), (-0.58, -0.40), (-0.37, -0.37), (-0.19, -0.315)])
_NOSE = np.array([(0, -0.03), (0, 0.17), (0, 0.36), (0, 0.555)])
_NOSE_BASE = np.array([(-0.225, 0.685), (-0.115, 0.73), (0, 0.76), (0.115, 0.73), (0.225, 0.685)])
_EYE = np.array([(-0.192, 0.012), (-0.08, -0.070), (0.067, -0.072), (0.185, 0.025), (0.08, 0.060), (-0.067, 0.064)])
_LIP_X = np.array([-0.395, -0.245, -0.10, 0.0, 0.10, 0.245, 0.395])
_LIP_TOP = np.array([0.0, -0.062, -0.10, -0.078, -0.10, -0.062, 0.0])
_LIP_BOTTOM_X = np.array([0.25, 0.12, 0.0, -0.12, -0.25])
_LIP_BOTTOM = np.array([0.105, 0.155, 0.165, 0.155, 0.105])


def _step(low: float, high: float, x: Array) -> Array:
    t = np.clip((x - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def surface(u: Array, v: Array, f: Factors) -> Array:
    """Depth z of the head's front at (u, v): a shallow bowl and the nose. Same shape as u; in pupil distances."""
    across = np.clip(u, -1.4, 1.4)
    down = np.clip(v, -2.2, 2.4) - 0.3
    bowl = 1.0 - 0.52 * across * across - 0.10 * down * down
    tip = 0.60 * f["nose_length"]
    rise = _step(-0.2, tip, v) * (1 - _step(tip + 0.02, tip + 0.22, v))
    width = 0.13 + 0.09 * _step(0.1, tip, v)
    return (bowl + 0.26 * f["nose_height"] * rise * np.exp(-((u / width) ** 2))).astype(np.float32)


def points_on_face(f: Factors) -> Array:
    """The 68 points on the unturned face. Returns (68, 2) float32 (u, v)."""
    half = _JAW * (f["face_width"], f["face_length"])
    below = np.clip(_JAW[:, 1] / 1.765, 0, 1)
    half[:, 0] *= 1 + (f["jaw_width"] - 1) * np.sin(np.pi * np.clip(below, 0, 1)) * 1.3
    half[5:8, 0] *= 0.6 + 0.4 * f["chin_width"]
    drop = 0.10 * f["mouth_open"]
    half[4:, 1] += drop * np.linspace(0.2, 1, 5)
    jaw = np.concatenate([half, half[-2::-1] * (-1, 1)])

    brow = _BROW.copy()
    brow[:, 1] *= f["brow_height"] * (1 + 0.10 * f["brow_raise"])
    brow[1:4, 1] -= 0.03 * (f["brow_arch"] - 1) + 0.02 * f["brow_raise"]
    brows = np.concatenate([brow, brow[::-1] * (-1, 1)])

    nose = np.concatenate([_NOSE * (1, f["nose_length"]), _NOSE_BASE * (f["nose_width"], f["nose_length"])])

    left = _EYE * f["eye_size"]
    left[[1, 2], 1] *= f["eye_open"] * (1 - 0.12 * f["expression"])
    left[[4, 5], 1] *= f["eye_open"] * (1 - 0.22 * f["expression"])
    left[:, 1] += f["eye_tilt"] * (left[:, 0] / 0.2)
    left = left - left.mean(0)
    right = left[[3, 2, 1, 0, 5, 4]] * (-1, 1)
    eyes = np.concatenate([left + np.array([-0.5, 0]), right + np.array([0.5, 0])])
    return np.concatenate([jaw, brows, nose, eyes, _mouth(f)]).astype(np.float32)


def _mouth(f: Factors) -> NDArray[np.float64]:
    middle = 1.045 * f["mouth_height"]
    wide = f["mouth_width"] * (1 + 0.13 * f["expression"])
    corner = -0.055 * f["expression"] + 0.012

    def lift(x: NDArray[np.float64]) -> NDArray[np.float64]:
        return corner * (np.abs(x) / 0.42) ** 1.6

    gap = 0.13 * f["mouth_open"]
    top = np.stack([_LIP_X * wide, middle + _LIP_TOP * f["lip_upper"] - 0.3 * gap + lift(_LIP_X)], 1)
    top[[0, -1], 1] += 0.3 * gap
    low = np.stack([_LIP_BOTTOM_X * wide, middle + _LIP_BOTTOM * f["lip_lower"] + 0.7 * gap + lift(_LIP_BOTTOM_X)], 1)
    x = np.array([-0.335, -0.10, 0.0, 0.10, 0.335])
    inner_top = np.stack([x * wide, middle + np.array([0, -0.006, 0.006, -0.006, 0]) - 0.3 * gap + lift(x)], 1)
    inner_top[[0, -1], 1] += 0.3 * gap
    x = np.array([0.10, 0.0, -0.10])
    inner_low = np.stack([x * wide, middle + np.array([0.004, 0.014, 0.004]) + 0.7 * gap + lift(x)], 1)
    return np.concatenate([top, low, inner_top, inner_low])


@dataclass(frozen=True)
class Camera:
    """Turns the head and lays it into the picture.

    Args:
        yaw, pitch: radians; positive yaw turns the nose to the viewer's right, positive pitch lifts it.
        matrix: (2, 2) from turned head coordinates to pixels; shift: (2,) pixels.
    """

    yaw: float
    pitch: float
    matrix: Array
    shift: Array

    def turn(self, u: Array, v: Array, z: Array) -> tuple[Array, Array, Array]:
        """Head coordinates to turned coordinates (x, y, depth), in pupil distances."""
        c, s, cp, sp = np.cos(self.yaw), np.sin(self.yaw), np.cos(self.pitch), np.sin(self.pitch)
        forward = z * c - u * s
        return u * c + z * s, v * cp - forward * sp, forward * cp + v * sp

    def to_pixels(self, u: Array, v: Array, f: Factors, z: Array | None = None) -> Array:
        """Points of the face's surface (or at depth z) to pixels. Returns (N, 2) float32."""
        x, y, _ = self.turn(u, v, surface(u, v, f) if z is None else z)
        return (np.stack([x, y], 1) @ self.matrix.T + self.shift).astype(np.float32)

    @property
    def unit(self) -> float:
        """Pixels in one pupil distance."""
        return float(np.sqrt(abs(np.linalg.det(self.matrix))))

    def turned_grid(self, height: int, width: int, step: float = 1.0) -> tuple[Array, Array]:
        """Turned coordinates (x, y) of every `step`-th pixel. Each (ceil(height/step), ceil(width/step)) float32."""
        inverse = np.linalg.inv(self.matrix)
        px = (np.arange(int(np.ceil(width / step))) + 0.5) * step - 0.5 - self.shift[0]
        py = (np.arange(int(np.ceil(height / step))) + 0.5) * step - 0.5 - self.shift[1]
        x = inverse[0, 0] * px[None, :] + inverse[0, 1] * py[:, None]
        y = inverse[1, 0] * px[None, :] + inverse[1, 1] * py[:, None]
        return x.astype(np.float32), y.astype(np.float32)

    def face_grid(self, x: Array, y: Array, f: Factors) -> tuple[Array, Array]:
        """The inverse of `turn` on the surface, by fixed point: (u, v) of turned coordinates (x, y).

        The surface's slope times tan(yaw) stays below one, so ten rounds leave far less than a pixel.
        """
        c, s, cp, sp = (np.float32(g(a)) for a in (self.yaw, self.pitch) for g in (np.cos, np.sin))
        u, v = x, y
        for _ in range(10):
            z = surface(u, v, f)
            u = (x - z * s) / c
            v = (y + (z * c - u * s) * sp) / cp
        return u.astype(np.float32), v.astype(np.float32)


def aligned_camera(f: Factors, size: int) -> Camera:
    """The camera under which the FFHQ crop of the portrait is the portrait itself (size x size pixels).

    Source: the crop of NVlabs/ffhq-dataset: x = eye_to_eye - rot90(eye_to_mouth), scaled to
    max(2 |eye_to_eye|, 1.8 |eye_to_mouth|), centre = eye_avg + 0.1 eye_to_mouth, side = 2 |x|.
    """
    bare = Camera(
        np.deg2rad(f["pose_yaw"]), np.deg2rad(f["pose_pitch"]), np.eye(2, dtype=np.float32), np.zeros(2, np.float32)
    )
    face = points_on_face(f)
    flat = bare.to_pixels(face[:, 0], face[:, 1], f).astype(np.float64)
    left, right = flat[36:42].mean(0), flat[42:48].mean(0)
    eyes, mouth = (left + right) / 2, (flat[48] + flat[54]) / 2
    across, down = right - left, mouth - eyes
    x = across - down[::-1] * (-1, 1)
    x *= max(np.hypot(*across) * 2.0, np.hypot(*down) * 1.8) / np.hypot(*x)
    centre = eyes + 0.1 * down
    scale = size / (2 * np.hypot(*x))
    ux, uy = x / np.hypot(*x)
    matrix = scale * np.array([[ux, uy], [-uy, ux]])
    shift = size / 2 - 0.5 - matrix @ centre
    return Camera(bare.yaw, bare.pitch, matrix.astype(np.float32), shift.astype(np.float32))


def free_camera(f: Factors, centre: tuple[float, float], unit: float) -> Camera:
    """A camera that puts the point between the eyes at `centre` (pixels) with `unit` pixels a pupil distance."""
    roll = np.deg2rad(f["pose_roll"])
    matrix = unit * np.array([[np.cos(roll), -np.sin(roll)], [np.sin(roll), np.cos(roll)]])
    bare = Camera(
        np.deg2rad(f["pose_yaw"]), np.deg2rad(f["pose_pitch"]), matrix.astype(np.float32), np.zeros(2, np.float32)
    )
    zero = np.zeros(1, np.float32)
    origin = bare.to_pixels(zero, zero, f)[0]
    return Camera(bare.yaw, bare.pitch, bare.matrix, (np.array(centre) - origin).astype(np.float32))


def smooth_curve(points: Array, count: int, closed: bool = False) -> Array:
    """A Catmull-Rom curve through (N, 2) points. Returns (count, 2) float32."""
    p = np.asarray(points, np.float32)
    if closed:
        padded = np.concatenate([p[-1:], p, p[:2]])
    else:
        padded = np.concatenate([2 * p[:1] - p[1:2], p, 2 * p[-1:] - p[-2:-1]])
    pieces = len(padded) - 3
    at = np.linspace(0, pieces, count, endpoint=not closed)
    i = np.minimum(at.astype(int), pieces - 1)
    t = (at - i)[:, None].astype(np.float32)
    a, b, c, d = padded[i], padded[i + 1], padded[i + 2], padded[i + 3]
    return 0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3)
