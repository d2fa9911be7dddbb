"""Losses and the training step of AdaIN (equation numbers of arXiv:1703.06868): the decoder learns, the encoder stays."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from baselines.adain.method import AdaIn
from baselines.adain.networks import adain, encoder_of, features, mean_std, networks, random_encoder
from baselines.adain.settings import AdaInSettings
from baselines.adapter import load_strict
from baselines.blocks import kaiming_init
from baselines.training_module import BaselineTraining, Scalars, Tensors
from models.training.rng import StepRNG
from models.training.training_module import Batch
from models.weights import read_checkpoint
from models.weights.download import obtain
from models.weights.registry import entry
from suite.errors import SuiteError


def losses(encoder: Any, dec: Any, content: Tensor, style: Tensor, alpha: float = 1.0) -> Scalars:
    """Content and style loss, unweighted (Eq. 12, 13); pictures in [0, 1]."""
    with torch.no_grad():
        style_features = features(encoder, style)
        target = adain(features(encoder, content)[-1], style_features[-1], alpha)  # t of Eq. 9
    made = features(encoder, dec(target))
    content_loss = F.mse_loss(made[-1], target)  # Eq. 12
    style_loss = torch.zeros_like(content_loss)
    for ours, wanted in zip(made, style_features):
        (mu, sigma), (mu_s, sigma_s) = mean_std(ours), mean_std(wanted)
        style_loss = style_loss + F.mse_loss(mu, mu_s) + F.mse_loss(sigma, sigma_s)  # Eq. 13
    return {"content": content_loss, "style": style_loss}


class AdaInTraining(BaselineTraining):
    """Trains the decoder alone; Adam, lr / (1 + 5e-5 i), content 1, style 10 (authors' train.py)."""

    settings: AdaInSettings
    sheet_columns = 3

    def __init__(self, settings: AdaInSettings, device: torch.device, vgg: Mapping[str, Tensor] | None = None) -> None:
        nets = networks(settings)
        if "lite0" in nets:
            nets["lite0"].pretrain()
        elif vgg is not None:
            load_strict(nets["vgg"], vgg, "AdaIN vgg")
        else:
            random_encoder(nets["vgg"])
        if settings.init == "he":
            kaiming_init(nets["decoder"])
        super().__init__(settings, nets, device, frozen=set(nets) - {"decoder"})
        self.optimizers = {"decoder": torch.optim.Adam(nets["decoder"].parameters(), lr=settings.lr)}

    def rate(self, step: int) -> float:
        return 1 / (1 + self.settings.lr_decay * step)

    def step(self, batch: Batch, draws: StepRNG) -> Scalars:
        batch = self.begin(batch, draws)
        encoder, dec = encoder_of(self.networks), self.networks["decoder"]
        s = self.settings

        def loss(part: Tensors) -> tuple[Tensor, Scalars]:
            terms = losses(encoder, dec, part["photo"], part["art"])
            return s.content_weight * terms["content"] + s.style_weight * terms["style"], terms  # Eq. 11

        unit = {name: images / 2 + 0.5 for name, images in batch.images.items()}
        return self.update(("decoder",), unit, loss)

    def method(self) -> AdaIn:
        return AdaIn(self.networks, self.settings.size, self.settings.alpha)


def build(settings: AdaInSettings, device: torch.device) -> AdaInTraining:
    """Networks, losses and schedule for the training loop.

    Raises:
        SuiteError: the normalised VGG is wanted and not there, or the file is another network's.
    """
    return AdaInTraining(settings, device, _normalised_vgg(settings))


def _normalised_vgg(settings: AdaInSettings) -> Mapping[str, Tensor] | None:
    if settings.encoder != "normalised":
        if settings.vgg_weights:
            raise SuiteError(f"--set vgg_weights: not read with encoder={settings.encoder}; give one of them")
        return None
    place = Path(settings.vgg_weights) if settings.vgg_weights else obtain("adain-vgg", offline=True)
    weights = next(iter(read_checkpoint(place).parts.values()))
    if entry("adain-vgg").holds not in weights:
        raise SuiteError(
            f"--set vgg_weights={place}: another network; AdaIN's encoder is the normalised VGG-19, vgg_normalised.pth, "
            "which torchvision's is not; 'blendgan weights adain-vgg' fetches it"
        )
    return weights
