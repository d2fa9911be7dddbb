"""`blendgan`'s commands: end to end with untrained weights, and what bad input gets."""

from __future__ import annotations

import json
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from PIL import Image

import models.inference.aligner
from models.cli import main
from models.data.pictures import check_pictures, read_picture, read_rgb, save_png, to_uint8
from models.inference import pretrained
from models.inference.aligner import AlignedFace
from models.inference.pretrained import Pretrained
from models.inference.stylize import Stylised, Stylist, style_code
from models.networks.blendgan import BlendGAN
from models.networks.style_encoder import StyleEncoder
from suite.errors import SuiteError


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """`--random-weights` builds a generator of 16 px with a narrow trunk, so that a command takes a moment."""

    def build(size: int, seed: int, *, width: int = 512, device: str = "cpu") -> Pretrained:
        torch.manual_seed(seed)
        generator = BlendGAN(16, style_dim=8, n_mlp=2, channels={4: 8, 8: 8, 16: 8})
        encoder = StyleEncoder(8, widths=(4, 4, 8, 8, 8))
        with torch.no_grad():
            generator.add_weight.fill_(0.3)
        origin = {"weights": f"RANDOM, seed {seed}", "sha256": "", "trained": False}
        return pretrained._ready(generator, encoder, None, None, origin, "cpu")

    monkeypatch.setattr(pretrained, "random_blendgan", build)


def blendgan(*arguments: str) -> Result:
    return CliRunner().invoke(main, [str(one) for one in arguments])


