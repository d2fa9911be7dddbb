"""`align-picture`: every request has an answer, no face overwrites another, and the pixels are those of a build."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from aahq.cli import main
from aahq.faces.find import FaceFinder, FoundFace
from aahq.faces.picture_aligner import PictureAligner
from aahq.images.decode import canonical


@pytest.fixture(autouse=True)
def face_in_the_middle(monkeypatch: pytest.MonkeyPatch) -> None:
    """No dlib: a face is found in the middle of every picture."""

    def find(self: FaceFinder, rgb: np.ndarray) -> list[FoundFace]:
        middle, scale = np.array(rgb.shape[1::-1]) / 2, min(rgb.shape[:2]) / 8
        points = np.zeros((68, 2), np.float32) + middle
        for places, offset in (
            (range(36, 42), (-1, -1)),
            (range(42, 48), (1, -1)),
            ([48], (-0.7, 1)),
            ([54], (0.7, 1)),
        ):
            points[list(places)] = middle + np.array(offset) * scale
        return [FoundFace((0, 0, 9, 9), 1.0, "hog", points, float(2 * scale), 0, 0, 0)]

    monkeypatch.setattr(FaceFinder, "find", find)


def picture(path: Path, mode: str = "RGB", **how: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(len(str(path))).integers(0, 256, (96, 80, len(mode)), dtype=np.uint8)
    if mode == "RGBA":
        pixels[..., 3] |= 128
    Image.fromarray(pixels, mode).save(path, **how)
    return path


def aahq(*words: object, text: str | bytes | None = None) -> Any:
    return CliRunner().invoke(main, ["align-picture", *map(str, words)], input=text)


def test_pictures_of_one_name_become_two_files(tmp_path: Path) -> None:
    given = [
        picture(tmp_path / name) for name in ("alice/face.png", "bob/face.jpg", "carol/FACE.png", "bob/face-2.png")
    ]
    done = aahq(*given, "-o", tmp_path / "out", "--size", 32)
    assert done.exit_code == 0, done.output
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["FACE-3.png", "face-2-2.png", "face-2.png", "face.png"]


def test_no_picture_is_overwritten_by_its_own_face(tmp_path: Path) -> None:
    own = picture(tmp_path / "face.png")
    before = own.read_bytes()
    done = aahq(own, "-o", tmp_path, "--size", 32)
    assert (done.exit_code, own.read_bytes()) == (2, before)
    assert "one of PICTURES; give another folder" in done.output


def test_a_long_name_in_another_script(tmp_path: Path) -> None:
    own = picture(tmp_path / ("肖" * 80 + ".png"))
    done = aahq(own, "-o", tmp_path / "out", "--size", 32)
    assert done.exit_code == 0, done.output
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["肖" * 80 + ".png"]


REQUESTS = [
    b"{nope",
    b"\xff\xfe",
    b"[" * 100_000,
    b"[1]",
    b"null",
    b"{}",
    b'{"picture": 5, "out": "x"}',
    b'{"picture": "PICTURE"}',
    b'{"picture": "PICTURE", "out": 7}',
    b'{"picture": "PICTURE", "out": "/proc/x/y.png"}',
    b'{"picture": "PICTURE\\u0000", "out": "x.png"}',
    b'{"picture": "/nowhere/x.png", "out": "x.png"}',
    b'{"picture": "PICTURE", "landmarks": [[1, 2]]}',
    b'{"picture": "PICTURE", "landmarks": "x"}',
    b'{"picture": "PICTURE", "landmarks": [[1e400, 2], [3, NaN]]}',
]


def test_every_request_has_an_answer_and_the_next_one_is_served(tmp_path: Path) -> None:
    own, out = picture(tmp_path / "a.png"), tmp_path / "x.png"
    good = json.dumps({"picture": str(own), "out": str(out)}).encode()
    lines = [line for bad in REQUESTS for line in (bad.replace(b"PICTURE", str(own).encode()), good)]
    done = aahq("-", "-o", tmp_path / "out", "--size", 32, text=b"\n".join(lines))
    assert done.exit_code == 0, done.output
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(answers) == len(lines)
    for bad, answer in zip(REQUESTS, answers[::2]):
        assert "\n" not in answer["error"], bad
        assert "Traceback" not in answer["error"], bad
    assert all(answer["file"] == str(out) for answer in answers[1::2])


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=4) | st.integers(),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["picture", "out", "landmarks", "x"]), inner)
    ),
    max_leaves=8,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(request=JSON)
def test_whatever_is_asked_is_answered_in_one_line(
    request: Any, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path_factory.getbasetemp())
    assert "\n" not in PictureAligner(32).answer(request)["error"]


@pytest.mark.parametrize("form", ["transparent", "profile", "16-bit", "cut"])
def test_the_pixels_are_those_of_a_build(form: str, tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    if form == "transparent":
        picture(path, "RGBA")
    elif form == "profile":
        # sRGB with red and green exchanged.
        icc = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
        picture(path, icc_profile=icc.replace(b"rXYZ", b"----").replace(b"gXYZ", b"rXYZ").replace(b"----", b"gXYZ"))
    elif form == "16-bit":
        out = io.BytesIO()
        Image.fromarray(np.arange(96 * 80, dtype=np.uint16).reshape(96, 80) * 8).save(out, "PNG")
        path.write_bytes(out.getvalue())
    else:
        path.write_bytes(picture(path).read_bytes()[:-2000])
        answer = PictureAligner(32).answer({"picture": str(path), "out": str(tmp_path / "out.png")})
        assert "cut short" in answer["error"] or "damaged" in answer["error"]
        return
    asked: list[np.ndarray] = []
    find = FaceFinder.find
    aligner = PictureAligner(32)
    aligner.finder.find = lambda rgb: asked.append(rgb) or find(aligner.finder, rgb)  # type: ignore[method-assign, func-returns-value]
    assert "error" not in aligner.answer({"picture": str(path), "out": str(tmp_path / "out.png")})
    np.testing.assert_array_equal(asked[0], canonical(path).rgb)
