"""Painted portraits: what the seeds promise, and what dlib, which knows nothing of the painter, sees in them."""

import importlib.metadata
import importlib.util
import json

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from PIL import Image

from aahq.commands.portraits import command
from aahq.painted.portraits import FAMILIES, family_of, paint, style_seed
from aahq.painted.portraits.canvas import blur, polygon
from aahq.painted.portraits.collection import batch_size, listed_specs, portrait_specs
from aahq.painted.portraits.factors import identity_factors, moment_factors
from aahq.painted.portraits.layout import aligned_camera, points_on_face
from aahq.painted.portraits.scene import group_picture, landscape_picture, portrait_picture
from aahq.painted.portraits.worlds import SMALL
from suite.errors import SuiteError


@pytest.mark.parametrize("style", range(len(FAMILIES)))
def test_same_seeds_same_bytes(style):
    one, two = paint(3, style, 48, 1), paint(3, style, 48, 1)
    assert np.array_equal(one.rgb, two.rgb)
    assert np.array_equal(one.landmarks, two.landmarks)
    assert one.factors == two.factors
    assert one.rgb.shape == (48, 48, 3)
    assert one.rgb.dtype == np.uint8
    # A picture, not a field: the spread of a flat or clipped one would be a few grey levels.
    assert one.rgb.std() > 15


def test_each_seed_changes_only_its_own_factors():
    base, person, style, moment = paint(1, 17, 64), paint(2, 17, 64), paint(1, 33, 64), paint(1, 17, 64, 5)
    for other in (person, style, moment):
        assert not np.array_equal(base.rgb, other.rgb)
    assert np.array_equal(base.landmarks, style.landmarks)
    still = identity_factors(1).keys()
    assert all(base.factors[name] == moment.factors[name] for name in still)
    assert base.factors["palette"] == person.factors["palette"]
    assert any(base.factors[name] != moment.factors[name] for name in moment_factors(1, 0))
    json.dumps(base.factors, allow_nan=False)


def test_families_come_round_evenly():
    assert len(FAMILIES) >= 12
    assert [family_of(k) for k in range(2 * len(FAMILIES))] == [*FAMILIES, *FAMILIES]
    assert all(family_of(style_seed(name, 7)) == name for name in FAMILIES)


@pytest.mark.parametrize("size", [31, 2049, 0, -4])
def test_sizes_out_of_range_are_refused(size):
    with pytest.raises(ValueError, match="expected 32 to 2048"):
        paint(0, 0, size)


def test_landmarks_are_in_ibug_order():
    for identity in range(40):
        p = points_on_face(identity_factors(identity) | moment_factors(identity, 0))
        x, y = p[:, 0], p[:, 1]
        # Between the ear and the angle of the jaw a wide face goes straight down or outwards.
        assert (np.diff(x[4:13]) > 0).all()
        assert (np.diff(y[:9]) > 0).all()
        assert x[0] < x[17]
        assert y[8] == y[:17].max()
        assert (np.diff(x[17:27]) > 0).all()
        assert (np.diff(y[27:31]) > 0).all()
        assert (np.diff(x[31:36]) > 0).all()
        for eye in (p[36:42], p[42:48]):
            assert eye[0, 0] == eye[:, 0].min()
            assert eye[3, 0] == eye[:, 0].max()
            assert eye[1:3, 1].max() < eye[4:6, 1].min()
        assert x[48] < x[60] < x[64] < x[54]
        assert y[51] < y[62] <= y[66] < y[57]
        assert x[39] < x[27] < x[42]


def test_the_frame_is_the_ffhq_crop():
    """The published recipe, written out here, cuts out of a painted portrait the portrait itself."""
    for identity in range(60):
        size = 256
        p = paint(identity, 0, 64).landmarks if identity < 2 else None
        f = identity_factors(identity) | moment_factors(identity, 0)
        face = points_on_face(f)
        lm = aligned_camera(f, size).to_pixels(face[:, 0], face[:, 1], f).astype(float)
        if p is not None:
            # Two sizes of one portrait show the same face; float32 leaves a thousandth of a pixel.
            np.testing.assert_allclose((p + 0.5) / 64, (lm + 0.5) / size, atol=1e-4)
        left, right = lm[36:42].mean(0), lm[42:48].mean(0)
        eye, mouth = (left + right) / 2, (lm[48] + lm[54]) / 2
        e2e, e2m = right - left, mouth - eye
        x = e2e - np.flipud(e2m) * [-1, 1]
        x /= np.hypot(*x)
        x *= max(np.hypot(*e2e) * 2.0, np.hypot(*e2m) * 1.8)
        y = np.flipud(x) * [-1, 1]
        c = eye + e2m * 0.1
        quad = np.stack([c - x - y, c - x + y, c + x + y, c + x - y]) + 0.5
        # A hundredth of a pixel: float32 camera.
        np.testing.assert_allclose(quad, [(0, 0), (0, size), (size, size), (size, 0)], atol=0.02)


