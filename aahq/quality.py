"""Quality scores of an aligned face: sharpness, pose, exposure and others, with thresholds in `quality.toml`.

Smooth styles of painting score low on sharpness, so a borderline face is flagged for review, not dropped.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path

import numpy as np
from PIL import Image

from aahq.faces.align import crop_quad
from aahq.faces.find import FoundFace
from suite.errors import SuiteError, did_you_mean
from suite.files import TOML_MAX, parse_toml, read_text

# Sharpness is measured at the crop's own scale, but not at a finer one than this side: a large picture that is soft pixel
# by pixel still fills a face of this size.
SHARP_SIDE = 512
# What rounding to 8 bits alone leaves in the finest octave: 1/12 squared levels, most of it kept by the high pass. Without
# taking it off, a picture blurred to nothing would count as sharp.
ROUNDING = 0.08
# name in quality.toml -> (score, whether the limit is a largest value, reason)
CHECKS = {
    "quad_side_min": ("quad_side", False, "quality_small"),
    "outside_max": ("outside", True, "quality_cut"),
    "yaw_max": ("yaw", True, "quality_pose"),
    "pitch_max": ("pitch", True, "quality_pose"),
    "sharpness_min": ("sharpness", False, "quality_blurred"),
    "blockiness_max": ("blockiness", True, "quality_compressed"),
    "brightness_min": ("brightness", False, "quality_exposure"),
    "brightness_max": ("brightness", True, "quality_exposure"),
    "contrast_min": ("contrast", False, "quality_flat"),
}


@dataclass(frozen=True)
class Scores:
    """What was measured of one face.

    Attributes:
        quad_side: side of the crop in source pixels, before warping.
        inter_ocular: distance of the eye centres in source pixels.
        sharpness: energy of the finest octave of detail over that of the next; about 0.1 to 0.5 where edges are sharp,
            below 0.05 where they are blurred.
        blockiness: mean step across the borders of 8 x 8 blocks over the mean step elsewhere; 1 without compression.
        brightness: mean luma of the aligned face, 0 to 255.
        contrast: standard deviation of the aligned face's luma.
        yaw, pitch: absolute degrees.
        outside: share of the crop that lies outside the picture.
    """

    quad_side: float
    inter_ocular: float
    sharpness: float
    blockiness: float
    brightness: float
    contrast: float
    yaw: float
    pitch: float
    outside: float

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
    """The thresholds of `aahq/quality.toml`, or of another file of the same shape.

    Raises:
        SuiteError: the file cannot be read, is not UTF-8 or not TOML, or has an unknown name or a value that is no number.
    """
    if path is None:
        return parse_thresholds((resources.files("aahq") / "quality.toml").read_text(), "quality.toml")
    try:
        return parse_thresholds(read_text(path, TOML_MAX), str(path))
    except OSError as error:
        raise SuiteError(f"--thresholds {path}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise SuiteError(f"--thresholds {path}: not UTF-8 at byte {error.start}; save it as UTF-8") from None


def parse_thresholds(text: str, name: str) -> Thresholds:
    """Thresholds from TOML; `name` is what errors call it. Raises SuiteError as `load_thresholds` does."""
    try:
        values = parse_toml(text)
    except ValueError as error:
        raise SuiteError(f"--thresholds {name}: not TOML: {error}") from None
    levels = ("reject", "review")
    for level in values:
        if level not in levels:
            raise SuiteError(f"--thresholds {name}: [{level}]: no such table{did_you_mean(level, levels)}")
    for level in levels:
        if not isinstance(values.get(level), dict):
            raise SuiteError(
                f"--thresholds {name}: no table [{level}]; expected [reject] and [review], as in quality.toml"
            )
        for key, value in values[level].items():
            if key not in CHECKS:
                raise SuiteError(f"--thresholds {name}: [{level}] {key}: no such threshold{did_you_mean(key, CHECKS)}")
            if isinstance(value, bool) or not isinstance(value, int | float) or value != value:
                raise SuiteError(f"--thresholds {name}: [{level}] {key} = {value!r}: expected a number")
    return Thresholds(values["reject"], values["review"])


def assess(rgb_full: np.ndarray, face: FoundFace, aligned: np.ndarray) -> Scores:
    """Measure one face.

    Args:
        rgb_full: uint8 (H,W,3), the screened picture.
        face: found in it.
        aligned: uint8 (S,S,3), `align(rgb_full, face.landmarks)`.
    """
    quad, side = crop_quad(face.landmarks)
    luma = np.asarray(Image.fromarray(aligned).convert("L"), dtype=np.float64)
    crop, left, top = _crop(rgb_full, quad)
    return Scores(
        quad_side=side,
        inter_ocular=face.inter_ocular,
        sharpness=sharpness(crop, side),
        blockiness=blockiness(crop, left, top),
        brightness=float(luma.mean()),
        contrast=float(luma.std()),
        yaw=abs(face.yaw),
        pitch=abs(face.pitch),
        outside=outside(quad, rgb_full.shape[1], rgb_full.shape[0]),
    )


def judge(scores: Scores, thresholds: Thresholds) -> Verdict | None:
    """The first check that fails, rejections before reviews; None when the face passes."""
    values = scores.as_dict()
    for level in ("reject", "review"):
        limits: dict[str, float] = getattr(thresholds, level)
        for name, (score, largest, reason) in CHECKS.items():
            if name not in limits:
                continue
            value, limit = values[score], limits[name]
            # Asked this way round, what is no number fails.
            if not (value <= limit if largest else value >= limit):
                sign = ">" if largest else "<"
                return Verdict(level, reason, f"{score.replace('_', ' ')} {value:.3g} {sign} {limit:g}")
    return None


def sharpness(grey: np.ndarray, side: float) -> float:
    """Energy of the finest octave over the next, both by differences of binomial blurs.

    Args:
        grey: float (H,W), the face's crop at its own scale.
        side: of the crop's quad, in pixels; above `SHARP_SIDE` the crop is reduced first.
    """
    if side > SHARP_SIDE:
        scale = SHARP_SIDE / side
        size = (max(8, round(grey.shape[1] * scale)), max(8, round(grey.shape[0] * scale)))
        grey = np.asarray(Image.fromarray(grey.astype(np.float32)).resize(size, Image.Resampling.BOX))
    once = _blur(grey, 1)
    twice = _blur(_blur(once, 2), 2)
    fine, coarse = float(((grey - once) ** 2).mean()), float(((once - twice) ** 2).mean())
    return max(fine - ROUNDING, 0.0) / coarse if coarse > 1e-9 else 0.0


def blockiness(grey: np.ndarray, left: int, top: int) -> float:
    """Mean step across JPEG's 8 x 8 grid over the mean step elsewhere; `left`, `top` place the crop on the grid."""
    steps = []
    for axis, offset in ((1, left), (0, top)):
        step = np.abs(np.diff(grey, axis=axis)).mean(axis=1 - axis)
        border = (np.arange(len(step)) + offset) % 8 == 7
        if border.any() and not border.all() and step[~border].mean() > 1e-9:
            steps.append(step[border].mean() / step[~border].mean())
    return float(np.mean(steps)) if steps else 1.0


