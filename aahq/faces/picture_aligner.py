"""A photograph to its one aligned face, and a face to the numbers by which dlib tells people apart."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from aahq.faces.align import align, crop_quad, is_aligned
from aahq.faces.dlib_models import load_dlib, model_file
from aahq.faces.find import FaceFinder, FoundFace
from suite.errors import SuiteError
from suite.files import whole_file

# Weaker finds beside a strong one are usually shadows and patterns; alone, even a weak one is taken.
SURE = 0.3
DESCRIPTOR = "dlib_face_recognition_resnet_model_v1.dat"


class PictureAligner:
    """Aligns pictures one at a time; dlib and its models are loaded once.

    Args:
        size: side of the aligned faces.
        largest: take the largest of several faces instead of refusing.
    """

    def __init__(self, size: int, largest: bool = False) -> None:
        self.size = size
        self.largest = largest
        self.finder = FaceFinder()

    @cached_property
    def _recogniser(self) -> Any:
        return load_dlib().face_recognition_model_v1(str(model_file(DESCRIPTOR)))

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Serve one request; a mistake becomes `{"error": one line}`.

        `{"picture", "out"}` aligns: `out` is written, the answer has `aligned` (the picture was already), `faces`, `quad`
        (corners in pixels of the picture, 0 the outer
        corner of its first pixel: top left, bottom left, bottom right, top right) and `landmarks` (68 points in
        pixels of `out`). `{"picture", "landmarks"}` describes: `descriptor`, 128 numbers.
        """
        try:
            if "landmarks" in request:
                return {"descriptor": self.describe(Path(request["picture"]), np.array(request["landmarks"]))}
            return self.align(Path(request["picture"]), Path(request["out"]))
        except SuiteError as error:
            return {"picture": request.get("picture"), "error": str(error)}

    def align(self, picture: Path, out: Path) -> dict[str, Any]:
        """Write the aligned face of `picture` to `out`; see `answer`. Raises SuiteError without exactly one face."""
        image = _read(picture)
        rgb = np.asarray(image)
        face = self._one_face(rgb, picture)
        already = is_aligned(rgb, face.landmarks)
        h, w = rgb.shape[:2]
        quad = np.array([[0, 0], [0, h], [w, h], [w, 0]], float) if already else crop_quad(face.landmarks)[0] + 0.5
        if already:
            result = image.resize((self.size, self.size), Image.Resampling.LANCZOS)
        else:
            result = Image.fromarray(align(rgb, face.landmarks, self.size))
        with whole_file(out) as part:
            result.save(part, format="PNG")
        return {
            "picture": str(picture),
            "file": str(out),
            "aligned": already,
            "quad": quad.tolist(),
            "landmarks": _into_quad(face.landmarks, quad, self.size).tolist(),
        }

    def describe(self, picture: Path, landmarks: np.ndarray) -> list[float]:
        """dlib's 128-number descriptor of the face whose 68 landmarks (pixels of `picture`) are given."""
        dlib = load_dlib()
        points = dlib.points([dlib.point(round(x), round(y)) for x, y in landmarks])
        (left, top), (right, bottom) = landmarks.min(0), landmarks.max(0)
        box = dlib.rectangle(round(left), round(top), round(right), round(bottom))
        shape = dlib.full_object_detection(box, points)
        return list(self._recogniser.compute_face_descriptor(np.array(_read(picture)), shape))

    def _one_face(self, rgb: np.ndarray, picture: Path) -> FoundFace:
        faces = self.finder.find(rgb)
        if not faces:
            raise SuiteError(f"{picture}: no face found; give a picture of a face, or an aligned one with --aligned")
        sure = [face for face in faces if face.score >= SURE] or [max(faces, key=lambda face: face.score)]
        if len(sure) > 1 and not self.largest:
            raise SuiteError(f"{picture}: {len(sure)} faces found; crop it to one, or choose the largest (--largest)")
        return sure[0]


def _read(path: Path) -> Image.Image:
    try:
        with Image.open(path) as image:
            return ImageOps.exif_transpose(image).convert("RGB")
    except FileNotFoundError:
        raise SuiteError(f"{path}: no such file") from None
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise SuiteError(f"{path}: not a readable picture ({error})") from None


def _into_quad(points: np.ndarray, quad: np.ndarray, size: int) -> np.ndarray:
    """Points of a picture (0 is the first pixel's centre) in pixels of the square that was cut from it."""
    origin, down, across = quad[0], quad[1] - quad[0], quad[3] - quad[0]
    basis = np.stack([across, down], 1)
    return np.linalg.solve(basis, (np.asarray(points, float) + 0.5 - origin).T).T * size - 0.5
