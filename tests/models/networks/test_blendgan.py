"""BlendGAN's generator against the published one's outputs, its blending against Eq. 3-5, and `Method`'s promises."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from golden_recipe import Figures, fill, load, matched, normal, part
from torch import Tensor

from models.inference.blendgan_method import BlendGANMethod
from models.method import Face, Method
from models.networks.blendgan import GRAM_CODE, BlendGAN
from models.networks.stylegan2 import channel_table
from suite.errors import SuiteError

SALT = "public-blendgan_gen_s64-"
# Published code on these weights, float32: every 16th pixel of the first row of each picture, red.
# Rounding noise of the published code itself is up to 2.2e-5 on values of up to 8.
RELATIVE = 1e-4


@pytest.fixture(scope="module")
def g64() -> BlendGAN:
    net = BlendGAN(64)
    net.load_state_dict(fill(net.state_dict(), SALT, "equalized"))
    return net.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def small() -> BlendGAN:
    torch.manual_seed(0)
    net = BlendGAN(32, style_dim=16, n_mlp=2, channels=channel_table(2, widest=16))
    net.add_weight.data.uniform_(0, 1)
    for module in net.modules():
        if hasattr(module, "noise") and hasattr(module.noise, "weight"):
            module.noise.weight.data.fill_(0.3)
    return net.eval().requires_grad_(False)


def close(ours: Tensor, theirs: Tensor | Figures) -> None:
    ours, theirs = matched(ours, theirs)
    assert float((ours - theirs).abs().max()) <= RELATIVE * float(theirs.abs().max())


INLINE = {
    "natural": [0.253952, -0.188768, -0.723373, -0.885609, 0.797355, -0.17454, -0.109309, -0.837085],
    "all": [0.38918, 0.37533, 0.823242, 0.371744, 0.96602, 0.155208, 1.301404, 1.104587],
    "from 6": [0.481895, 0.199165, -0.135545, 0.507272, 0.789642, 0.188044, 0.82567, 1.201318],
}


@pytest.mark.parametrize("name", INLINE)
def test_figures_of_the_published_generator(g64: BlendGAN, name: str) -> None:
    z, z_style = normal("z", (2, 512), "figures-"), normal("s", (2, 512), "figures-")
    i = {"natural": 10, "all": 0, "from 6": 6}[name]
    picture, _ = g64(z, z_style=z_style, i=i)
    close(picture[:, 0, 0, ::16].flatten(), torch.tensor(INLINE[name]))


@pytest.mark.slow
def test_every_call_of_the_published_generator_at_64(g64: BlendGAN, golden: Path) -> None:
    given, due, _, meta = load(golden / "blendgan_gen_s64.safetensors")
    z, z_style = given["z"], given["z_embed"]
    close(g64.map_face(z), due["w"])
    close(g64.map_style(z_style), due["style_w"])
    close(g64(z)[0], due["latent_only"])
    for name, i in (("none", 0), ("0", 0), ("6", 6), ("18", g64.n_latent)):
        picture, latents = g64(z, z_style=z_style, i=i)
        close(picture, due[f"zemb_{name}"])
        close(latents, due[f"latent_{name}"])
    cut = {"truncation": meta["ctor"]["truncation"], "truncation_latent": given["trunc_latent"]}
    close(g64(z, z_style=z_style, i=6, **cut)[0], due["trunc"])
    close(g64(z, z2=given["z2"], inject_index=4, z_style=z_style, i=6)[0], due["mix"])
    close(g64(w=given["wplus"], z_style=z_style, i=6)[0], due["wplus"])
    close(g64(z, noise=[given[f"noise_{k}"] for k in range(g64.n_noise)])[0], due["noise_list"])
    close((1 - g64.alpha())[None, :, None], due["add_weight_after"])


@pytest.mark.slow
def test_published_generator_at_1024(golden: Path) -> None:
    given, due, _, meta = load(golden / "blendgan_gen_s1024.safetensors")
    net = BlendGAN(1024)
    net.load_state_dict(fill(net.state_dict(), **meta["fill"]["g_ema"]))
    net.requires_grad_(False)
    cut = {"truncation": 0.75, "truncation_latent": given["trunc_latent"]}
    pictures = {
        "zemb_6": net(given["z"], z_style=given["z_embed"], i=6, **cut)[0],
        "ref_wplus": net(w=given["wplus"], z_style=due["z_embed_from_image"], i=6)[0],
    }
    for name, picture in pictures.items():
        for cut_name, expression in meta["slices"][name].items():
            close(part(picture, expression), due[f"{name}@{cut_name}"])


def test_keys_are_the_published_ones(golden: Path) -> None:
    keys = json.loads((golden / "blendgan.keys.json").read_text())["generator"]
    published = {key: tuple(shape) for key, shape, _ in keys if not key.startswith("embedder.")}
    with torch.device("meta"):
        net = BlendGAN(1024)
    assert {key: tuple(value.shape) for key, value in net.state_dict().items()} == published


@pytest.mark.parametrize(("size", "n_latent"), [(32, 8), (64, 10), (256, 14), (1024, 18)])
def test_every_size_has_its_latents(size: int, n_latent: int) -> None:
    with torch.device("meta"):
        net = BlendGAN(size, channels=channel_table(widest=8))
        pictures, latents = net(torch.empty(2, 512), z_style=torch.empty(2, 512), i=3)
    assert net.n_latent == n_latent
    assert pictures.shape == (2, 3, size, size)
    assert latents.shape == (2, n_latent, 512)


def test_blend_is_equations_3_to_5(small: BlendGAN) -> None:
    w, style = normal("w", (2, 16)), normal("s", (1, 16))
    alpha = 1 - small.add_weight.flatten()
    got = small.blend(w, style, 3, 0.25)
    for k in range(small.n_latent):
        a = alpha[k] * (0.0 if k < 3 else 0.25 if k == 3 else 1.0)
        torch.testing.assert_close(got[:, k], style * a + w * (1 - a))
    assert torch.equal(small.blend(w, style, small.n_latent), small.broadcast(w))
    torch.testing.assert_close(small.blend(w, style, 3, 0.0), small.blend(w, style, 4, 1.0))


def test_blend_weights_outside_their_range_still_learn() -> None:
    net = BlendGAN(32, 8, 1, channel_table(widest=4))
    net.add_weight.data.fill_(1.5)
    assert torch.equal(net.alpha(), torch.zeros(net.n_latent))
    net.alpha().sum().backward()
    assert torch.equal(net.add_weight.grad, -torch.ones(1, net.n_latent, 1))
    net.clamp_blend()
    assert torch.equal(net.add_weight.detach(), torch.ones(1, net.n_latent, 1))


def test_concatenated_gram_matrices_as_style_code() -> None:
    assert GRAM_CODE == 610304
    with torch.device("meta"):
        net = BlendGAN(32, channels=channel_table(widest=4), style_code_dim=GRAM_CODE)
        assert net.map_style(torch.empty(1, GRAM_CODE)).shape == (1, 512)


@pytest.mark.parametrize(
    ("arguments", "given"),
    [
        ({"z": torch.zeros(2, 15)}, "(2, 15)"),
        ({"z": torch.zeros(2, 16, dtype=torch.uint8)}, "uint8"),
        ({}, "neither"),
        ({"z": torch.zeros(2, 16), "z_style": torch.zeros(3, 16)}, "3 rows"),
        ({"z": torch.zeros(2, 16), "z_style": torch.zeros(2, 16), "i": 9}, "9"),
        ({"z": torch.zeros(2, 16), "z_style": torch.zeros(2, 16), "theta": 1.5}, "1.5"),
        ({"z": torch.zeros(2, 16), "truncation": 0.5}, "None"),
        ({"z": torch.zeros(2, 16), "noise": [torch.zeros(1)]}, "1 tensors"),
        ({"z": torch.zeros(2, 16), "noise": "seeded"}, "seeded"),
        ({"w": torch.zeros(2, 7, 16)}, "(2, 7, 16)"),
    ],
)
def test_bad_input_is_one_line(small: BlendGAN, arguments: dict[str, object], given: str) -> None:
    with pytest.raises(ValueError, match="expected") as caught:
        small(**arguments)
    assert given in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_size_that_is_no_power_of_two() -> None:
    with pytest.raises(ValueError, match="given 100; expected a power of two"):
        BlendGAN(100)


def encoder(pictures: Tensor) -> Tensor:
    return pictures.mean((2, 3)).repeat(1, 6)[:, :16]


def test_method_draws_each_sample_alone(small: BlendGAN) -> None:
    method = BlendGANMethod(small, encoder, i=2, noise="seeded")
    assert isinstance(method, Method)
    assert method.modes == {"latent", "reference"}
    seeds, styles = (3, 1, 4, 1, 5), normal("styles", (5, 3, 8, 8)).clamp(-1, 1)
    together = method.from_latent(Face(seeds=seeds), [9, 2, 6, 5, 3])
    referred = method.from_reference(Face(seeds=seeds), styles, [9, 2, 6, 5, 3])
    for k, (seed, style_seed) in enumerate(zip(seeds, [9, 2, 6, 5, 3])):
        # Convolutions may add in another order in another batch: float32 rounding.
        alone = method.from_latent(Face(seeds=(seed,)), [style_seed])
        torch.testing.assert_close(together[k : k + 1], alone, rtol=1e-5, atol=1e-5)
        alone = method.from_reference(Face(seeds=(seed,)), styles[k : k + 1], [style_seed])
        torch.testing.assert_close(referred[k : k + 1], alone, rtol=1e-5, atol=1e-5)
    assert (together[1] - together[3]).abs().max() > 1e-3


def test_method_says_what_it_cannot_take(small: BlendGAN) -> None:
    method = BlendGANMethod(small, encoder, i=2)
    style = torch.linspace(-1, 1, 192).reshape(1, 3, 8, 8)
    with pytest.raises(ValueError, match="given pictures; expected seeds"):
        method.from_latent(Face(images=style), [1])
    with pytest.raises(SuiteError, match="uint8"):
        method.from_reference(Face(seeds=(1,)), (style * 127 + 127).to(torch.uint8), [1])
    with pytest.raises(SuiteError, match=r"look like \[0, 1\]; expected \[-1, 1\]"):
        method.from_reference(Face(seeds=(1,)), style / 2 + 0.5, [1])
    with pytest.raises(ValueError, match="without style encoder"):
        BlendGANMethod(small, i=2).from_reference(Face(seeds=(1,)), style, [1])
