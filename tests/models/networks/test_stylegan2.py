"""StyleGAN2: keys, losses and their gradients against the published code, and what our forward adds to it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from golden_recipe import Figures, fill, load, matched, normal
from torch import Tensor, nn

from models.networks.discriminators import Discriminator
from models.networks.stylegan2 import Generator, channel_table
from models.training.losses import d_logistic, g_nonsaturating, path_lengths, path_penalty, r1


@pytest.fixture
def small() -> Generator:
    torch.manual_seed(0)
    net = Generator(32, style_dim=16, n_mlp=2, channels=channel_table(2, widest=16))
    for name, parameter in net.named_parameters():
        if name.endswith("noise.weight"):
            parameter.data.fill_(0.3)
    return net


def close(ours: Tensor, theirs: Tensor | Figures, relative: float = 1e-5) -> None:
    """1e-5 relative in float64 is what parity asks for; stored values have rounding of 1e-15, 6e-8 of large outputs."""
    ours, theirs = matched(ours, theirs)
    assert float((ours - theirs).abs().max()) <= relative * float(theirs.abs().max())


def strided(gradient: Tensor) -> Tensor:
    flat = gradient.flatten()
    return flat[:: max(1, flat.numel() // 500)]


def check_gradients(net: nn.Module, due: dict[str, Tensor], prefix: str) -> None:
    parameters = dict(net.named_parameters())
    names = [name for name in due if name.startswith(prefix)]
    assert names
    for name in names:
        close(strided(parameters[name.removeprefix(prefix)].grad), due[name])


def test_keys_are_the_published_ones(golden: Path) -> None:
    keys = json.loads((golden / "stylegan2.keys.json").read_text())["generator"]
    with torch.device("meta"):
        net = Generator(1024)
    assert {k: tuple(v.shape) for k, v in net.state_dict().items()} == {k: tuple(shape) for k, shape, _ in keys}


@pytest.mark.slow
def test_losses_and_their_gradients_in_float64(golden: Path) -> None:
    given, due, _, meta = load(golden / "stylegan2_losses.safetensors")
    g, d = Generator(32), Discriminator(32)
    g.load_state_dict(fill(g.state_dict(), **meta["fill"]["g"]))
    d.load_state_dict(fill(d.state_dict(), **meta["fill"]["d"]))
    g.double(), d.double()
    close(d_logistic(given["real_pred"], given["fake_pred"]), due["d_logistic"])
    close(g_nonsaturating(given["fake_pred"]), due["g_nonsat"])

    real = given["real_img"].requires_grad_()
    logits = d(real)
    close(logits, due["r1_pred"])
    penalty = r1(logits, real)
    close(penalty, due["r1"])
    penalty.backward()
    check_gradients(d, due, "r1_grad/")

    pictures, latents = g(given["z"])
    close(pictures, due["g_img"])
    mean = torch.tensor(meta["ctor"]["mean_path_length"], dtype=torch.float64)
    lengths = path_lengths(pictures, latents, given["path_noise"])
    penalty, mean = path_penalty(lengths, mean, meta["ctor"]["decay"])
    close(penalty, due["path_penalty"])
    close(lengths, due["path_lengths"])
    close(mean, due["path_mean"])
    penalty.backward()
    check_gradients(g, due, "path_grad/")


def test_r1_of_a_linear_critic_is_the_squared_norm_of_its_weights() -> None:
    weight = normal("w", (3 * 4 * 4,))
    x = normal("x", (5, 3, 4, 4)).requires_grad_()
    torch.testing.assert_close(r1(x.flatten(1) @ weight[:, None], x), weight.square().sum())


def test_path_length_of_a_linear_generator() -> None:
    w = normal("w", (3, 1, 8)).requires_grad_()
    pictures = torch.einsum("nkd,dc->nc", w, torch.eye(8)[:, :3]).reshape(3, 3, 1, 1)
    y = normal("y", (3, 3, 1, 1))
    lengths = path_lengths(pictures, w, y)
    penalty, mean = path_penalty(lengths, torch.tensor(2.0), decay=0.25)
    norms = y.flatten(1).norm(dim=1)
    torch.testing.assert_close(lengths, norms)
    torch.testing.assert_close(mean, 2.0 + 0.25 * (norms.mean() - 2.0))
    torch.testing.assert_close(penalty, (norms - mean).square().mean())


def test_recomputing_feature_maps_changes_nothing(small: Generator) -> None:
    results = []
    for checkpointed in (False, True):
        small.zero_grad()
        pictures, latents = small(normal("z", (2, 16)), checkpointed=checkpointed)
        lengths = path_lengths(pictures, latents, normal("y", (2, 3, 32, 32)))
        penalty, _ = path_penalty(lengths, torch.tensor(0.0))
        (penalty + pictures.square().mean()).backward()
        results.append([pictures.detach(), *(p.grad for p in small.parameters() if p.grad is not None)])
    for plain, again in zip(*results):
        # The same operations run twice: float32 rounding of sums in another order at most.
        torch.testing.assert_close(again, plain, rtol=1e-4, atol=1e-5)


def test_without_derivatives_the_pictures_are_the_same(small: Generator) -> None:
    z = normal("z", (3, 16))
    trained, _ = small(z)
    with torch.no_grad():
        drawn, _ = small(z)
    # Folded filters against scaled activations: float32 rounding through 7 layers.
    torch.testing.assert_close(drawn, trained.detach(), rtol=1e-5, atol=1e-5)


def test_half_precision_layers_stay_near(small: Generator) -> None:
    with torch.no_grad():
        full, _ = small(normal("z", (2, 16)))
        half, _ = small(normal("z", (2, 16)), half=torch.bfloat16, half_from=16)
    assert half.dtype == torch.float32
    # bfloat16 keeps 8 bits: 2 ** -8 a layer, four layers deep.
    assert 0 < float((full - half).abs().max()) <= 0.03 * float(full.abs().max())


def test_noise_of_a_sample_is_its_seeds_alone(small: Generator) -> None:
    together = small.seeded_noise([5, 6, 7])
    for whole, one in zip(together, small.seeded_noise([6])):
        assert torch.equal(whole[1:2], one)
    assert [tuple(n.shape) for n in together] == [(3, *shape) for shape in small.noise_shapes()]


def test_style_mixing_takes_early_layers_from_the_first(small: Generator) -> None:
    _, latents = small(normal("z", (2, 16)), z2=normal("z2", (2, 16)), inject_index=3)
    assert torch.equal(latents[:, :3], small.broadcast(small.map_face(normal("z", (2, 16))))[:, :3])
    assert torch.equal(latents[:, 3:], small.broadcast(small.map_face(normal("z2", (2, 16))))[:, 3:])
    with pytest.raises(ValueError, match="inject_index: given 8; expected 1 to 7"):
        small(normal("z", (2, 16)), z2=normal("z2", (2, 16)), inject_index=8)


@pytest.mark.slow
def test_compiled_without_graph_breaks(small: Generator) -> None:
    z = normal("z", (2, 16))
    compiled = torch.compile(small, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(z)[0], small(z)[0], rtol=1e-5, atol=1e-5)
