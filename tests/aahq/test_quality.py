"""Quality: each score against what was done to a picture, and real pictures that must pass."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from aahq.faces.align import align, crop_quad
from aahq.faces.find import FaceFinder, FoundFace
from aahq.quality import CHECKS, Scores, assess, blockiness, judge, load_thresholds, outside, sharpness
from aahq.reasons import REASONS
from suite.errors import SuiteError

LIMITS = load_thresholds()
GOOD = Scores(400, 100, 0.4, 1.0, 120, 50, 5, 5, 0)


def detailed(size: int = 400) -> np.ndarray:
    """Luma with detail of all sizes, strongest where coarse, as in photographs: float (size,size)."""
    rng = np.random.default_rng(4)
    out = np.zeros((size, size))
    for cells in (4, 8, 16, 32, 64, 128, size):
        patch = Image.fromarray(rng.standard_normal((cells, cells)).astype(np.float32))
        out += np.asarray(patch.resize((size, size), Image.Resampling.BICUBIC)) * 90 / cells**0.5
    return np.clip(out + 128, 0, 255).round()


def as_picture(luma: np.ndarray) -> Image.Image:
    return Image.fromarray(luma.astype(np.uint8))


def test_a_good_face_passes_and_every_check_can_fail() -> None:
    assert judge(GOOD, LIMITS) is None
    for level in ("reject", "review"):
        limits = getattr(LIMITS, level)
        assert set(limits) == set(CHECKS)
        for name, (score, largest, reason) in CHECKS.items():
            bad = limits[name] * 1.01 if largest else limits[name] * 0.99
            verdict = judge(Scores(**{**GOOD.as_dict(), score: bad}), LIMITS)
            assert verdict is not None
            assert (verdict.level, verdict.reason) == (level, reason)
            assert f"{bad:.3g}" in verdict.detail
            assert reason in REASONS


def test_review_lies_inside_reject() -> None:
    for name, (_, largest, _) in CHECKS.items():
        assert (LIMITS.review[name] < LIMITS.reject[name]) is largest


@pytest.mark.parametrize("sigma", [3.0, 12.0])
def test_blur_and_enlarging_lower_sharpness_below_the_limit(sigma: float) -> None:
    picture = as_picture(detailed())
    blurred = np.asarray(picture.filter(ImageFilter.GaussianBlur(sigma)), dtype=float)
    enlarged = np.asarray(picture.resize((50, 50)).resize((400, 400), Image.Resampling.BICUBIC), dtype=float)
    assert sharpness(detailed(), 400) > LIMITS.review["sharpness_min"]
    assert sharpness(blurred, 400) < LIMITS.reject["sharpness_min"]
    assert sharpness(enlarged, 400) < LIMITS.reject["sharpness_min"]
    assert sharpness(np.full((64, 64), 9.0), 64) == 0


def test_jpeg_blocks_are_seen_wherever_the_crop_begins() -> None:
    data = io.BytesIO()
    as_picture(detailed()).save(data, "JPEG", quality=4)
    blocky = np.asarray(Image.open(data), dtype=float)
    for left, top in ((0, 0), (3, 5)):
        assert blockiness(detailed()[top:, left:], left, top) == pytest.approx(1, abs=0.1)
        assert blockiness(blocky[top:, left:], left, top) > 1.5


def test_share_outside_the_picture() -> None:
    quad = np.array([[-50.0, 0], [-50, 100], [50, 100], [50, 0]])
    # A grid of 48 x 48 points: a column more or less is 2 %.
    assert outside(quad, 1000, 1000) == pytest.approx(0.5, abs=0.02)
    assert outside(quad + 60, 1000, 1000) == 0


def test_assess_reads_the_crop() -> None:
    luma = detailed(500)
    rgb = np.repeat(luma[..., None], 3, axis=2).astype(np.uint8)
    points = np.zeros((68, 2), dtype=np.float32)
    points[36:42], points[42:48], points[48], points[54] = (200, 220), (300, 220), (210, 320), (290, 320)
    face = FoundFace((180, 180, 320, 340), 1.0, "hog", points, 100.0, -7.0, 3.0, 0.0)
    scores = assess(rgb, face, align(rgb, points, 128, 512))
    assert scores.quad_side == pytest.approx(crop_quad(points)[1])
    assert (scores.yaw, scores.pitch, scores.outside) == (7.0, 3.0, 0.0)
    assert judge(scores, LIMITS) is None


@pytest.mark.slow
def test_no_painting_is_rejected_and_its_spoiled_copies_are(pictures: Path) -> None:
    finder, wrongly, kept = FaceFinder(), [], []
    for path in sorted([*(pictures / "art").iterdir(), *(pictures / "faces").glob("ffhq*")]):
        with Image.open(path) as image:
            picture = image.convert("RGB")
        (face,) = finder.find(np.array(picture))
        side = crop_quad(face.landmarks)[1]

        def verdict(rgb: np.ndarray, face: FoundFace = face) -> str:
            found = judge(assess(rgb, face, align(rgb, face.landmarks, 64, 64)), LIMITS)
            return found.level if found else ""

        if verdict(np.array(picture)) == "reject":
            wrongly.append(path.name)
        if side < 250:
            # Too small to lose anything by being made smaller; size itself speaks for it.
            continue
        data = io.BytesIO()
        picture.save(data, "JPEG", quality=4)
        small = tuple(max(1, round(n * 80 / side)) for n in picture.size)
        spoiled = {
            "blurred": picture.filter(ImageFilter.GaussianBlur(side * 0.015)),
            "enlarged": picture.resize(small, Image.Resampling.BICUBIC).resize(picture.size, Image.Resampling.BICUBIC),
            "compressed": Image.open(data),
        }
        kept += [(path.name, how) for how, copy in spoiled.items() if verdict(np.array(copy)) != "reject"]
    assert wrongly == []
    assert kept == []


SOUND = "[reject]\nquad_side_min = 1\n[review]\n"


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"reject = [", "not TOML"),
        (b"", r"no table \[reject\]"),
        (b"[reject]\n", r"no table \[review\]"),
        (b"reject = [1]\nreview = [2]\n", r"no table \[reject\]"),
        (b"[reject]\n[review]\n[rejects]\n", r"\[rejects\]: no such table; did you mean 'reject'"),
        (b"[reject]\nquad_sidemin = 1\n[review]\n", "quad_sidemin: no such threshold; did you mean 'quad_side_min'"),
        (b"[reject]\nquad_side_min = 'many'\n[review]\n", "quad_side_min = 'many': expected a number"),
        (b"[reject]\n[review]\nyaw_max = nan\n", "yaw_max = nan: expected a number"),
        (b"[reject]\n[review]\nyaw_max = true\n", "yaw_max = True: expected a number"),
        (b"# gr\xf6sse\n[reject]\n[review]\n", "not UTF-8 at byte 4"),
    ],
)
def test_thresholds_that_cannot_be_read_are_one_line(tmp_path: Path, data: bytes, said: str) -> None:
    (tmp_path / "t.toml").write_bytes(data)
    with pytest.raises(SuiteError, match=said) as told:
        load_thresholds(tmp_path / "t.toml")
    assert str(told.value).startswith(f"--thresholds {tmp_path / 't.toml'}: ")


def test_thresholds_with_a_byte_order_mark_are_read(tmp_path: Path) -> None:
    (tmp_path / "t.toml").write_bytes(b"\xef\xbb\xbf" + SOUND.encode())
    assert load_thresholds(tmp_path / "t.toml").reject == {"quad_side_min": 1}
    with pytest.raises(SuiteError, match="No such file"):
        load_thresholds(tmp_path / "none.toml")
