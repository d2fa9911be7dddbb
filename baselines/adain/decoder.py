"""AdaIN's decoder, the mirror of an encoder, and the noise by which untrained layers are scaled."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from baselines.fused_resample import upsample_then_reflect_conv


class Decoder(nn.Sequential):
    """Layers in a row, each upsampling folded with the padding and the convolution that follow it."""

    def forward(self, x: Tensor) -> Tensor:
        layers = iter(self)
        for layer in layers:
            if isinstance(layer, nn.Upsample):
                _, conv = next(layers), next(layers)
                assert isinstance(conv, nn.Conv2d)
                x = upsample_then_reflect_conv(x, conv.weight, conv.bias)
            else:
                x = layer(x)
        return x


def mirrored(channels: int, widths: Sequence[int | str]) -> Decoder:
    """Features of `channels` -> picture: a 3x3 convolution and a ReLU a width, "U" doubles the side; linear output."""
    layers: list[nn.Module] = []
    for wide in widths:
        if isinstance(wide, str):
            layers.append(nn.Upsample(scale_factor=2, mode="nearest"))
            continue
        layers += [nn.ReflectionPad2d(1), nn.Conv2d(channels, wide, 3), nn.ReLU(inplace=True)]
        channels = wide
    return Decoder(*layers, nn.ReflectionPad2d(1), nn.Conv2d(channels, 3, 3))


def natural_noise(count: int, side: int, seed: int) -> Tensor:
    """Noise in [0, 1] with the 1/f spectrum of natural pictures, (count, 3, side, side)."""
    generator = torch.Generator().manual_seed(seed)
    spectrum = torch.fft.rfft2(torch.randn(count, 3, side, side, generator=generator))
    distance = torch.hypot(torch.fft.fftfreq(side)[:, None], torch.fft.rfftfreq(side)[None]).clamp_min(1 / side)
    noise = torch.fft.irfft2(spectrum / distance)
    return (noise / noise.std() / 4 + 0.5).clamp(0, 1)
