"""Faces: time against dlib's detector on the full-size picture upsampled once, the same faces, and landmark error."""

from __future__ import annotations

import time
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
from PIL import Image

from aahq.faces.dlib_models import load_dlib, model_file
from aahq.faces.find import FaceFinder
from speed.run import Row

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


class Straightforward:
    """dlib's documented use: the HOG detector on the whole picture, upsampled once, then 68 landmarks in each box."""

    def __init__(self) -> None:
        dlib = load_dlib()
        self.detector = dlib.get_frontal_face_detector()
        self.predictor = dlib.shape_predictor(str(model_file()))

    def find(self, rgb: np.ndarray) -> list[np.ndarray]:
        """float64 (68,2) of every face."""
        shapes = [self.predictor(rgb, rect) for rect in self.detector(rgb, 1)]
        return [np.array([(part.x, part.y) for part in shape.parts()], dtype=np.float64) for shape in shapes]


def rows() -> list[Row]:
    paths = sorted(path for name in ("art", "faces", "scenes", "landmarks") for path in (DATA / name).glob("*.*g"))
    if not paths:
        return [Row("faces of the real pictures", 0, "pictures", "", "../shared/data is absent; nothing was measured")]
    ours, other = FaceFinder(), Straightforward()
    # Loading the models is no part of a picture's time.
    for finder in (ours, other):
        for path in (paths[0], next(path for path in paths if path.parent.name == "scenes")):
            with Image.open(path) as image:
                finder.find(np.array(image.convert("RGB")))
    spent = {"ours": 0.0, "other": 0.0}
    wanted = shared = extra = 0
    errors: dict[str, list[float]] = {"ours": [], "other": []}
    truth = hand_made()
    for path in paths:
        with Image.open(path) as image:
            rgb = np.array(image.convert("RGB"))
        start = time.process_time()
        mine = [face.landmarks.astype(np.float64) for face in ours.find(rgb)]
        middle = time.process_time()
        theirs = other.find(rgb)
        spent["ours"] += middle - start
        spent["other"] += time.process_time() - middle
        wanted += len(theirs)
        shared += sum(nearest(points, mine) is not None for points in theirs)
        extra += sum(nearest(points, theirs) is None for points in mine)
        for points in truth.get(path.name, []):
            a, b = nearest(points, mine), nearest(points, theirs)
            if a is not None and b is not None:
                errors["ours"].append(error(a, points))
                errors["other"].append(error(b, points))
    faster = spent["other"] / spent["ours"]
    worse = float(np.mean(errors["ours"]) - np.mean(errors["other"])) * 100
    n = len(paths)
    return [
        Row(
            f"find faces in {n} real pictures",
            faster,
            "x faster",
            "at least 4",
            "HOG on the full size upsampled once; CPU seconds, one picture each in turn, second detector included",
            faster >= 4,
        ),
        Row("  its faces that are found", shared, f"of {wanted}", f"{wanted}", "the same", shared == wanted),
        Row("  faces beyond those", extra, "faces", "", "real ones or false; the scenes have none"),
        Row("  pictures per second and core", n / spent["ours"], "pictures/s", "", f"other: {n / spent['other']:.2f}"),
        Row(
            f"landmark error on {len(errors['ours'])} hand-marked faces, above the other's",
            worse,
            "% of eye distance",
            "at most 1",
            f"ours {np.mean(errors['ours']):.2%}, the straightforward way {np.mean(errors['other']):.2%}",
            worse <= 1,
        ),
    ]


def hand_made() -> dict[str, list[np.ndarray]]:
    """Picture's file name -> float64 (68,2) of each face marked by hand."""
    out: dict[str, list[np.ndarray]] = {}
    for xml in sorted((DATA / "landmarks").glob("*.xml")):
        for image in ET.parse(xml).iter("image"):
            faces = [
                np.array([(float(part.get("x", 0)), float(part.get("y", 0))) for part in box.iter("part")])
                for box in image.iter("box")
            ]
            out[str(image.get("file"))] = [face for face in faces if face.shape == (68, 2)]
    return out


def eye_distance(points: np.ndarray) -> float:
    """Distance of the eye centres in pixels."""
    return float(np.hypot(*(points[42:48].mean(axis=0) - points[36:42].mean(axis=0))))


def nearest(points: np.ndarray, others: list[np.ndarray]) -> np.ndarray | None:
    """The face of `others` whose middle lies within an eye distance of this one's."""
    far = [(float(np.hypot(*(other.mean(axis=0) - points.mean(axis=0)))), i) for i, other in enumerate(others)]
    distance, i = min(far, default=(np.inf, -1))
    return others[i] if distance < eye_distance(points) else None


def error(points: np.ndarray, truth: np.ndarray) -> float:
    """Mean distance of the 68 points as a share of the eye distance."""
    return float(np.hypot(*(points - truth).T).mean()) / eye_distance(truth)
