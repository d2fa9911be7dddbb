"""Is an aligned face good enough? Classical, explainable scores; thresholds in `quality.toml`."""

from __future__ import annotations

import tomllib
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path

import numpy as np

from aahq.align import crop_quad
from aahq.faces import FoundFace


@dataclass(frozen=True)
class Scores:
    """What was measured of one face.

    Attributes:
        quad_side: side of the crop in source pixels, before warping.
        inter_ocular: distance of the eye centres in source pixels.
    """

    quad_side: float
    inter_ocular: float

    def as_dict(self) -> dict[str, float]:
        return asdict(self)


@dataclass(frozen=True)
class Thresholds:
    """Limits by level: level ("reject", "review") -> name ("quad_side_min") -> value."""

    reject: dict[str, float]
    review: dict[str, float]


@dataclass(frozen=True)
class Verdict:
    """A failed check: `level` is "reject" or "review"; `reason` a key of `REASONS`; `detail` carries the number."""

    level: str
    reason: str
    detail: str


def load_thresholds(path: Path | None = None) -> Thresholds:
    """The thresholds of `aahq/quality.toml`, or of another file of the same shape."""
    text = (resources.files("aahq") / "quality.toml" if path is None else path).read_text()
    values = tomllib.loads(text)
    return Thresholds(values["reject"], values["review"])


def assess(rgb_full: np.ndarray, face: FoundFace, aligned: np.ndarray) -> Scores:
    """Measure one face.

    Args:
        rgb_full: uint8 (H,W,3), the screened picture.
        face: found in it.
        aligned: uint8 (S,S,3), `align(rgb_full, face.landmarks)`.
    """
    return Scores(quad_side=crop_quad(face.landmarks)[1], inter_ocular=face.inter_ocular)


def judge(scores: Scores, thresholds: Thresholds) -> Verdict | None:
    """The first check that fails, rejections before reviews; None when the face passes."""
    if scores.quad_side < thresholds.reject["quad_side_min"]:
        return Verdict(
            "reject", "quality_small", f"quad {scores.quad_side:.0f} px < {thresholds.reject['quad_side_min']:.0f}"
        )
    if scores.quad_side < thresholds.review["quad_side_min"]:
        return Verdict(
            "review", "quality_small", f"quad {scores.quad_side:.0f} px < {thresholds.review['quad_side_min']:.0f}"
        )
    return None
