"""Classifiers of two formats and lists of two kinds: right scores, and one line for every file that is something else."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pdqhash
import pytest
import torch
from PIL import Image
from tiny_classifiers import onnx_model, table, torchscript_model

from aahq.images.hashes import phash64, phash_hex
from aahq.safety.classifier import Classifier
from aahq.safety.hash_lists import HashList
from aahq.safety.screens import HashScreen, ModelScreen, read_screens
from suite.errors import SuiteError
from suite.files import sha256_file

MAKERS = {"onnx": onnx_model, "torchscript": torchscript_model}
RNG = np.random.default_rng(2)


def smooth() -> np.ndarray:
    """A picture with detail at the scales that perceptual hashes look at."""
    coarse = Image.fromarray(RNG.integers(0, 256, (24, 24, 3), dtype=np.uint8))
    return np.asarray(coarse.resize((128, 128), Image.Resampling.BICUBIC))


PICTURE = smooth()
# Bits within which two hashes are taken for the same picture: a quarter of what strangers differ by.
NEAR = {"phash": 8, "pdq": 31}


def screen_of(file: Path, **settings: object) -> ModelScreen:
    return ModelScreen.model_validate({"model": str(file), "sha256": sha256_file(file), "reject": 0.5, **settings})


@pytest.mark.parametrize("form", MAKERS)
@pytest.mark.parametrize("activation", ["none", "softmax", "sigmoid"])
def test_both_formats_give_the_score_of_the_formula(tmp_path: Path, form: str, activation: str) -> None:
    mean, std = (0.1, 0.2, 0.3), (0.5, 0.6, 0.7)
    model = Classifier(
        "x", screen_of(MAKERS[form](tmp_path / "m"), size=128, activation=activation, output=2, mean=mean, std=std)
    )
    values = ((PICTURE / 255 - mean) / std).mean(axis=(0, 1)) - 0.5
    expected = {
        "none": values,
        "softmax": np.exp(values) / np.exp(values).sum(),
        "sigmoid": 1 / (1 + np.exp(-values)),
    }[activation][2]
    # float32 against float64 over 16,384 pixels.
    assert model.score(PICTURE) == pytest.approx(expected, abs=1e-5)


class _Runs:
    """What a pickle would do."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (Path.touch, (Path("ran"),))


