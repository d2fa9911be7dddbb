"""Style transfer by optimisation: Gatys, Ecker, Bethge, "Image Style Transfer Using CNNs", CVPR 2016.

https://openaccess.thecvf.com/content_cvpr_2016/papers/Gatys_Image_Style_Transfer_CVPR_2016_paper.pdf. Needs no training;
reference-guided only. Without VGG weights it runs on a seeded random trunk (Ustyuzhaninov et al. 2016 show that random
filters carry texture), and its name says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from baselines.adapter import ImageMethod
from baselines.blocks import kaiming_init
from models.networks.vgg import VGG19Trunk
from suite.params import LARGEST_SEED
from suite.profiles import Settings

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
CONTENT_TAP = 3
# Of the random trunk's stages, in units of its `width`.
RANDOM_WIDTHS = (1, 1, 2, 2, 2)


def gram(features: Tensor) -> Tensor:
    """(N, C, H, W) -> (N, C, C): products of feature maps over space, divided by H * W (Eq. 3)."""
    flat = features.flatten(2)
    return flat @ flat.transpose(1, 2) / flat.shape[2]


def style_loss(features: Sequence[Tensor], wanted: Sequence[Tensor]) -> Tensor:
    """Squared differences of Gram matrices, each layer in units of its target's size, summed a sample: (N,) (Eq. 4, 5).

    Dividing by the target's energy makes one weight serve any trunk, trained or random.
    """
    total = features[0].new_zeros(len(features[0]))
    for ours, target in zip(features, wanted):
        energy = target.square().sum((1, 2)).clamp_min(1e-12)
        total = total + (gram(ours) - target).square().sum((1, 2)) / energy
    return total / len(wanted)


class Options(Settings):
    """What `--option` takes; see `Gatys` and `open_method`."""

    steps: int = Field(default=200, ge=1)
    style_weight: float = Field(default=10.0, ge=0)
    lr: float = Field(default=0.03, gt=0)
    size: int = Field(default=256, ge=32, le=2048, multiple_of=4)
    width: int = Field(default=32, ge=4, le=512)
    seed: int = Field(default=0, ge=0, le=LARGEST_SEED)


class Gatys(ImageMethod):
    """L-BFGS-free form: Adam on the pixels, each sample with its own loss, so that a batch is as many single runs.

    Args:
        trunk: VGG-19 to relu5_4.
        resolution: side of the pictures.
        steps: of Adam.
        style_weight: of style against content.
        lr: of Adam, in pixel units of [-1, 1].
    """

    name = "Gatys"
    modes = frozenset({"reference"})
    least = 32

    def __init__(
        self,
        trunk: nn.Module,
        resolution: int = 256,
        steps: int = 200,
        style_weight: float = 10.0,
        lr: float = 0.03,
        trained: bool = True,
    ) -> None:
        self.trunk, self.resolution, self.steps = trunk, resolution, steps
        self.style_weight, self.lr = style_weight, lr
        self.name = "Gatys" if trained else "Gatys (random features)"

    def _features(self, images: Tensor) -> list[Tensor]:
        mean, std = (images.new_tensor(value).view(1, 3, 1, 1) for value in (MEAN, STD))
        return self.trunk((images / 2 + 0.5 - mean) / std)

    def _reference(self, images: Tensor, style: Tensor, seeds: list[int]) -> Tensor:
        # The base class turns gradients off; this method is made of them. Inference tensors are copied out first.
        with torch.inference_mode(False), torch.enable_grad():
            return self._optimised(images.clone(), style.clone())

    def _optimised(self, images: Tensor, style: Tensor) -> Tensor:
        with torch.no_grad():
            wanted = [gram(tap) for tap in self._features(style)]
            content = self._features(images)[CONTENT_TAP]
            energy = content.square().mean((1, 2, 3)).clamp_min(1e-12)
        pixels = images.clone().requires_grad_()
        adam = torch.optim.Adam([pixels], lr=self.lr)
        for _ in range(self.steps):
            adam.zero_grad()
            taps = self._features(pixels)
            kept = F.mse_loss(taps[CONTENT_TAP], content, reduction="none").mean((1, 2, 3)) / energy  # Eq. 1
            (kept + self.style_weight * style_loss(taps, wanted)).sum().backward()  # Eq. 7
            adam.step()
            with torch.no_grad():
                pixels.clamp_(-1, 1)
        return pixels.detach()


def open_method(
    weights: str | Path = "random", device: str = "cpu", seed: int = 0, size: int = 256, width: int = 32, **options: Any
) -> Gatys:
    """Gatys' method on the VGG-19 of `weights` (torchvision's file or BlendGAN's), or on `width` random features and more."""
    from models.weights import load_checkpoint

    trained = str(weights) != "random"
    torch.manual_seed(seed)
    trunk = VGG19Trunk() if trained else VGG19Trunk(tuple(width * k for k in RANDOM_WIDTHS))
    if trained:
        load_checkpoint(weights, trunk)
    else:
        kaiming_init(trunk)
    trunk.to(device).to(memory_format=torch.channels_last).eval().requires_grad_(False)
    return Gatys(trunk, size, trained=trained, **options)
