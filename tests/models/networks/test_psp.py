"""pSp: published outputs and keys."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from models.networks.psp import GradualStyleEncoder, PSPEncoder
from tests import golden_recipe as recipe

SALT = "public-psp_encoder-"
# Figures of the published code on weights and pictures made by the recipe: codes[0, ::5, ::170].
CODES = [
    [0.136907101, 0.0216026772, 0.118524052, -0.0180418063],
    [0.0972384959, -0.273152202, -0.00502751768, 0.103440769],
    [-0.0190103576, 0.015719831, 0.147738248, -0.170136318],
    [-0.196455374, 0.269409239, -0.0142590879, 0.378396332],
]


@pytest.fixture(scope="module")
def published() -> GradualStyleEncoder:
    encoder = GradualStyleEncoder().eval().requires_grad_(False)
    encoder.load_state_dict(recipe.fill(encoder.state_dict(), SALT, "plain", 1.0))
    return encoder


@pytest.mark.slow
def test_codes_as_published(published: GradualStyleEncoder) -> None:
    codes = published(recipe.make_input("image", (1, 3, 256, 256), "img", SALT))
    # 1e-4 of the largest value (0.57).
    assert torch.allclose(codes[0, ::5, ::170], torch.tensor(CODES), atol=5.6e-5, rtol=0)


@pytest.mark.slow
def test_trunk_wrapper_and_keys_as_the_golden_files(published: GradualStyleEncoder, golden: Path) -> None:
    ins, outs, _, meta = recipe.load(golden / "psp_encoder.safetensors")
    pyramid = published.trunk(ins["img"])
    for name, level in (("c1", pyramid.fine), ("c2", pyramid.middle), ("c3", pyramid.coarse)):
        expected = outs[f"{name}@s"]
        assert (recipe.part(level, meta["slices"][name]["s"]) - expected).abs().max() < 1e-4 * expected.abs().max()
    whole = PSPEncoder().eval()
    whole.encoder = published
    whole.latent_avg.copy_(ins["latent_avg"])
    found, expected = recipe.matched(whole(ins["img_big"]), outs["wplus_from_big"])
    assert (found - expected).abs().max() < 1e-4 * expected.abs().max()
    wanted = json.loads((golden / "psp_encoder.keys.json").read_text())["encoder_without_prefix"]
    found = {key: list(value.shape) for key, value in published.state_dict().items()}
    assert found == {row[0]: row[1] for row in wanted}


@pytest.mark.slow
def test_number_of_latents_follows_the_generator() -> None:
    encoder = PSPEncoder(1).eval()
    with torch.inference_mode():
        assert encoder(torch.zeros(1, 3, 80, 60)).shape == (1, 1, 512)
    with pytest.raises(ValueError, match=r"expected \(N, 3, H, W\)"):
        encoder(torch.zeros(3, 256, 256))
