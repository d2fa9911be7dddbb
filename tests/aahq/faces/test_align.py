"""Alignment against the published recipe's exact bytes, and what must hold of any crop."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from aahq.faces.align import align, crop_quad, is_aligned
from aahq.faces.border import exact_median
from aahq.faces.warp import warp_reduce
from speed.ffhq_recipe import straightforward_align


def synthetic(width: int, height: int, seed: int) -> np.ndarray:
    """Integer-only test picture: gradients and blended discs; the same on every machine."""
    y, x = np.mgrid[:height, :width]
    image = np.stack(
        [x * 255 // (width - 1), y * 255 // (height - 1), 255 - (x + y) * 255 // (width + height - 2)], axis=2
    )
    state = seed
    for _ in range(14):
        drawn = []
        for _ in range(6):
            state = (state * 1103515245 + 12345) % 2**31
            drawn.append(state >> 8)
        radius = min(width, height) // 30 + drawn[2] % (min(width, height) // 6)
        disc = (x - drawn[0] % width) ** 2 + (y - drawn[1] % height) ** 2 < radius**2
        image[disc] = (image[disc] + 2 * np.array([value % 256 for value in drawn[3:]])) // 3
    return image.astype(np.uint8)


# Four points (left eye, right eye, mouth corners), picture, sizes and the SHA-256 of the bytes that the dataset's own code
# gives for them (Pillow 13.0.0, SciPy 1.17.1, NumPy 2.4.6).
CARRIED = {
    "crop": (
        (1200, 900, 11), [[585.2, 380.4], [695.5, 380.7], [600.4, 498.1], [677.6, 498.1]], (1024, 4096),
        "8b6e3e5bb55b111f041fc3af817e85d097b02eeab2007ffcea694f3fb820a3ac",
    ),
    "rolled, padded at a corner": (
        (1500, 1000, 12), [[1230.6, 160.1], [1385.6, 221.8], [1204.5, 309.0], [1307.9, 346.8]], (1024, 4096),
        "7357cb2286a8f0de4765d66b35ebba21ae7edd16d7894ba91ad42e33b056d48d",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CARRIED)
def test_bytes_of_the_published_recipe(name: str) -> None:
    picture, points, (size, transform), digest = CARRIED[name]
    aligned = align(synthetic(*picture), np.array(points), size, transform)
    assert hashlib.sha256(aligned.tobytes()).hexdigest() == digest


@pytest.mark.slow
def test_every_golden(golden: Path) -> None:
    for case in json.loads((golden / "face_align.json").read_text())["cases"]:
        picture = synthetic(case["image"]["w"], case["image"]["h"], case["image"]["img_seed"])
        assert hashlib.sha256(picture.tobytes()).hexdigest() == case["input_sha256"]
        sizes = case["options"].get("output_size", 1024), case["options"].get("transform_size", 4096)
        four = np.array([case["landmarks4"][k] for k in ("eye_left", "eye_right", "mouth_left", "mouth_right")])
        for points, digest in ((np.array(case["landmarks68"]), case["ffhq_sha256"]), (four, case["aahq_sha256"])):
            assert hashlib.sha256(align(picture, points, *sizes).tobytes()).hexdigest() == digest, case["name"]


def face(x: float, y: float, scale: float, turn: float) -> np.ndarray:
    """Four points of an upright face of 100 px between the eyes, moved, scaled and turned."""
    points = np.array([[-50.0, 0], [50, 0], [-40, 110], [40, 110]]) * scale
    cos, sin = np.cos(turn), np.sin(turn)
    return points @ np.array([[cos, sin], [-sin, cos]]) + (x, y)


@settings(max_examples=25, deadline=None)
@given(
    st.integers(3, 90), st.integers(3, 90), st.floats(0, 90), st.floats(0, 90),
    st.floats(0.05, 0.8), st.floats(-3, 3), st.integers(0, 9), st.booleans(),
)  # fmt: skip
def test_the_same_bytes_as_the_straightforward_recipe(w, h, x, y, scale, turn, seed, padding) -> None:
    rgb = np.random.default_rng(seed).integers(0, 256, (h, w, 3), dtype=np.uint8)
    points = face(x, y, scale, turn)
    if not (crop_quad(points)[0].max(axis=0) > 0).all() or not (crop_quad(points)[0].min(axis=0) < (w, h)).all():
        return
    ours, theirs = (recipe(rgb, points, 32, 128, padding) for recipe in (align, straightforward_align))
    assert np.array_equal(ours, theirs)


def test_without_padding_what_lies_beyond_the_picture_is_black() -> None:
    rgb = np.full((200, 200, 3), 180, np.uint8)
    points = face(40, 60, 0.6, 0.0)
    filled, bare = (align(rgb, points, 32, 128, padding) for padding in (True, False))
    assert filled.min() > 150
    assert (bare[:2, :2] == 0).all()
    assert np.array_equal(bare[-8:, -8:], filled[-8:, -8:])


def test_a_picture_thinner_than_its_shrinking_is_still_a_picture() -> None:
    rgb = np.full((1, 1, 3), 200, np.uint8)
    assert (align(rgb, face(0, 0, 0.5, 0), 32, 128) == 200).all()


def test_shrinking_pictures_have_the_same_bytes() -> None:
    rgb = np.random.default_rng(3).integers(0, 256, (700, 600, 3), dtype=np.uint8)
    points = face(280, 250, 1.2, 0.2)
    assert np.array_equal(align(rgb, points, 64, 256), straightforward_align(rgb, points, 64, 256))


@given(st.integers(-500, 500), st.integers(-500, 500), st.floats(0.2, 5), st.floats(-3, 3))
def test_the_quad_moves_scales_and_turns_with_the_face(dx, dy, scale, turn) -> None:
    quad, side = crop_quad(face(0, 0, 1, 0))
    moved, moved_side = crop_quad(face(dx, dy, scale, turn))
    cos, sin = np.cos(turn), np.sin(turn)
    # 1e-9 of some hundred pixels: float64 rounding only.
    np.testing.assert_allclose(moved, quad @ np.array([[cos, sin], [-sin, cos]]) * scale + (dx, dy), atol=1e-6)
    assert moved_side == pytest.approx(side * scale)


def test_aligned_input_is_recognised_and_aligning_it_again_moves_nothing() -> None:
    rgb, points = synthetic(1200, 900, 11), face(600, 380, 1.1, 0.1)
    aligned = align(rgb, points, 256, 1024)
    quad, side = crop_quad(points)
    # Where the crop carries the points: the quad's corner becomes the origin, its side 256 pixels.
    axes = np.stack([quad[3] - quad[0], quad[1] - quad[0]]) / side**2
    again = (points - quad[0]) @ axes.T * 256
    np.testing.assert_allclose(crop_quad(again)[0], [[0, 0], [0, 256], [256, 256], [256, 0]], atol=1e-6)
    assert is_aligned(aligned, again)
    assert not is_aligned(rgb, points)
    assert not is_aligned(aligned, again * 0.8)


def test_a_warp_of_a_part_is_the_warp_of_the_whole() -> None:
    rgb = np.random.default_rng(1).integers(0, 256, (60, 80, 3), dtype=np.uint8)
    corners = np.array([[20.3, 18.0], [22.0, 40.5], [50.1, 42.0], [47.7, 19.0]])
    part = warp_reduce(rgb[15:46, 17:54], corners, 64, 16, (17, 15), (80, 60))
    assert np.array_equal(part, warp_reduce(rgb, corners, 64, 16))


def bands(size: int) -> np.ndarray:
    """Noise below bands that are flat in all channels or in one: (size,size,3) uint8."""
    rgb = np.random.default_rng(7).integers(0, 256, (size, size, 3), dtype=np.uint8)
    rgb[: size // 3] = 255
    rgb[size // 3 : size // 2, :, 1] = 40
    return rgb


# Steps of a quarter of a pixel make whole numbers of many samples, turned ones of few; the last two leave the picture.
@pytest.mark.parametrize(
    "corners",
    [
        [(8, 8), (8, 40), (40, 40), (40, 8)],
        [(8.5, 8.25), (8.5, 40.25), (40.5, 40.25), (40.5, 8.25)],
        [(20.3, 3.1), (4.9, 30.7), (33.0, 45.2), (47.8, 18.6)],
        [(20.3, 3.1), (4.9, 30.7), (31.0, 40.2), (47.8, 18.6)],
        [(0, 0), (0, 48), (48, 48), (48, 0)],
        [(-9, 5), (3, 60), (50, 44), (44, -7)],
    ],
)
def test_samples_are_pillows(corners: list[tuple[float, float]]) -> None:
    rgb = bands(48)
    flat = [float(value) for corner in corners for value in corner]
    theirs = Image.fromarray(rgb).transform((128, 128), Image.Transform.QUAD, flat, Image.Resampling.BILINEAR)
    assert np.array_equal(warp_reduce(rgb, np.array(corners, float), 128, 128), np.asarray(theirs))


@pytest.mark.parametrize("count", [1, 2, 3, 50, 9001])
@pytest.mark.parametrize("kind", ["noise", "flat", "two", "rising", "spike"])
def test_the_median_is_numpys(kind: str, count: int) -> None:
    draw = np.random.default_rng(count)
    values = {
        "noise": draw.normal(100, 40, count),
        "flat": np.full(count, 3.3),
        "two": np.where(np.arange(count) % 2, 1.1, 2.7),
        "rising": np.arange(count) * 1.1,
        # A sample of every so many sees nothing but the spikes.
        "spike": np.where(np.arange(count) % (count // 50 or 1) == 0, 9.0, draw.random(count)),
    }[kind].astype(np.float32)
    assert exact_median(values, sample=40) == np.median(values)


@pytest.mark.parametrize("points", [np.zeros((5, 2)), np.zeros((68, 3))])
def test_other_shapes_of_landmarks_are_named(points: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"expected shape \(68, 2\) or \(4, 2\)"):
        crop_quad(points)
