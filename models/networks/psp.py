"""pSp (Richardson et al. 2021): the encoder from a face to W+, an IR-SE-50 trunk under a feature pyramid."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.networks.layers import EqualLinear

SIDE = 256
# Channels and blocks of the four stages of ResNet-50 as ArcFace arranges it; each stage halves the side once.
WIDTHS = (64, 128, 256, 512)
_BLOCKS = (3, 4, 14, 3)
_TAPS = (6, 20, 23)
_COARSE, _MIDDLE = 3, 7


class _SqueezeExcite(nn.Module):
    """Scale each channel by a gate computed from all channels' means."""

    def __init__(self, channels: int, reduction: int = 16) -> None:
        super().__init__()
        self.fc1 = nn.Conv2d(channels, channels // reduction, 1, bias=False)
        self.fc2 = nn.Conv2d(channels // reduction, channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        gate = self.fc2(F.relu(self.fc1(x.mean((2, 3), keepdim=True))))
        return x * torch.sigmoid(gate)


class _Block(nn.Module):
    """Improved residual block with squeeze and excitation."""

    def __init__(self, before: int, channels: int, stride: int) -> None:
        super().__init__()
        self.shortcut_layer: nn.Module
        if before == channels:
            self.shortcut_layer = nn.MaxPool2d(1, stride)
        else:
            project = nn.Conv2d(before, channels, 1, stride, bias=False)
            self.shortcut_layer = nn.Sequential(project, nn.BatchNorm2d(channels))
        self.res_layer = nn.Sequential(
            nn.BatchNorm2d(before),
            nn.Conv2d(before, channels, 3, padding=1, bias=False),
            nn.PReLU(channels),
            nn.Conv2d(channels, channels, 3, stride, 1, bias=False),
            nn.BatchNorm2d(channels),
            _SqueezeExcite(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.res_layer(x) + self.shortcut_layer(x)


class _Head(nn.Module):
    """A square feature map to one row of W+: stride-2 convolutions down to one position, then a linear layer."""

    def __init__(self, channels: int, side: int, style_dim: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        while side > 1:
            layers += [nn.Conv2d(channels, channels, 3, 2, 1), nn.LeakyReLU(0.01)]
            side //= 2
        self.convs = nn.Sequential(*layers)
        self.linear = EqualLinear(channels, style_dim)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(self.convs(x).flatten(1))


def ir_se50(widths: Sequence[int] = WIDTHS) -> tuple[nn.Sequential, nn.Sequential]:
    """ArcFace's improved ResNet-50 with squeeze and excitation: its first layer and its 24 blocks."""
    before = widths[0]
    first = nn.Sequential(nn.Conv2d(3, before, 3, 1, 1, bias=False), nn.BatchNorm2d(before), nn.PReLU(before))
    blocks = []
    for count, channels in zip(_BLOCKS, widths, strict=True):
        for index in range(count):
            blocks.append(_Block(before, channels, 2 if index == 0 else 1))
            before = channels
    return first, nn.Sequential(*blocks)


class Pyramid(NamedTuple):
    """What the trunk hands to the heads: (N, 128, 64, 64), (N, 256, 32, 32) and (N, 512, 16, 16)."""

    fine: Tensor
    middle: Tensor
    coarse: Tensor


class GradualStyleEncoder(nn.Module):
    """(N, 3, 256, 256) in [-1, 1] -> (N, n_styles, 512): codes relative to the mean latent. Published keys.

    Args:
        n_styles: rows of W+; 18 for a 1024 px generator, 2 log2(size) - 2 in general.
        style_dim: width of a row.
        widths: of the trunk's four stages; narrower ones serve the small profiles.
    """

    def __init__(self, n_styles: int = 18, style_dim: int = 512, widths: Sequence[int] = WIDTHS) -> None:
        super().__init__()
        _, fine, middle, coarse = widths
        self.input_layer, self.body = ir_se50(widths)
        sides = [16 if i < _COARSE else 32 if i < _MIDDLE else 64 for i in range(n_styles)]
        self.styles = nn.ModuleList(_Head(coarse, side, style_dim) for side in sides)
        self.latlayer1 = nn.Conv2d(middle, coarse, 1)
        self.latlayer2 = nn.Conv2d(fine, coarse, 1)
        self.to(memory_format=torch.channels_last)

    def trunk(self, x: Tensor) -> Pyramid:
        """The maps after body blocks 6, 20 and 23."""
        x = self.input_layer(x.contiguous(memory_format=torch.channels_last))
        taps = []
        for index, block in enumerate(self.body):
            x = block(x)
            if index in _TAPS:
                taps.append(x)
        return Pyramid(*taps)

    def forward(self, x: Tensor) -> Tensor:
        fine, middle, coarse = self.trunk(x)
        second = _enlarge(coarse, middle) + self.latlayer1(middle)
        first = _enlarge(second, fine) + self.latlayer2(fine)
        maps = [coarse if i < _COARSE else second if i < _MIDDLE else first for i in range(len(self.styles))]
        return torch.stack([head(level) for head, level in zip(self.styles, maps, strict=True)], 1)


class PSPEncoder(nn.Module):
    """A face to the W+ code that its generator renders: (N, 3, H, W) in [-1, 1], aligned -> (N, n_styles, 512).

    Attributes:
        encoder: the network.
        latent_avg: (n_styles, style_dim), added to every code.
    """

    latent_avg: Tensor

    def __init__(self, n_styles: int = 18, style_dim: int = 512, widths: Sequence[int] = WIDTHS) -> None:
        super().__init__()
        self.encoder = GradualStyleEncoder(n_styles, style_dim, widths)
        self.register_buffer("latent_avg", torch.zeros(n_styles, style_dim))

    def forward(self, image: Tensor) -> Tensor:
        if image.dim() != 4 or image.shape[1] != 3 or not image.is_floating_point():
            raise ValueError(f"pSp: given {tuple(image.shape)} {image.dtype}; expected (N, 3, H, W) float in [-1, 1]")
        return self.encoder(F.adaptive_avg_pool2d(image, SIDE)) + self.latent_avg


def _enlarge(x: Tensor, like: Tensor) -> Tensor:
    return F.interpolate(x, size=like.shape[-2:], mode="bilinear", align_corners=True)