def outside(quad: np.ndarray, width: int, height: int, grid: int = 48) -> float:
    """Share of the quadrilateral that lies outside a picture of this size, by a grid of points."""
    at = (np.arange(grid) + 0.5) / grid
    across, down = (quad[3] - quad[0]), (quad[1] - quad[0])
    points = quad[0] + at[:, None, None] * down + at[None, :, None] * across
    inside = (points >= 0).all(axis=-1) & (points < (width, height)).all(axis=-1)
    return float(1 - inside.mean())


def _crop(rgb: np.ndarray, quad: np.ndarray) -> tuple[np.ndarray, int, int]:
    """The luma of the face's inner half (hair to chin, cheek to cheek) at its own scale, and where it begins."""
    inner = quad.mean(axis=0) + (quad - quad.mean(axis=0)) * 0.6
    h, w = rgb.shape[:2]
    left, top = (int(v) for v in np.clip(np.floor(inner.min(axis=0)), 0, (w - 8, h - 8)))
    right, bottom = (int(v) for v in np.clip(np.ceil(inner.max(axis=0)), (left + 8, top + 8), (w, h)))
    part = Image.fromarray(np.ascontiguousarray(rgb[top:bottom, left:right])).convert("L")
    return np.asarray(part, dtype=np.float64), left, top


def _blur(grey: np.ndarray, step: int) -> np.ndarray:
    """Binomial 1-2-1 with holes of `step`, both axes."""
    for axis in (0, 1):
        pad = [(step, step) if a == axis else (0, 0) for a in (0, 1)]
        wide = np.pad(grey, pad, mode="edge")
        n = grey.shape[axis]
        a, b, c = (np.take(wide, np.arange(i * step, i * step + n), axis=axis) for i in range(3))
        grey = (a + 2 * b + c) / 4
    return grey
