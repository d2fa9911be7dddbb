"""The `Method` contract of all seven: batches never change a sample, seeds do, and mistakes are one clear line."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from baselines.adain import networks as adain
from baselines.blocks import kaiming_init
from baselines.gatys import method as gatys
from baselines.load import open_method
from baselines.registry import METHODS, TRAINABLE
from models.method import Face, Method
from models.networks.vgg import VGG19Trunk
from suite.errors import SuiteError

SIZE = 32


def narrow_trunk():
    trunk = VGG19Trunk((4, 4, 8, 8, 8))
    kaiming_init(trunk)
    return trunk.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def methods():
    torch.manual_seed(3)
    found = {name: open_method(name, profile="demo") for name in TRAINABLE}
    found["drit-concat"] = open_method("drit", profile="demo", overrides=["concat=true", "dim=8"])
    found["mdmm-concat"] = open_method("mdmm", profile="demo", overrides=["concat=true", "dim=8"])
    found["gatys"] = gatys.Gatys(narrow_trunk(), SIZE, steps=1, trained=False)
    found["toonify"] = open_method("toonify", size=32, width=8)
    return found


def pictures(count, seed=0, side=SIZE):
    generator = torch.Generator().manual_seed(seed)
    return F.interpolate(torch.rand(count, 3, 8, 8, generator=generator), side, mode="bilinear") * 2 - 1


NAMES = [*TRAINABLE, "drit-concat", "mdmm-concat", "gatys"]


def run(method, mode, count, start=0):
    rows = slice(start, start + count)
    seeds = list(range(10))[rows]
    if method.face == "seed":
        return method.from_latent(Face(seeds=tuple(seeds)), seeds)
    face = Face(images=pictures(10, 0, method.resolution)[rows])
    if mode == "latent":
        return method.from_latent(face, seeds)
    return method.from_reference(face, pictures(10, 1, method.resolution)[rows], seeds)


@pytest.mark.parametrize("name", NAMES)
def test_batches_never_change_a_sample(methods, name):
    method = methods[name]
    assert isinstance(method, Method)
    assert "untrained" in method.name or "random" in method.name
    for mode in method.modes:
        whole = run(method, mode, 10)
        assert whole.shape == (10, 3, method.resolution, method.resolution)
        assert whole.dtype == torch.float32
        assert whole.isfinite().all()
        parts = torch.cat([run(method, mode, 3), run(method, mode, 6, 3), run(method, mode, 1, 9)])
        # Convolutions round differently at another batch size; 1e-5 of the largest value is float32's noise here.
        assert float((whole - parts).abs().max()) <= 1e-5 * max(1.0, float(whole.abs().max()))


@pytest.mark.parametrize("name", [name for name in NAMES if name not in ("adain", "gatys")])
def test_seeds_change_the_picture(methods, name):
    method = methods[name]
    face = Face(images=pictures(2)) if method.face == "image" else Face(seeds=(5, 6))
    one = method.from_latent(face, [1, 1])
    if method.face == "seed":
        assert not torch.equal(one[0], one[1])
        return
    other = method.from_latent(face, [1, 2])
    assert torch.equal(one[0], other[0])
    assert not torch.equal(one[1], other[1])


def test_concat_form_samples_the_reference_by_seed(methods):
    face, style = Face(images=pictures(1)), pictures(1, 1)
    for name, moves in (("drit-concat", True), ("mdmm-concat", True), ("drit", False), ("munit", False)):
        made = [methods[name].from_reference(face, style, [seed]) for seed in (1, 1, 2)]
        assert torch.equal(made[0], made[1])
        assert torch.equal(made[0], made[2]) != moves


def test_funit_averages_its_shots(methods):
    method, face, shots = methods["funit"], Face(images=pictures(1)), pictures(3, 1)
    made = method.from_reference(face, shots[None], [0])
    code = method.gen.enc_class_model(shots).mean(0, keepdim=True)
    assert torch.allclose(made, method.gen.decode(method.gen.enc_content(face.images), code), atol=1e-6)


def test_adain_strength_and_mixing():
    mixed = open_method("adain", profile="demo", mix=[3, 1])
    face, styles = Face(images=pictures(2)), pictures(4, 1).unflatten(0, (2, 2))
    made = mixed.from_reference(face, styles, [0, 0])
    content = mixed.encoded(face.images / 2 + 0.5)
    parts = [adain.adain(content, mixed.encoded(styles[:, i] / 2 + 0.5)) for i in range(2)]
    expected = mixed.decoder(0.75 * parts[0] + 0.25 * parts[1]) * 2 - 1
    assert torch.allclose(made, expected, atol=1e-4)
    kept = open_method("adain", profile="demo", alpha=0.0)
    assert torch.allclose(kept.from_reference(face, styles[:, 0], [0, 0]), kept.decoder(content) * 2 - 1, atol=1e-4), (
        "alpha 0 is the face's own reconstruction"
    )


def test_untrained_adain_stays_in_range_and_answers_its_style(methods):
    face = Face(images=pictures(1).expand(2, -1, -1, -1))
    made = methods["adain"].from_reference(face, pictures(2, 1), [0, 0])
    # Deviation a quarter around grey, by construction on noise: nine in ten values of such a picture lie in range.
    assert float((made.abs() <= 1).float().mean()) > 0.8
    assert float((made[0] - made[1]).abs().mean()) > 0.05


def test_coral_gives_the_target_its_colours():
    style, face = pictures(1, 1)[0] / 2 + 0.5, pictures(1)[0] / 2 + 0.5
    made = adain.coral(style, face)
    assert torch.allclose(made.mean((1, 2)), face.mean((1, 2)), atol=1e-4)
    assert torch.allclose(torch.cov(made.flatten(1)), torch.cov(face.flatten(1)), atol=2e-3)


BAD_FACES = {
    "uint8": (torch.zeros(1, 3, SIZE, SIZE, dtype=torch.uint8), "float32"),
    "0 to 255": (torch.full((1, 3, SIZE, SIZE), 255.0), r"expected \[-1, 1\]"),
    "nan": (torch.full((1, 3, SIZE, SIZE), float("nan")), r"expected \[-1, 1\]"),
    "oblong": (torch.zeros(1, 3, SIZE, 64), "expected square"),
    "odd": (torch.zeros(1, 3, 33, 33), "multiple"),
    "grey": (torch.zeros(1, 1, SIZE, SIZE), r"expected \(N, 3, H, W\)"),
}


@pytest.mark.parametrize("name", ["adain", "munit", "funit", "drit", "mdmm", "stargan2"])
@pytest.mark.parametrize("bad", BAD_FACES)
def test_bad_faces_are_one_line(methods, name, bad):
    images, words = BAD_FACES[bad]
    with pytest.raises(SuiteError, match=words) as caught:
        methods[name].from_reference(Face(images=images), pictures(1), [0])
    assert "\n" not in str(caught.value)


def test_missing_modes_and_references_are_one_line(methods):
    face = Face(images=pictures(2))
    with pytest.raises(SuiteError, match=r"AdaIN .* has no latent mode"):
        methods["adain"].from_latent(face, [0, 0])
    with pytest.raises(SuiteError, match="has no reference mode"):
        methods["toonify"].from_reference(Face(seeds=(1,)), pictures(1), [0])
    with pytest.raises(SuiteError, match="needs a style picture a face and none was given"):
        methods["munit"].from_reference(face, None, [0, 0])
    with pytest.raises(SuiteError, match="1 styles for 2 faces"):
        methods["munit"].from_reference(face, pictures(1), [0, 0])
    with pytest.raises(SuiteError, match="got seeds of faces"):
        methods["munit"].from_latent(Face(seeds=(1,)), [0])
    with pytest.raises(SuiteError, match=r"takes 32 only"):
        methods["stargan2"].from_latent(Face(images=torch.zeros(1, 3, 96, 96)), [0])
    with pytest.raises(SuiteError, match="did you mean 'stargan2'"):
        open_method("stargan")
    with pytest.raises(SuiteError, match="domains 0 to 1"):
        open_method("stargan2", profile="demo", target=7)
    with pytest.raises(SuiteError, match="beta"):
        open_method("munit", profile="demo", beta=1)
    assert set(TRAINABLE) < set(METHODS)


@pytest.mark.slow
def test_gatys_moves_colour_and_texture():
    method = open_method("gatys", size=64, steps=60, lr=0.05)
    face = F.interpolate(pictures(1), 64)
    style = torch.zeros(1, 3, 64, 64)
    style[:, 0] = 0.8
    style[:, 1:, ::4] = -0.9
    made = method.from_reference(Face(images=face), style, [0])

    def texture(x):
        return (x[..., 1:, :] - x[..., :-1, :]).abs().mean((2, 3))[:, 1:]

    # Sixty steps on random features come a good part of the way; a method that does nothing leaves both ratios at 1.
    assert distance(made, style, lambda x: x.mean((2, 3))) < 0.85 * distance(face, style, lambda x: x.mean((2, 3)))
    assert distance(made, style, texture) < 0.6 * distance(face, style, texture)
    # Gram matrices over random filters that the optimisation has not seen.
    judge = open_method("gatys", size=64, seed=1)
    wanted = [gatys.gram(tap) for tap in judge._features(style)]
    before, after = (float(gatys.style_loss(judge._features(x), wanted)) for x in (face, made))
    assert after < 0.8 * before


def distance(a, b, statistic):
    return float((statistic(a) - statistic(b)).norm())
