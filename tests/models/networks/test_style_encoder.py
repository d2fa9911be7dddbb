"""The style encoder: published outputs, the fold of its first layer against the unfolded mathematics, its keys."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from models.networks.style_encoder import GramLinear, Projector, StyleEncoder, fold_weight, unfold_weight
from ops.gram import gram_triangle
from suite.errors import SuiteError
from tests import golden_recipe as recipe

WIDTHS = (3, 5)
# Figures of the published code on weights and pictures made by the recipe: every 64th of the 512 values.
SALT = "public-blendgan_style_encoder-"
PUBLISHED = {
    ("img_b", (1, 3, 300, 340)): [
        -0.170341283,
        1.58820271,
        -0.20680514,
        0.150968,
        -1.57831752,
        0.278389811,
        0.309986115,
    ],
    ("img_c", (1, 3, 128, 160)): [
        -0.177008778,
        1.92573535,
        -0.210701913,
        0.07757177,
        -1.92989051,
        0.457314014,
        0.45484245,
    ],
}
PROJECTED = [[-1.43974328, 2.16413331, -1.93027127], [-1.27024424, 0.769848406, -0.681278944]]


def maps(seed: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(2, width, 4, 4, generator=generator) for width in WIDTHS]


def test_half_the_weights_give_the_outputs_of_all() -> None:
    layer = GramLinear(7, WIDTHS).double()
    full = torch.randn(7, sum(width**2 for width in WIDTHS), dtype=torch.float64)
    layer.load_state_dict({"weight": full, "bias": torch.linspace(-1, 1, 7)})
    features = [one.double() for one in maps(0)]
    flat = torch.cat([(torch.einsum("nchw,ndhw->ncd", f, f) / f[0].numel()).flatten(1) for f in features], 1)
    expected = F.leaky_relu(flat @ full.T / full.shape[1] ** 0.5 + layer.bias, 0.2) * 2**0.5
    found = layer(torch.cat([gram_triangle(one) for one in features], 1))
    # float64: only the order of the sums differs.
    assert torch.allclose(found, expected, rtol=1e-12, atol=1e-12)
    assert layer.weight.numel() == 7 * (3 * 4 // 2 + 5 * 6 // 2)


def test_unfolding_is_undone_exactly_by_folding() -> None:
    half = torch.randn(4, 6 + 15)
    full = unfold_weight(half, WIDTHS)
    assert torch.equal(fold_weight(full, WIDTHS), half)
    first = full[:, :9].reshape(4, 3, 3)
    assert torch.equal(first, first.transpose(1, 2))


def test_state_dict_is_as_published_and_either_width_loads() -> None:
    layer, other = GramLinear(4, WIDTHS), GramLinear(4, WIDTHS)
    published = layer.state_dict()
    assert {key: tuple(value.shape) for key, value in published.items()} == {"weight": (4, 34), "bias": (4,)}
    other.load_state_dict(published)
    assert torch.equal(other.weight, layer.weight)
    other.load_state_dict({"weight": layer.weight.detach() * 2, "bias": published["bias"]})
    assert torch.equal(other.weight, layer.weight * 2)
    with pytest.raises(RuntimeError, match="size mismatch"):
        other.load_state_dict({"weight": torch.zeros(4, 33), "bias": published["bias"]})


def test_adam_takes_the_steps_of_the_published_layer() -> None:
    """One step on the half weight moves each folded pair as one step on the full, symmetric weight moves both."""
    layer = GramLinear(4, WIDTHS).double()
    full = torch.nn.Parameter(layer.state_dict()["weight"].clone())
    features = [one.double() for one in maps(1)]
    triangles = torch.cat([gram_triangle(one) for one in features], 1)
    whole = unfold_weight(triangles, WIDTHS)
    bias = layer.bias.detach().clone()
    for weight, output in (
        (layer.weight, lambda: layer(triangles)),
        (full, lambda: F.leaky_relu(whole @ full.T / 34**0.5 + bias, 0.2) * 2**0.5),
    ):
        # eps would weigh differently on gradients that differ by the factor 2 of a pair.
        step = torch.optim.Adam([weight], lr=0.01, eps=0)
        output().square().sum().backward()
        step.step()
    # Rows whose every gradient is exactly 0 would be 0 / 0; there are none with these inputs.
    assert torch.allclose(layer.weight, fold_weight(full.detach(), WIDTHS), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    "bad", [torch.zeros(1, 3, 8, 8, dtype=torch.uint8), torch.zeros(3, 8, 8), torch.zeros(1, 4, 8, 8)]
)
def test_a_wrong_picture_is_named(bad: torch.Tensor) -> None:
    with pytest.raises((ValueError, SuiteError), match=r"expected \(N, 3, H, W\)"):
        StyleEncoder(8, widths=(4, 4, 4, 4, 4))(bad)


def test_projector_as_published() -> None:
    salt = "public-blendgan_projector-"
    projector = Projector()
    projector.load_state_dict(recipe.fill(projector.state_dict(), salt, "equalized"))
    z = recipe.make_input("normal", (3, 512), "z_embed", salt)
    # 1e-4 of the largest value: float32 sums of 512 terms in another order.
    assert torch.allclose(projector(z)[:2, ::170][:, :3], torch.tensor(PROJECTED), atol=4e-4, rtol=0)


@pytest.fixture(scope="module")
def published() -> StyleEncoder:
    encoder = StyleEncoder().eval().requires_grad_(False)
    encoder.load_state_dict(recipe.fill(encoder.state_dict(), SALT, "equalized"))
    return encoder


@pytest.mark.slow
def test_codes_as_published(published: StyleEncoder) -> None:
    for (name, shape), figures in PUBLISHED.items():
        code = published(recipe.make_input("image", shape, name, SALT))[0]
        # 1e-4 of the largest value (3.1).
        assert torch.allclose(code[: 64 * 7 : 64], torch.tensor(figures), atol=3e-4, rtol=0), name


@pytest.mark.slow
def test_all_codes_and_keys_as_the_golden_files(published: StyleEncoder, golden: Path) -> None:
    ins, outs, _, _ = recipe.load(golden / "blendgan_style_encoder.safetensors")
    for name, picture in ins.items():
        found, expected = recipe.matched(published(picture), outs[f"{name}.z_embed"])
        error = (found - expected).abs().max() / expected.abs().max()
        assert error < 1e-4, name
    wanted = json.loads((golden / "blendgan.keys.json").read_text())["style_encoder"]
    assert [[key, list(value.shape)] for key, value in published.state_dict().items()] == [row[:2] for row in wanted]