def test_landmarks_lie_in_the_picture():
    for identity in range(60):
        f = identity_factors(identity) | moment_factors(identity, 0)
        face = points_on_face(f)
        lm = aligned_camera(f, 100).to_pixels(face[:, 0], face[:, 1], f)
        assert lm[17:].min() > 5
        assert lm[17:].max() < 95
        # The jaw's ends stand beside the ears, which a turned head may push to the edge.
        assert lm[:17].min() > -8
        assert lm[:17].max() < 108


def test_whole_pictures_know_their_faces():
    one = portrait_picture(4, 3, 150, 180)
    assert one.rgb.shape == (180, 150, 3)
    assert len(one.faces) == len(one.factors) == 1
    group = group_picture((5, 6, 7), 11, 240, 160)
    assert [f["identity"] for f in group.factors] == [5, 6, 7]
    assert np.all(np.diff([face[:, 0].mean() for face in group.faces]) > 30)
    assert landscape_picture(1, 0, 120, 80).faces == ()


def test_sittings_split_by_person_and_keep_domains_apart():
    plan = portrait_specs(200, 64, "both", 3, 25, 30)
    split = {}
    for s in plan:
        assert split.setdefault(s.identity, s.split) == s.split
    assert {s.split for s in plan} == {"train", "val", "test"}
    art, photo = ({s.identity for s in plan if s.domain == d} for d in ("art", "photo"))
    assert not art & photo
    assert all((family_of(s.style) == "natural") == (s.domain == "photo") for s in plan)
    assert [s.id for s in plan] == sorted({s.id for s in plan})
    assert not {s.identity for s in portrait_specs(200, 64, "both", 4, 25, 30)} & (art | photo)


@pytest.mark.slow
def test_the_command_writes_a_release(tmp_path):
    from aahq.commands.portraits import command
    from aahq.release.verify import verify

    for name, workers in (("a", "1"), ("b", "2")):
        args = [
            str(tmp_path / name),
            "--count",
            "4",
            "--size",
            "32",
            "--domain",
            "both",
            "--workers",
            workers,
            "--json",
        ]
        result = CliRunner().invoke(command, args, catch_exceptions=False)
        assert result.exit_code == 0
    assert verify(tmp_path / "a").ok
    table = pd.read_parquet(tmp_path / "a" / "manifest.parquet")
    assert len(table) == 8
    assert set(table.domain) == {"art", "photo"}
    factors = table.factors.map(json.loads)
    assert all(isinstance(f["identity"], int) and f["style_name"] in FAMILIES for f in factors)
    assert all(np.array(json.loads(lm)).shape == (68, 2) for lm in table.landmarks)
    # The pool's size is no part of the result.
    assert (tmp_path / "a/manifest.parquet").read_bytes() == (tmp_path / "b/manifest.parquet").read_bytes()


@pytest.mark.parametrize(("count", "size", "expected"), [(1000, 64, 16), (1000, 512, 4), (1000, 1024, 1), (3, 64, 1)])
def test_the_bar_moves_every_few_seconds_at_any_size(count: int, size: int, expected: int) -> None:
    assert batch_size(count, size, 2) == expected


@pytest.mark.parametrize("soft", [0.1, 0.9, 3.7, 6.0, 9.0])
@pytest.mark.parametrize("at", [(0.0, 0.0), (150.3, 40.8), (150.0, 181.0), (-90.0, 20.0)])
def test_a_soft_polygon_is_the_blur_of_the_whole_mask(at: tuple[float, float], soft: float) -> None:
    points = np.array([[0.2, 1.3], [30.5, 4.0], [22.0, 19.7], [3.0, 12.0]]) + at
    sharp = polygon((190, 301), points)
    assert np.array_equal(polygon((190, 301), points, soft), blur(sharp, soft))


@pytest.mark.slow
def test_dlib_finds_them_and_agrees_on_the_points():
    dlib = pytest.importorskip("dlib")
    try:
        files = importlib.metadata.files("face_recognition_models") or []
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("face_recognition_models is not installed")
    model = next(str(f.locate()) for f in files if f.name == "shape_predictor_68_face_landmarks.dat")
    detect, predict = dlib.get_frontal_face_detector(), dlib.shape_predictor(model)
    found, errors = 0, []
    count = 3 * len(FAMILIES)
    for k in range(count):
        portrait = paint(5000 + k, 1600 + k, 256)
        boxes = detect(portrait.rgb, 1)
        if not boxes:
            continue
        found += 1
        shape = predict(portrait.rgb, max(boxes, key=lambda box: box.area()))
        seen = np.array([(shape.part(i).x, shape.part(i).y) for i in range(68)])
        eyes = np.hypot(*(portrait.landmarks[36:42].mean(0) - portrait.landmarks[42:48].mean(0)))
        errors.append(np.hypot(*(seen - portrait.landmarks).T).mean() / eyes)
    assert found >= 0.95 * count
    # People who mark the same faces differ by 3 to 5 % of the distance between the eyes; jaws by more.
    assert np.median(errors) < 0.065