def painted(path: Path, seed: int, size: tuple[int, int] = (40, 40)) -> Path:
    pixels = np.random.default_rng(seed).integers(0, 255, (*size, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def test_sample_is_the_same_face_whatever_the_batch(tiny: None, tmp_path: Path) -> None:
    one = blendgan("sample", "--random-weights", "0", "--seeds", "3-5", "-o", tmp_path / "a", "--json")
    two = blendgan("sample", "--random-weights", "0", "--seeds", "5,3", "--batch", "2", "-o", tmp_path / "b")
    assert one.exit_code == two.exit_code == 0, one.output + two.output
    assert json.loads(one.output)["trained"] is False
    first, second = (np.asarray(Image.open(tmp_path / name / "seed000005.png")).astype(int) for name in "ab")
    # Sums in another order can move a value across one step of the truncation to 8 bits.
    assert np.abs(first - second).max() <= 1
    with Image.open(tmp_path / "a" / "seed000003.png") as kept:
        assert kept.text["weights"].startswith("RANDOM")
    for name in ("seed000003.png", "sheet.png"):
        with Image.open(tmp_path / "a" / name) as kept:
            assert b"trainedAlgorithmicMedia" in kept.info["xmp"], "it says what it is"


def test_strength_zero_is_the_natural_face(tiny: None, tmp_path: Path) -> None:
    art = painted(tmp_path / "art.png", 1)
    common = ["sample", "--random-weights", "0", "--seeds", "1"]
    for name, extra in (("none", []), ("zero", ["--strength", "0"]), ("all", ["--strength", "1"])):
        style = ["--style", str(art)] if name != "none" else []
        done = blendgan(*common, *style, *extra, "-o", tmp_path / name)
        assert done.exit_code == 0, done.output
    none, zero, full = (np.asarray(Image.open(tmp_path / n / "seed000001.png")) for n in ("none", "zero", "all"))
    assert np.array_equal(none, zero)
    assert not np.array_equal(none, full)


def test_stylize_streams_a_folder_and_names_what_it_skips(tiny: None, tmp_path: Path) -> None:
    faces, out = tmp_path / "faces", tmp_path / "out"
    faces.mkdir()
    for index in range(3):
        painted(faces / f"f{index}.png", index)
    (faces / "broken.jpg").write_bytes(b"not a picture")
    art = [painted(tmp_path / f"art{index}.png", 9 + index) for index in range(2)]
    arguments = ["stylize", faces, "--aligned", "--random-weights", "0", "--steps", "2", "--batch", "2", "-o", out]
    for one in art:
        arguments += ["--style", one]
    done = blendgan(*arguments, "--similarity", "--codes", tmp_path / "codes")
    assert done.exit_code == 2
    assert "broken.jpg: not a picture" in done.output
    assert "1 of 4 faces could not be used" in done.output
    assert sorted(path.name for path in out.iterdir()) == sorted(
        [f"f{index}__art{style}.png" for index in range(3) for style in range(2)] + ["sheet-0001.png"]
    )
    kept = sorted((tmp_path / "codes").iterdir())
    assert len(kept) == 3
    (faces / "broken.jpg").unlink()
    again = blendgan(*arguments, "--codes", tmp_path / "codes", "--json")
    assert again.exit_code == 0, again.output
    assert {face["inverted"] for face in json.loads(again.output)["faces"]} == {"kept codes"}


def test_stylize_gives_two_inputs_of_one_name_two_results(tiny: None, tmp_path: Path) -> None:
    places = [tmp_path / name for name in ("f1", "f2", "s1", "s2")]
    files = []
    for number, place in enumerate(places):
        place.mkdir()
        files.append(painted(place / "x.png", number))
    words = ["stylize", *files[:2], "--style", files[2], "--style", files[3], "--aligned", "--random-weights", "0"]
    done = blendgan(*words, "--steps", "40", "--strength", "0.5", "-o", tmp_path / "out", "--json")
    assert done.exit_code == 0, done.output
    told = [result["file"] for face in json.loads(done.stdout)["faces"] for result in face["results"]]
    assert sorted(Path(file).name for file in told) == ["x-2__x-2.png", "x-2__x.png", "x__x-2.png", "x__x.png"]
    assert len({Path(file).read_bytes() for file in told}) == 4


@pytest.mark.parametrize(
    "spoil", [lambda data: b"junk", lambda data: data[: len(data) // 2], lambda data: data[:-4] + b"\0\0\xc0\x7f"]
)
def test_damaged_kept_codes_are_made_anew(spoil: Any, tiny: None, tmp_path: Path) -> None:
    face, art = painted(tmp_path / "x.png", 0), painted(tmp_path / "art.png", 9)
    words = ["stylize", face, "--style", art, "--aligned", "--random-weights", "0", "--steps", "2", "--json"]
    words += ["--codes", tmp_path / "codes", "-o", tmp_path / "out"]
    assert blendgan(*words).exit_code == 0
    (kept,) = (tmp_path / "codes").iterdir()
    whole = kept.read_bytes()
    kept.write_bytes(spoil(whole))
    done = blendgan(*words)
    assert done.exit_code == 0, done.output
    assert "2 steps" in json.loads(done.stdout)["faces"][0]["inverted"]
    assert kept.read_bytes() == whole


def test_stylize_holds_the_pictures_of_two_faces_at_most(
    tiny: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The face being made and the one before it, whose sheet row is still being drawn: memory is flat in their number."""
    faces = tmp_path / "faces"
    faces.mkdir()
    for index in range(10):
        painted(faces / f"f{index}.png", index)
    seen: list[weakref.ref[np.ndarray]] = []
    held: list[int] = []
    one = Stylist._one

    def watched(self: Stylist, *arguments: Any) -> Stylised:
        done = one(self, *arguments)
        seen.extend(weakref.ref(pixels) for pixels in (done.face, done.natural))
        held.append(sum(ref() is not None for ref in seen))
        return done

    monkeypatch.setattr(Stylist, "_one", watched)
    art, out = painted(tmp_path / "art.png", 9), tmp_path / "out"
    done = blendgan(
        "stylize", faces, "--aligned", "--random-weights", "0", "--steps", "1", "--style", art, "-o", out, "--json"
    )
    assert done.exit_code == 0, done.output
    assert len(held) == 10
    assert max(held) == 2 * 2  # two pictures a face; the tenth would hold 20


def test_a_face_in_many_styles_lies_on_several_sheets(tiny: None, tmp_path: Path) -> None:
    """Sixteen styles a sheet; the face and its inversion stand on each, and no tile is another's."""
    face = painted(tmp_path / "x.png", 0)
    (tmp_path / "art").mkdir()
    for number in range(18):
        painted(tmp_path / "art" / f"{number:02d}.png", 100 + number)
    out = tmp_path / "out"
    words = ["stylize", face, "--style", tmp_path / "art", "--aligned", "--random-weights", "0", "--steps", "1"]
    done = blendgan(*words, "--strength", "1", "-o", out)
    assert done.exit_code == 0, done.output
    sheets = [np.asarray(Image.open(out / f"sheet-000{number}.png")) for number in (1, 2)]
    assert not (out / "sheet-0003.png").exists()

    def tile(sheet: np.ndarray, row: int, column: int) -> np.ndarray:
        left, top = 6 + column * 166, 6 + row * 181
        return sheet[top : top + 160, left : left + 160]

    assert sheets[0].shape[1] == 6 + 18 * 166
    assert sheets[1].shape[1] == 6 + 4 * 166
    assert np.array_equal(tile(sheets[0], 1, 0), tile(sheets[1], 1, 0))
    last = read_rgb(out / "x__17.png").resize((160, 160), Image.Resampling.LANCZOS)
    assert np.array_equal(tile(sheets[1], 1, 3), np.asarray(last))


def test_stylize_aligns_measures_and_pastes_back(tiny: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With an aligner that answers at once: what it says reaches the pasted photograph and the sheet."""
    quad = np.array([[10, 10], [10, 30], [30, 30], [30, 10]], float)

    class Instant(models.inference.aligner.Aligner):
        def align(self, picture: Path, out: Path) -> AlignedFace:
            read_rgb(picture).crop((10, 10, 30, 30)).resize((16, 16)).save(out)
            return AlignedFace(picture, out, False, quad, np.zeros((68, 2)))

        def describe(self, picture: Path, landmarks: np.ndarray) -> np.ndarray:
            return np.full(128, 0.0 if picture.name == "face.png" else 0.05)

    monkeypatch.setattr("models.inference.stylize.Aligner", Instant)
    face, art = painted(tmp_path / "face0.png", 0), painted(tmp_path / "art.png", 1)
    done = blendgan(
        "stylize", face, "--style", art, "--random-weights", "0", "--steps", "1", "--similarity", "--paste-back",
        "-o", tmp_path / "out", "--json",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    (result,) = json.loads(done.output)["faces"][0]["results"]
    assert result["face_similarity"] == pytest.approx(1 - 0.05 * 128**0.5)
    model = pretrained.random_blendgan(16, 0)
    codes = [style_code(model, Path(path)) for path in (art, result["file"])]
    assert result["style_similarity"] == pytest.approx(float(torch.cosine_similarity(*codes)), abs=1e-5)
    assert result["style_similarity"] < 0.9999
    before, after = (np.asarray(Image.open(path)) for path in (face, result["pasted"]))
    assert np.array_equal(before[:10], after[:10])
    assert not np.array_equal(before[12:28, 12:28], after[12:28, 12:28])


@pytest.mark.slow
def test_real_photographs(pictures: Path, tiny: None, tmp_path: Path) -> None:
    faces = [pictures / "faces" / "ffhq_000001.jpg", pictures / "landmarks" / "2008_001009.jpg"]
    scene = pictures / "scenes" / "flowers.jpg"
    arguments = ["stylize", "--style", pictures / "art" / "portrait_01.png", "--random-weights", "0", "--steps", "1"]
    done = blendgan(*arguments, *faces, scene, "-o", tmp_path / "out", "--similarity")
    assert done.exit_code == 2
    assert "2008_001009.jpg: 2 faces found; crop it to one, or choose the largest (--largest)" in done.output
    assert "flowers.jpg: no face found" in done.output
    assert "2 of 3 faces could not be used" in done.output
    assert [path.name for path in sorted((tmp_path / "out").iterdir())] == [
        "ffhq_000001__portrait_01.png",
        "sheet-0001.png",
    ]


def test_interpolate_walks(tiny: None, tmp_path: Path) -> None:
    art = painted(tmp_path / "art.png", 1)
    common = ["interpolate", "--random-weights", "0", "--frames", "3"]
    done = blendgan(*common, "--style", art, "-o", tmp_path / "sweep.webp")
    assert done.exit_code == 0, done.output
    done = blendgan(*common, "--seeds", "1-3", "-o", tmp_path / "walk")
    assert done.exit_code == 0, done.output
    assert len(list((tmp_path / "walk").iterdir())) == 9
    still = blendgan(*common, "--seeds", "1", "-o", tmp_path / "still.gif")
    assert "is a still" in still.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["sample", "--weights", "absent.pt"], "absent.pt: no such weights file"),
        (["sample", "--random-weights", "0", "--weights", "x"], "--random-weights: not together"),
        (["sample", "--size", "64"], "--size: the checkpoint says its size"),
        (["sample", "--random-weights", "0", "--size", "100"], "--size 100"),
        (["sample", "--random-weights", "0", "--seeds", "9-1"], "expected numbers and ranges"),
        (["sample", "--random-weights", "0", "--strength", "2"], "'--strength': 2.0 is not in"),
        (["sample", "--random-weights", "0", "--strength", "1", "--theta", "1"], "--strength: not together"),
        (["sample", "--random-weights", "0", "--indicator", "99"], "--indicator 99: from 0"),
        (["sample", "--random-weights", "0", "--device", "cuda"], "PyTorch sees no GPU"),
        (["sample", "--random-weights", "0", "--style", "absent.png"], "absent.png: no such file"),
        (["stylize", "absent.jpg", "--style", "x.png", "--random-weights", "0"], "FACE absent.jpg: no such file"),
        (["sample", "--offline"], "blendgan.pt from https://github.com/onion-liu/BlendGAN"),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(
    arguments: list[str], said: str, tiny: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AAHQ_WEIGHTS", str(tmp_path / "cache"))
    if "cuda" in arguments and torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    if "100" in arguments:
        monkeypatch.undo()
    done = blendgan(*arguments, "-o", tmp_path / "out")
    assert done.exit_code == 2
    assert said in done.output
    assert done.output.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_pictures_are_read_and_written_as_published(tmp_path: Path) -> None:
    # x -> (x / 2 + 1 / 2) * 255, clamped, truncated: 0.999 is 254.87, so 254; 2 is clamped.
    values = torch.tensor([-1.0, 0.0, 0.999, 1.0, 2.0, -3.0])
    assert to_uint8(values.expand(3, 1, 6))[0, :, 0].tolist() == [0, 127, 254, 255, 255, 0]
    path = tmp_path / "x.png"
    save_png(path, values.expand(3, 1, 6), {"a": 1})
    # 127 / 255 * 2 - 1
    assert read_picture(path)[0, 0].tolist() == pytest.approx([-1, -1 / 255, 253 / 255, 1, 1, -1])
    Image.fromarray(np.full((2, 2), 65535, np.uint16)).save(path)
    assert read_picture(path).min() == 1
    clear = Image.new("RGBA", (2, 2), (0, 0, 0, 0))
    clear.save(path)
    assert read_picture(path).min() == 1
    turned = Image.new("RGB", (4, 2))
    exif = turned.getexif()
    exif[274] = 6
    turned.save(tmp_path / "t.jpg", exif=exif)
    assert read_rgb(tmp_path / "t.jpg").size == (2, 4)


@pytest.mark.parametrize(
    ("pictures", "said"),
    [
        (torch.zeros(1, 3, 4, 4, dtype=torch.uint8), "uint8; expected float"),
        (torch.rand(1, 3, 4, 4), "look like"),
        (torch.rand(1, 3, 4, 4) * 255 - 1, r"expected \[-1, 1\]"),
        (torch.zeros(3, 4, 4), r"\(N, 3, H, W\)"),
    ],
)
def test_tensors_of_another_kind_are_named(pictures: torch.Tensor, said: str) -> None:
    with pytest.raises(SuiteError, match=said):
        check_pictures(pictures, "face", expect_dark=True)


def test_a_pale_sketch_is_a_picture() -> None:
    check_pictures(0.3 + 0.7 * torch.rand(1, 3, 4, 4), "style")
