"""A photograph to its one aligned face, and a face to the numbers by which dlib tells people apart."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from aahq.faces.align import FARTHEST, align, crop_quad, is_aligned
from aahq.faces.dlib_models import load_dlib, model_file
from aahq.faces.find import FaceFinder, FoundFace
from aahq.reasons import REASONS, Rejection, guarded
from suite.errors import SuiteError
from suite.files import whole_file
from suite.ownership import claim_file, is_png_of, png_mark
from suite.pictures import DecodeLimits, PictureError, decode

# Weaker finds beside a strong one are usually shadows and patterns; alone, even a weak one is taken.
SURE = 0.3
# A person chose the picture: any size, any transparency.
_LIMITS = DecodeLimits(min_side=1, max_transparent=1.0, first_of_several=True)
# In every file that is written: one without it is somebody else's.
MARK = "aahq align-picture"
DESCRIPTOR = "dlib_face_recognition_resnet_model_v1.dat"


class NotOneFace(SuiteError):
    """A picture without a face, or with several where one is asked for: `count` of them."""

    def __init__(self, message: str, count: int) -> None:
        super().__init__(message)
        self.count = count


class PictureAligner:
    """Aligns pictures one at a time; dlib and its models are loaded once.

    Args:
        size: side of the aligned faces.
        largest: take the largest of several faces instead of refusing.
        padding: as of `align`.
    """

    def __init__(self, size: int, largest: bool = False, padding: bool = True) -> None:
        self.size, self.padding = size, padding
        self.largest = largest
        self.finder = FaceFinder()

    @cached_property
    def _recogniser(self) -> Any:
        return load_dlib().face_recognition_model_v1(str(model_file(DESCRIPTOR)))

    def answer(self, request: Any) -> dict[str, Any]:
        """Serve one request, whatever it is; a mistake becomes `{"error": one line}`.

        `{"picture", "out"}` aligns (with `"largest": true` the largest of several faces): `out` is written, the answer
        has `aligned` (the picture was already), `quad` (corners in pixels of the picture, 0 the outer corner of its
        first pixel: top left, bottom left, bottom right, top right) and `landmarks` (68 points in pixels of `out`).
        `{"picture", "landmarks"}` describes: `descriptor`, 128 numbers. An error over the number of faces has `faces`.
        """
        answer = guarded(self._serve, request)
        if not isinstance(answer, Rejection):
            return answer
        picture = request.get("picture") if isinstance(request, dict) else None
        what = REASONS[answer.reason].text if answer.reason != "fault" else "the program failed on it"
        return {"picture": picture, "error": f"{picture}: {what} ({answer.detail})"}

    def _serve(self, request: Any) -> dict[str, Any]:
        picture = request.get("picture") if isinstance(request, dict) else None
        try:
            if not isinstance(picture, str) or not picture:
                raise SuiteError(
                    'request: expected {"picture": FILE, "out": FILE} or {"picture": FILE, "landmarks": [...]}'
                )
            if "landmarks" in request:
                return {"descriptor": self.describe(Path(picture), _points(request["landmarks"]))}
            if not isinstance(request.get("out"), str) or not request["out"]:
                raise SuiteError(f'request: "out" for {picture}: expected the file to write')
            return self.align(Path(picture), Path(request["out"]), self.largest or request.get("largest") is True)
        except NotOneFace as error:
            return {"picture": picture, "error": str(error), "faces": error.count}
        except SuiteError as error:
            return {"picture": picture, "error": str(error)}
        except OSError as error:
            return {"picture": picture, "error": f"{error.filename or request.get('out')}: {error.strerror or error}"}

    def align(self, picture: Path, out: Path, largest: bool) -> dict[str, Any]:
        """Write the aligned face of `picture` to `out`; see `answer`. Raises SuiteError without exactly one face (or with
        none, for `largest`), and where `out` is a file that this did not write."""
        claim_file("out", out, is_png_of(MARK))
        rgb = _read(picture)
        face = self._one_face(rgb, picture, largest)
        already = is_aligned(rgb, face.landmarks)
        h, w = rgb.shape[:2]
        quad = np.array([[0, 0], [0, h], [w, h], [w, 0]], float) if already else crop_quad(face.landmarks)[0] + 0.5
        if already:
            result = Image.fromarray(rgb).resize((self.size, self.size), Image.Resampling.LANCZOS)
        else:
            result = Image.fromarray(align(rgb, face.landmarks, self.size, padding=self.padding))
        with whole_file(out) as part:
            result.save(part, format="PNG", pnginfo=png_mark(MARK))
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
        return list(self._recogniser.compute_face_descriptor(_read(picture), shape))

    def _one_face(self, rgb: np.ndarray, picture: Path, largest: bool) -> FoundFace:
        faces = self.finder.find(rgb)
        if not faces:
            raise NotOneFace(f"{picture}: no face found; give a picture of a face, or an aligned one with --aligned", 0)
        sure = [face for face in faces if face.score >= SURE] or [max(faces, key=lambda face: face.score)]
        if len(sure) > 1 and not largest:
            why = f"{picture}: {len(sure)} faces found; crop it to one, or choose the largest (--largest)"
            raise NotOneFace(why, len(sure))
        return sure[0]


def _read(path: Path) -> np.ndarray:
    """uint8 (H, W, 3) as every other part of the suite sees the picture; of several frames the first."""
    if not path.is_file():
        raise SuiteError(f"{path}: no such file")
    try:
        return decode(path, _LIMITS).rgb
    except PictureError as error:
        raise SuiteError(f"{path}: {error.sentence()}") from None


def _points(values: Any) -> np.ndarray:
    try:
        points = np.array(values, dtype=np.float64)
    except (TypeError, ValueError):
        points = np.empty(0)
    if points.shape != (68, 2) or not np.isfinite(points).all() or np.abs(points).max() > FARTHEST:
        raise SuiteError('request: "landmarks": expected 68 points [x, y] in pixels of the picture')
    return points


def _into_quad(points: np.ndarray, quad: np.ndarray, size: int) -> np.ndarray:
    """Points of a picture (0 is the first pixel's centre) in pixels of the square that was cut from it."""
    origin, down, across = quad[0], quad[1] - quad[0], quad[3] - quad[0]
    basis = np.stack([across, down], 1)
    return np.linalg.solve(basis, (np.asarray(points, float) + 0.5 - origin).T).T * size - 0.5