@pytest.mark.parametrize("kind", ["text", "pickle", "state dict", "empty"])
def test_what_is_no_model_is_refused_and_never_run(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "m.pt"
    if kind == "pickle":
        file.write_bytes(pickle.dumps(_Runs()))
    elif kind == "state dict":
        torch.save({"w": _Runs()}, file)
    else:
        file.write_bytes(b"<html>sign in</html>" if kind == "text" else b"")
    with pytest.raises(SuiteError, match=r"screen x: model .*m\.pt: (no TorchScript|neither TorchScript nor ONNX)"):
        Classifier("x", screen_of(file))
    assert not (tmp_path / "ran").exists()


def test_onnx_weights_outside_of_the_file_are_not_read(tmp_path: Path) -> None:
    """No digest covers them."""
    import onnx

    model = onnx.load(str(onnx_model(tmp_path / "inside.onnx")))
    onnx.save(model, str(tmp_path / "m.onnx"), save_as_external_data=True, location="w.bin", size_threshold=0)
    with pytest.raises(SuiteError, match="neither TorchScript nor ONNX in one file"):
        Classifier("x", screen_of(tmp_path / "m.onnx"))


@pytest.mark.parametrize(
    ("settings", "said"),
    [({"output": 3}, r"finite numbers with column 3 .* got \(1, 3\)"), ({"std": (0.0, 1.0, 1.0)}, "finite numbers")],
)
def test_settings_that_do_not_fit_the_model_are_refused_before_the_work(
    tmp_path: Path, settings: dict[str, object], said: str
) -> None:
    with pytest.raises(SuiteError, match=said), np.errstate(divide="ignore"):
        Classifier("x", screen_of(onnx_model(tmp_path / "m.onnx"), **settings))


def test_a_model_that_cannot_take_its_input_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(SuiteError, match=r"it cannot take \(1, 3, 224, 224\)") as caught:
        Classifier("x", screen_of(onnx_model(tmp_path / "m.onnx", outputs=7)))
    assert "\n" not in str(caught.value)


def test_another_file_than_the_one_named_is_not_loaded(tmp_path: Path) -> None:
    screen = screen_of(onnx_model(tmp_path / "m.onnx"))
    (tmp_path / "m.onnx").write_bytes((tmp_path / "m.onnx").read_bytes() + b" ")
    with pytest.raises(SuiteError, match=r"its SHA-256 is [0-9a-f]{64}, not "):
        Classifier("x", screen)
    (tmp_path / "m.onnx").unlink()
    with pytest.raises(SuiteError, match="No such file"):
        Classifier("x", screen)


def _hash(algorithm: str, rgb: np.ndarray) -> str:
    if algorithm == "phash":
        return phash_hex(phash64(rgb))
    bits, _ = pdqhash.compute(np.ascontiguousarray(rgb))
    return f"{int(''.join(map(str, bits)), 2):064x}"


def _list(path: Path, text: str, algorithm: str) -> HashList:
    path.write_text(text)
    settings = {"hashes": str(path), "sha256": sha256_file(path), "algorithm": algorithm, "distance": 8}
    return HashList("illegal", HashScreen.model_validate(settings))


@pytest.mark.parametrize("algorithm", ["phash", "pdq"])
def test_a_list_finds_the_picture_its_mirror_image_and_a_copy(tmp_path: Path, algorithm: str) -> None:
    known = _hash(algorithm, PICTURE)
    flipped = f"{int(known, 16) ^ 0b10100000:0{len(known)}x}"
    others = "\n".join(f"{'0f' * (len(known) // 2)}  # another" for _ in range(3))
    found = _list(
        tmp_path / "a.txt", f"# whose list it is\n\n{others}\n0x{known.upper()}, reported 2026-01-02\n", algorithm
    )
    assert found.score(PICTURE) == 0
    assert found.score(np.ascontiguousarray(PICTURE[:, ::-1])) == 0
    assert _list(tmp_path / "b.txt", flipped, algorithm).score(PICTURE) == 2
    brighter = np.clip(PICTURE.astype(int) + 6, 0, 255).astype(np.uint8)
    assert found.score(brighter) <= NEAR[algorithm]
    assert found.score(smooth()) > NEAR[algorithm]


@pytest.mark.parametrize("text", ["", "# nothing\n", "12\n", "x" * 16, "0" * 16 + "\n" + "0" * 64])
def test_a_list_that_is_none_is_one_line_with_its_line(tmp_path: Path, text: str) -> None:
    with pytest.raises(SuiteError, match=r"a\.txt: (lists no hash|line \d+: expected 16 hex digits)"):
        _list(tmp_path / "a.txt", text, "phash")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no screen in it"),
        ("[nsfw]\n", "either model = FILE or hashes = FILE"),
        ("nsfw = 3\n", "expected a table"),
        ("[nsfw\n", "not TOML"),
        ('[nsfw]\nmodel = "m"\nsha256 = "12"\nreject = 1\n', "sha256: String should match"),
        (f'[nsfw]\nmodel = "m"\nsha256 = "{"0" * 64}"\n', "reject: Field required"),
        (f'[nsfw]\nmodel = "m"\nsha256 = "{"0" * 64}"\nreject = 1\nsizes = 3\n', "did you mean 'size'"),
        (f'["../x"]\nmodel = "m"\nsha256 = "{"0" * 64}"\nreject = 1\n', "letters, digits"),
    ],
)
def test_a_file_of_screens_that_is_none_is_one_line(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "s.toml").write_text(text)
    with pytest.raises(SuiteError, match=said) as caught:
        read_screens(tmp_path / "s.toml")
    assert "--screens" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_files_lie_beside_the_file_that_names_them(tmp_path: Path) -> None:
    onnx_model(tmp_path / "m.onnx")
    (tmp_path / "s.toml").write_text(table("nsfw", tmp_path / "m.onnx", reject=0.5).replace(f"{tmp_path}/", ""))
    assert read_screens(tmp_path / "s.toml")["nsfw"].path == str(tmp_path / "m.onnx")
