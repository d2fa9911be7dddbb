"""Faces of a picture: found on a scaled copy, their 68 landmarks placed at full resolution."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from PIL import Image

from aahq.landmark_model import LANDMARKS_68, load_dlib, model_file


@dataclass(frozen=True)
class FoundFace:
    """One face.

    Attributes:
        box: left, top, right, bottom in pixels of the full picture; may reach outside it.
        score: the detector's confidence, above 0; comparable within one detector only.
        detector: which one found it ("hog", "mmod", ...).
        landmarks: float32 (68,2), x and y in pixels of the full picture, iBUG 300-W order.
        inter_ocular: distance of the eye centres in pixels.
        yaw, pitch, roll: degrees; positive yaw looks to the picture's right, positive pitch down, positive roll clockwise.
    """

    box: tuple[float, float, float, float]
    score: float
    detector: str
    landmarks: np.ndarray
    inter_ocular: float
    yaw: float
    pitch: float
    roll: float


class FaceFinder:
    """Finds faces with dlib, which is loaded on first use."""

    longest_side = 640

    @cached_property
    def _dlib(self) -> Any:
        return load_dlib()

    @cached_property
    def _hog(self) -> Any:
        return self._dlib.get_frontal_face_detector()

    @cached_property
    def _predictor(self) -> Any:
        return self._dlib.shape_predictor(str(model_file(LANDMARKS_68)))

    def find(self, rgb: np.ndarray) -> list[FoundFace]:
        """Every face of a picture, largest first; an empty list is a picture for a person to look at.

        Args:
            rgb: uint8 (H,W,3).

        Raises:
            SuiteError: dlib or the landmark file is missing.
        """
        h, w = rgb.shape[:2]
        scale = min(1.0, self.longest_side / max(h, w))
        copy = rgb
        if scale < 1:
            size = (max(1, round(w * scale)), max(1, round(h * scale)))
            copy = np.asarray(Image.fromarray(rgb).resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0))
        found = []
        for rect, score, _ in zip(*self._hog.run(np.ascontiguousarray(copy), 1, 0.0)):
            box = tuple(v / scale for v in (rect.left(), rect.top(), rect.right(), rect.bottom()))
            found.append(self._face(rgb, box, float(score), "hog"))
        return sorted(found, key=lambda face: (-face.inter_ocular, face.box))

    def _face(self, rgb: np.ndarray, box: tuple[float, ...], score: float, detector: str) -> FoundFace:
        rect = self._dlib.rectangle(*(round(v) for v in box))
        shape = self._predictor(np.ascontiguousarray(rgb), rect)
        points = np.array([(p.x, p.y) for p in shape.parts()], dtype=np.float32)
        eyes = points[36:42].mean(axis=0), points[42:48].mean(axis=0)
        across = eyes[1] - eyes[0]
        return FoundFace(
            box=(box[0], box[1], box[2], box[3]),
            score=score,
            detector=detector,
            landmarks=points,
            inter_ocular=float(np.hypot(*across)),
            yaw=0.0,
            pitch=0.0,
            roll=float(np.degrees(np.arctan2(across[1], across[0]))),
        )
