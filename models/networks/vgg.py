"""The convolutional trunk of VGG-19 (Simonyan & Zisserman 2015, configuration E) with the five taps of BlendGAN."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torchvision.models.vgg import make_layers

WIDTHS = (64, 128, 256, 512, 512)
CONVOLUTIONS = (2, 2, 4, 4, 4)
# Indices, in torchvision's `features`, of relu1_2, relu2_2, relu3_4, relu4_4 and relu5_4.
TAPS = (3, 8, 17, 26, 35)


class VGG19Trunk(nn.Module):
    """(N, 3, H, W) -> the five ReLU maps (N, C_k, H / 2^k, W / 2^k), C = 64, 128, 256, 512, 512.

    Keys are `vgg_layers.<index>.{weight,bias}` with torchvision's indices, as BlendGAN's checkpoints have them. The
    input is used as it comes: BlendGAN feeds [-1, 1] without ImageNet's mean and deviation.

    Args:
        widths: C; narrower trunks serve the small profiles, which have no published weights.
    """

    def __init__(self, widths: Sequence[int] = WIDTHS) -> None:
        super().__init__()
        rows = [[width] * count + ["M"] for width, count in zip(widths, CONVOLUTIONS, strict=True)]
        self.vgg_layers: nn.Sequential = make_layers([layer for row in rows for layer in row])
        # Channels last is what CPUs and tensor cores convolve fastest; loading a checkpoint keeps it.
        self.to(memory_format=torch.channels_last)

    def forward(self, x: Tensor) -> list[Tensor]:
        x = x.contiguous(memory_format=torch.channels_last)
        taps = []
        # What follows the last tap (a pooling) feeds nothing.
        for index, layer in enumerate(self.vgg_layers[: TAPS[-1] + 1]):
            x = layer(x)
            if index in TAPS:
                taps.append(x)
        return taps
