"""Faces of a picture: found on scaled copies by two detectors, their 68 landmarks placed at full resolution.

A portrait's face fills much of its picture, so a small copy shows it; only what that leaves uncovered is searched again,
finely, for smaller faces. A picture in which nothing is found is given to a second detector.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from PIL import Image

from aahq.faces.dlib_models import LANDMARKS_68, MMOD_DETECTOR, load_dlib, model_file
from aahq.faces.pose import head_pose

Box = tuple[float, float, float, float]

# dlib's HOG detector sees faces of 80 px and more. Longest sides of the copies: a face of 25 % of the picture is found on
# the coarse one, of 6 % on the fine one.
COARSE = 320
FINE = 1280
# Beside a face that was found already, one of 8 %.
BESIDE = 1024
# The CNN costs a second per 400 x 400; it is asked for what the HOG detector should have seen in a portrait.
MMOD = 200
# A strip beside the found faces is searched when it is wider than this share of the picture's shorter side.
STRIP = 0.25
# A head is about this many times its box.
HEAD = 1.5
# The HOG detector is trained on upright faces; these turns (degrees) reach heads that lie on a shoulder.
TURNS = (-45, 45)
# On the turned copies and the CNN's a weak answer is more often a hand or a curtain than a face.
SURE = 0.4


@dataclass(frozen=True)
class FoundFace:
    """One face.

    Attributes:
        box: left, top, right, bottom in pixels of the full picture; may reach outside it.
        score: the detector's confidence, above 0; comparable within one detector only.
        detector: which one found it: "hog", "mmod" (dlib's CNN) or "hog-turned".
        landmarks: float32 (68,2), x and y in pixels of the full picture, iBUG 300-W order.
        inter_ocular: distance of the eye centres in pixels.
        yaw, pitch, roll: degrees; positive yaw looks to the picture's right, positive pitch down, positive roll clockwise.
    """

    box: Box
    score: float
    detector: str
    landmarks: np.ndarray
    inter_ocular: float
    yaw: float
    pitch: float
    roll: float


@dataclass(frozen=True)
class _Hit:
    box: Box
    score: float
    detector: str


class FaceFinder:
    """Finds faces with dlib, which is loaded on first use. Not for use by several threads at once."""

    @cached_property
    def _dlib(self) -> Any:
        return load_dlib()

    @cached_property
    def _hog(self) -> Any:
        return self._dlib.get_frontal_face_detector()

    @cached_property
    def _mmod(self) -> Any:
        return self._dlib.cnn_face_detection_model_v1(str(model_file(MMOD_DETECTOR)))

    @cached_property
    def _predictor(self) -> Any:
        return self._dlib.shape_predictor(str(model_file(LANDMARKS_68)))

    def find(self, rgb: np.ndarray) -> list[FoundFace]:
        """Every face of a picture, largest first; an empty list is a picture for a person to look at.

        Args:
            rgb: uint8 (H,W,3).

        Raises:
            SuiteError: dlib or a model file is missing.
        """
        picture = Image.fromarray(rgb)
        hits = self._search(picture, (0, 0, *picture.size), COARSE)
        longest = BESIDE if hits else FINE
        for strip in _uncovered(picture.size, [hit.box for hit in hits]):
            hits += self._search(picture, strip, longest)
        hits = _distinct(hits)
        best = max((hit.score for hit in hits), default=0.0)
        if best < SURE:
            # A lying head can look faintly like an upright one; its landmarks would be nonsense.
            faces = self._turned(picture)
            if faces and faces[0].score > best + SURE:
                return faces
        if not hits:
            hits = _distinct(self._second_look(picture))
        full = np.ascontiguousarray(rgb)
        return _largest_first([self._face(full, hit) for hit in hits])

    def _search(self, picture: Image.Image, area: tuple[int, int, int, int], longest: int) -> list[_Hit]:
        """HOG hits of an area, on a copy at the scale that makes the whole picture's longest side `longest`."""
        scale = longest / max(picture.size)
        if longest < BESIDE:
            scale = min(1.0, scale)
        hits = self._hits(_scaled(picture, area, scale))
        return [_Hit(_shifted(hit.box, scale, area), hit.score, hit.detector) for hit in hits]

    def _hits(self, copy: np.ndarray | Image.Image) -> list[_Hit]:
        rects, scores, _ = self._hog.run(np.array(copy), 0, 0.0)
        return [_Hit(_box(rect), float(score), "hog") for rect, score in zip(rects, scores)]

    def _second_look(self, picture: Image.Image) -> list[_Hit]:
        """CNN hits, their boxes moved to the HOG detector's framing, for which the landmarks were trained."""
        area = (0, 0, *picture.size)
        scale = min(1.0, MMOD / max(picture.size))
        copy, out = _scaled(picture, area, scale), []
        # Smaller than any face that it knows; from some size on its filters no longer fit and dlib fails.
        if min(copy.shape[:2]) < 64:
            return []
        for box in self._mmod(copy, 0):
            left, top, right, bottom = _shifted(_box(box.rect), scale, area)
            side, x, y = right - left, (left + right) / 2, (top + bottom) / 2
            # Median of both detectors' boxes over painted portraits: 1.06 times the side, 0.05 of it lower.
            half, y = side * 0.53, y + side * 0.05
            if box.confidence >= SURE:
                out.append(_Hit((x - half, y - half, x + half, y + half), float(box.confidence), "mmod"))
        return out

    def _turned(self, picture: Image.Image) -> list[FoundFace]:
        """Faces of the first turned copy that shows any; found and marked there, then turned back."""
        scale = min(1.0, COARSE / max(picture.size))
        small = Image.fromarray(_scaled(picture, (0, 0, *picture.size), scale))
        for turn in TURNS:
            # Most pictures show nothing here either; only one that does is worth turning at its full size.
            if not any(hit.score >= SURE for hit in self._hits(_turn(small, turn))):
                continue
            copy = _turn(picture, turn)
            hits = _distinct([hit for hit in self._search(copy, (0, 0, *copy.size), COARSE * 2) if hit.score >= SURE])
            if not hits:
                continue
            full, faces = np.array(copy), []
            for hit in hits:
                points = _turned_back(self._landmarks(full, hit.box), turn, copy.size, picture.size)
                middle = np.array([[hit.box[0] + hit.box[2], hit.box[1] + hit.box[3]]]) / 2
                (x, y), half = _turned_back(middle, turn, copy.size, picture.size)[0], (hit.box[2] - hit.box[0]) / 2
                box = (float(x - half), float(y - half), float(x + half), float(y + half))
                faces.append(_described(_Hit(box, hit.score, "hog-turned"), points))
            return _largest_first(faces)
        return []

    def _face(self, rgb: np.ndarray, hit: _Hit) -> FoundFace:
        return _described(hit, self._landmarks(rgb, hit.box))

    def _landmarks(self, rgb: np.ndarray, box: Box) -> np.ndarray:
        left, top, right, bottom = (round(v) for v in box)
        shape = self._predictor(rgb, self._dlib.rectangle(left, top, right, bottom))
        return np.array([(part.x, part.y) for part in shape.parts()], dtype=np.float32)


def _described(hit: _Hit, points: np.ndarray) -> FoundFace:
    yaw, pitch, roll = head_pose(points)
    across = points[42:48].mean(axis=0) - points[36:42].mean(axis=0)
    return FoundFace(hit.box, hit.score, hit.detector, points, float(np.hypot(*across)), yaw, pitch, roll)


def _largest_first(faces: list[FoundFace]) -> list[FoundFace]:
    return sorted(faces, key=lambda face: (-face.inter_ocular, face.box))


def _turned_back(points: np.ndarray, turn: float, copy: tuple[int, int], size: tuple[int, int]) -> np.ndarray:
    """Points of a copy that was turned anticlockwise by `turn` degrees, in the picture before the turn: float32."""
    cos, sin = np.cos(np.radians(turn)), np.sin(np.radians(turn))
    centred = points - np.array(copy) / 2
    return (centred @ np.array([[cos, sin], [-sin, cos]]) + np.array(size) / 2).astype(np.float32)


def _scaled(picture: Image.Image, area: tuple[int, int, int, int], scale: float) -> np.ndarray:
    size = (max(1, round((area[2] - area[0]) * scale)), max(1, round((area[3] - area[1]) * scale)))
    if scale == 1.0:
        return np.array(picture.crop(area))
    return np.array(picture.resize(size, Image.Resampling.BILINEAR, box=area, reducing_gap=2.0))


def _box(rect: Any) -> Box:
    return float(rect.left()), float(rect.top()), float(rect.right()), float(rect.bottom())


def _shifted(box: Box, scale: float, area: tuple[int, int, int, int]) -> Box:
    left, top, right, bottom = (v / scale for v in box)
    return left + area[0], top + area[1], right + area[0], bottom + area[1]


def _turn(picture: Image.Image, degrees: float) -> Image.Image:
    return picture.rotate(degrees, Image.Resampling.BILINEAR, expand=True, fillcolor=(128, 128, 128))


def _uncovered(size: tuple[int, int], boxes: list[Box]) -> Iterator[tuple[int, int, int, int]]:
    """Areas that the found heads leave free and that are wide enough to hold another; the whole without heads."""
    w, h = size
    if not boxes:
        yield 0, 0, w, h
        return
    heads = [_grown(box, HEAD) for box in boxes]
    left, top = max(0, min(head[0] for head in heads)), max(0, min(head[1] for head in heads))
    right, bottom = min(w, max(head[2] for head in heads)), min(h, max(head[3] for head in heads))
    narrow = STRIP * min(w, h)
    if len(boxes) > 1:
        yield 0, 0, w, h
        return
    if left > narrow:
        yield 0, 0, round(left), h
    if w - right > narrow:
        yield round(right), 0, w, h
    if top > narrow:
        yield round(left), 0, round(right), round(top)
    if h - bottom > narrow:
        yield round(left), round(bottom), round(right), h


def _grown(box: Box, times: float) -> Box:
    x, y, half = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2, (box[2] - box[0]) / 2 * times
    return x - half, y - half, x + half, y + half


def _distinct(hits: list[_Hit]) -> list[_Hit]:
    """Without those that lie on a surer one: copies at two scales show the same face twice."""
    kept: list[_Hit] = []
    for hit in sorted(hits, key=lambda hit: (-hit.score, hit.box)):
        if all(_overlap(hit.box, other.box) < 0.3 for other in kept):
            kept.append(hit)
    return kept


def _overlap(a: Box, b: Box) -> float:
    """Shared area as a share of the smaller box."""
    w, h = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    if w <= 0 or h <= 0:
        return 0.0
    return w * h / min((a[2] - a[0]) * (a[3] - a[1]), (b[2] - b[0]) * (b[3] - b[1]))
