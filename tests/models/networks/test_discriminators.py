"""Discriminators against the published ones' logits."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from golden_recipe import fill, load, normal
from torch import Tensor

from models.networks.discriminators import Discriminator, ProjectionDiscriminator, minibatch_stddev
from models.networks.stylegan2 import channel_table

# Published code at 32 px on weights and inputs by recipe (salt "figures-"), a batch of 8.
PLAIN = [0.048882, 0.032939, 0.095289, 0.058848, 0.10581, 0.046109, 0.002632, 0.027256]
PROJECTION = [-84.758598, -118.497742, -91.307785, 113.529602, -160.624908, 73.048698, -271.223206, 11.798555]


def close(ours: Tensor, theirs: Tensor) -> None:
    """Float32 rounding of the published code itself is about 2e-6 relative; 1e-4 is what parity asks for."""
    assert ours.shape == theirs.shape
    assert float((ours - theirs).abs().max()) <= 1e-4 * float(theirs.abs().max())


def filled(kind: type, size: int, salt: str) -> Discriminator | ProjectionDiscriminator:
    net = kind(size)
    net.load_state_dict(fill(net.state_dict(), salt, "equalized"))
    return net.eval().requires_grad_(False)


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "due"), [(Discriminator, PLAIN), (ProjectionDiscriminator, PROJECTION)])
def test_figures_of_the_published_discriminators(kind: type, due: list[float]) -> None:
    x, style = normal("x", (8, 3, 32, 32), "figures-").clamp(-1, 1), normal("s8", (8, 512), "figures-")
    given = (x, style) if kind is ProjectionDiscriminator else (x,)
    close(filled(kind, 32, "figures-")(*given), torch.tensor(due)[:, None])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("file", "kind"), [("blendgan_disc", Discriminator), ("blendgan_proj_disc", ProjectionDiscriminator)]
)
@pytest.mark.parametrize("size", [64, pytest.param(1024, marks=pytest.mark.slow)])
def test_published_logits(golden: Path, file: str, kind: type, size: int) -> None:
    given, due, _, meta = load(golden / f"{file}.safetensors")
    net = filled(kind, size, meta["salt"])
    for name, logits in due.items():
        if name.startswith(f"s{size}_"):
            style = [given[f"{name}_style"]] if kind is ProjectionDiscriminator else []
            close(net(given[f"{name}_img"], *style), logits)


@pytest.mark.parametrize(
    ("key", "kind"), [("discriminator", Discriminator), ("projection_discriminator", ProjectionDiscriminator)]
)
def test_keys_are_the_published_ones(golden: Path, key: str, kind: type) -> None:
    keys = json.loads((golden / "blendgan.keys.json").read_text())[key]
    with torch.device("meta"):
        net = kind(1024)
    assert {k: tuple(v.shape) for k, v in net.state_dict().items()} == {k: tuple(shape) for k, shape, _ in keys}


def test_minibatch_stddev_groups_sample_j_with_j_plus_n_over_g() -> None:
    x = torch.zeros(8, 1, 1, 1)
    x[::2] = torch.tensor([1.0, 2.0, 3.0, 6.0]).reshape(4, 1, 1, 1)  # samples 0, 2, 4, 6: one group of four
    got = minibatch_stddev(x)[:, 1].flatten()
    # Population deviation of (1, 2, 3, 6) is sqrt(3.5); of zeros, sqrt(1e-8).
    torch.testing.assert_close(got, torch.tensor([3.5**0.5, 1e-4] * 4))
    with pytest.raises(ValueError, match="given a batch of 6; expected 1 to 4 or a multiple of 4"):
        minibatch_stddev(torch.zeros(6, 1, 1, 1))


def test_half_precision_layers_stay_near() -> None:
    torch.manual_seed(0)
    net, x = Discriminator(32, channel_table(widest=32)), torch.randn(4, 3, 32, 32).clamp(-1, 1)
    full, half = net(x), net(x, torch.bfloat16, 16)
    assert half.dtype == torch.float32
    # bfloat16 has 8 bits: 2 ** -8 a layer, a few layers deep.
    assert float((full - half).detach().abs().max()) <= 0.05 * float(full.detach().abs().max())


@pytest.mark.parametrize("x", [torch.zeros(2, 3, 64, 32), torch.zeros(2, 3, 32, 32, dtype=torch.uint8)])
def test_bad_input_is_one_line(x: Tensor) -> None:
    with pytest.raises(ValueError, match=r"discriminator x: given .*; expected"):
        Discriminator(32, channel_table(widest=4))(x)