@pytest.mark.slow
def test_found_and_true_points_cut_the_same_face():
    """Portraits of 512 px inside larger pictures: the crop by the points that are found is the crop by the true ones."""
    pytest.importorskip("dlib")
    if importlib.util.find_spec("face_recognition_models") is None:
        pytest.skip("face_recognition_models is not installed")
    from aahq.faces.align import crop_quad
    from aahq.faces.find import FaceFinder
    from aahq.painted.portraits.styles import style_seed
    from aahq.stages.align import cut

    finder = FaceFinder()
    away, sizes, corners = [], [], []
    for number, family in enumerate(("natural", "oil", "watercolour", "pastel", "cel", "ink")):
        portrait = paint(40 + number, style_seed(family, number), 512)
        whole = np.full((760, 700, 3), 128, np.uint8)
        whole[150:662, 90:602] = portrait.rgb
        truth = portrait.landmarks + np.float32([90, 150])
        (face, *_) = finder.find(whole)
        (quad, side), (true_quad, true_side) = crop_quad(face.landmarks), crop_quad(truth)
        away.append(np.hypot(*(quad.mean(axis=0) - true_quad.mean(axis=0))))
        sizes.append(side / true_side)
        corners.append(np.hypot(*(quad - true_quad).T).mean())
        aligned, name = cut(whole, face.landmarks, 64)
        assert aligned.shape == (64, 64, 3)
        assert name.startswith("ffhq-quad")
    # The detector marks eyes and mouth within 3 to 5 % of the distance between the eyes (130 px here): 4 to 7 px.
    assert max(away) < 8, away
    # The side is four times that distance: an error of 3 % in it moves each corner by 11 px of a crop of 512.
    assert 0.93 < min(sizes) <= max(sizes) < 1.07, sizes
    assert np.median(corners) < 16, corners


def test_the_small_world_has_its_families_grounds_and_poses() -> None:
    plan = portrait_specs(60, 64, "both", 3, 30, 18, SMALL)
    assert {family_of(s.style) for s in plan if s.domain == "art"} == set(SMALL.families)
    factors = [paint(s.identity, s.style, 64, s.variation, s.world).factors for s in plan[::6]]
    assert {f["background"] for f in factors} <= {0.0, 5.0}
    assert max(abs(f["pose_yaw"]) for f in factors) <= 8
    assert {f["world"] for f in factors} == {"small"}
    assert "world" not in paint(1, 1, 64).factors


def test_an_unknown_world_is_refused() -> None:
    with pytest.raises(ValueError, match="world 'moon': expected one of gallery, small"):
        paint(1, 1, 64, world="moon")


def test_a_list_says_whom_to_paint_how(tmp_path):
    """A method's right answer to a face and a reference: the face's person and moment, the reference's style."""
    face, reference = (5, style_seed("natural", 2), 1), (9, style_seed("cel", 4), 0)
    (tmp_path / "list.csv").write_text(
        "identity,style,variation\n" + "".join(f"{a},{b},{c}\n" for a, b, c in (face, reference, (5, reference[1], 1)))
    )
    given = [str(tmp_path / "out"), "--list", str(tmp_path / "list.csv"), "--size", "32", "--world", "small"]
    done = CliRunner().invoke(command, [*given, "--workers", "1"])
    assert done.exit_code == 0, done.output
    manifest = pd.read_parquet(tmp_path / "out" / "manifest.parquet")
    assert manifest["domain"].tolist() == ["photo", "art", "art"]
    said = [json.loads(text) for text in manifest["factors"]]
    assert [(f["identity"], f["style"], f["variation"]) for f in said] == [face, reference, (5, reference[1], 1)]
    answer = np.asarray(Image.open(tmp_path / "out" / manifest["file"][2]))
    assert np.array_equal(answer, paint(5, reference[1], 32, 1, "small").rgb)


@pytest.mark.parametrize(
    "text", ["identity,style\n1,2\n", "identity,style,variation\n1,2,-3\n", "identity,style,variation\n"]
)
def test_a_list_that_says_nothing_is_refused(tmp_path, text):
    (tmp_path / "list.csv").write_text(text)
    with pytest.raises(SuiteError, match=r"--list .*list.csv: .*identity, style, variation"):
        listed_specs(tmp_path / "list.csv", 32)
