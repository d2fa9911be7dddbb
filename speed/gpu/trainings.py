"""Small trainings on any device: the same weights, pictures and draws wherever they run."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from baselines.registry import TRAINABLE
from models.networks.style_encoder import StyleEncoder
from models.training import parallel
from models.training.blendgan import BlendGANTraining
from models.training.blendgan_settings import BlendGANSettings
from models.training.rng import StepRNG
from models.training.style_encoder import StyleEncoderSettings, StyleEncoderTraining
from models.training.training_module import Batch
from speed.published.pairs import pictures
from suite.profiles import load_profile

TRUNK = (4, 4, 8, 8, 8)
MODULES = ("blendgan", "style-encoder", *TRAINABLE)


def build(name: str, device: torch.device) -> Any:
    """A small module of the training `name`; weights are drawn on the CPU and the same everywhere."""
    torch.manual_seed(0)
    if name == "blendgan":
        settings = BlendGANSettings(
            size=32, steps=4, batch=8, style_dim=16, n_mlp=2, widest=8, queue=16, mixing=1.0, augment="ada"
        )
        encoder = StyleEncoder(16, widths=TRUNK).requires_grad_(False).to(device)
        return BlendGANTraining(settings, device, encoder)
    if name == "style-encoder":
        narrow = StyleEncoderSettings(size=32, steps=4, batch=8, style_dim=16, trunk="seeded", trunk_widths=TRUNK)
        return StyleEncoderTraining(narrow, device)
    row = TRAINABLE[name]
    assert row.settings is not None
    overrides = ("batch=8", "micro_batch=0", "channels_last=false")
    return row.module("training").build(load_profile(row.settings, row.package, "demo", overrides), device)


def one_step(name: str, device: torch.device) -> dict[str, Tensor]:
    """The losses of the first step, on the CPU; of all processes together. Not how many answers have a sign or are right:
    rounding decides of those near zero.
    """
    module = build(name, device)
    side, world, rank = module.settings.load_size, parallel.world(), parallel.rank()
    images = {
        domain: pictures(count * world, side, len(domain), torch.device("cpu"))[rank::world].to(device)
        for domain, count in module.batch_sizes.items()
    }
    losses = module.step(Batch(images), StepRNG(3, 0, rank, world))
    means = parallel.means(losses)
    return {key: torch.tensor(value) for key, value in means.items() if not key.endswith(("_sign", "acc"))}
