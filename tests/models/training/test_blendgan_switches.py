"""Every switch of training either works on a processor or is refused with the reason."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from models.networks.blendgan import BlendGAN
from models.networks.stylegan2 import channel_table
from models.training.blendgan import BlendGANTraining
from models.training.blendgan_settings import BlendGANSettings
from models.training.psp import PSPSettings, PSPTraining
from models.training.rng import StepRNG
from models.training.style_encoder import StyleEncoderSettings, StyleEncoderTraining
from models.training.training_module import Batch, TrainingModule
from models.weights import save_weights
from suite.errors import SuiteError

CPU = torch.device("cpu")


def blendgan(tmp_path: Path, **changed: Any) -> BlendGANTraining:
    # Half precision is for feature maps of 64 px and more.
    small = {"size": 64, "style_dim": 16, "n_mlp": 2, "widest": 4, "queue": 8}
    return BlendGANTraining(BlendGANSettings(steps=2, batch=2, **small, **changed), CPU)


def encoder(tmp_path: Path, **changed: Any) -> StyleEncoderTraining:
    trunk = {"trunk": "seeded", "trunk_widths": (4, 4, 8, 8, 8)}
    return StyleEncoderTraining(StyleEncoderSettings(size=32, steps=2, batch=2, style_dim=16, **trunk, **changed), CPU)


def psp(tmp_path: Path, **changed: Any) -> PSPTraining:
    weights = tmp_path / "g.safetensors"
    generator = BlendGAN(32, 16, 2, channel_table(widest=4))
    save_weights(weights, {"g_ema": generator.state_dict()}, latent_avg=torch.zeros(16))
    only = {"lpips_weight": 0, "identity_weight": 0, "pyramid_weight": 0, "widths": (16, 16, 16, 32)}
    return PSPTraining(PSPSettings(size=32, steps=2, batch=2, generator=str(weights), **only, **changed), CPU)


def two_steps(module: TrainingModule) -> tuple[float, torch.Tensor]:
    """The first loss, and all parameters after a step with the regularisers and one without."""
    generator = torch.Generator().manual_seed(1)
    size = module.settings.size  # type: ignore[attr-defined]
    images = {
        name: torch.rand(count, 3, size, size, generator=generator) * 2 - 1
        for name, count in module.batch_sizes.items()
    }
    first = None
    for step in (0, 1):
        said = module.step(Batch(images), StepRNG(0, step))
        first = float(said.get("g_loss", said.get("loss"))) if first is None else first
    values = [p.detach().flatten() for net in module.networks.values() for p in net.parameters()]
    assert first is not None
    return first, torch.cat(values)


def made(build: Any, tmp_path: Path, **changed: Any) -> tuple[float, torch.Tensor]:
    torch.manual_seed(0)
    return two_steps(build(tmp_path, **changed))


@pytest.mark.slow
@pytest.mark.parametrize("build", [blendgan, encoder, psp])
def test_bf16_takes_the_steps_of_float32(build: Any, tmp_path: Path) -> None:
    exact, _ = made(build, tmp_path)
    half, values = made(build, tmp_path, precision="bf16")
    assert torch.isfinite(values).all()
    assert half != exact
    assert half == pytest.approx(exact, rel=0.05)  # bf16 has 8 bits: 0.4 % a rounding


@pytest.mark.slow
@pytest.mark.parametrize("build", [blendgan, psp])
def test_checkpointing_changes_memory_alone(build: Any, tmp_path: Path) -> None:
    loss, values = made(build, tmp_path)
    again, same = made(build, tmp_path, checkpointing=True)
    assert again == loss
    # Adam's first steps follow signs of gradients; summed in one order they are the same bits.
    assert torch.equal(same, values)


@pytest.mark.slow
@pytest.mark.parametrize("build", [encoder, psp])
def test_compiled_networks_take_the_same_steps(build: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Traced with its derivatives; the code generator behind it is PyTorch's own affair."""
    plain = nn.Module.compile
    monkeypatch.setattr(nn.Module, "compile", lambda self: plain(self, backend="aot_eager"))
    loss, values = made(build, tmp_path)
    again, same = made(build, tmp_path, compile=True)
    assert again == pytest.approx(loss, rel=1e-5)  # float32, sums in another order
    # A gradient near 0 may change its sign, and Adam's first steps are of the size of the rate whatever the gradient.
    assert (same - values).abs().median() < 1e-5


@pytest.mark.parametrize(
    ("build", "key", "value"),
    [
        (blendgan, "compile", True),
        (blendgan, "precision", "fp16"),
        (encoder, "precision", "fp16"),
        (encoder, "checkpointing", True),
        (psp, "precision", "fp16"),
    ],
)
def test_what_cannot_hold_is_refused_with_the_reason(build: Any, key: str, value: object, tmp_path: Path) -> None:
    with pytest.raises(SuiteError, match=rf"--set {key}=\w+: .{{20}}"):
        build(tmp_path, **{key: value})
