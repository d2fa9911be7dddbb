"""Discriminators: StyleGAN2's residual one, and the projection one that judges a picture with a style code (BlendGAN 3.3)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from models.networks.layers import BLUR, EqualConv2d, EqualLinear, FusedLeakyReLU, Resample, ScaledLeakyReLU
from models.networks.stylegan2 import channel_table, check_size
from models.training import parallel
from ops.bias_act.reference import ROOT_2
from ops.checks import check_shape
from ops.dispatch import layout
from ops.modulated_conv.reference import blur_pads

STDDEV_GROUP = 4


class ConvLayer(nn.Sequential):
    """[blur,] convolution [, bias and leaky ReLU], numbered as checkpoints number them."""

    def __init__(
        self, in_channels: int, out_channels: int, size: int, down: int = 1, bias: bool = True, activate: bool = True
    ) -> None:
        layers: list[nn.Module] = []
        stride, padding = down, size // 2 if down == 1 else 0
        if down == 2:
            # A 1x1 convolution reads every second sample alone: the filter need not make the others.
            skipped = size == 1
            layers.append(Resample(BLUR, blur_pads(len(BLUR), size, 1, 2), down=2 if skipped else 1))
            stride = 1 if skipped else 2
        layers.append(EqualConv2d(in_channels, out_channels, size, stride, padding, bias=bias and not activate))
        if activate:
            layers.append(FusedLeakyReLU(out_channels) if bias else ScaledLeakyReLU())
        super().__init__(*layers)


class ResBlock(nn.Module):
    """Two 3x3 layers beside a blurred 1x1 skip, halving the resolution; the sum is divided by sqrt 2."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv1 = ConvLayer(in_channels, in_channels, 3)
        self.conv2 = ConvLayer(in_channels, out_channels, 3, down=2)
        self.skip = ConvLayer(in_channels, out_channels, 1, down=2, bias=False, activate=False)
        # 1 / sqrt 2 of the sum, taken where a factor is applied anyway.
        for last in (self.conv2[-1], self.skip[-1]):
            if isinstance(last, FusedLeakyReLU):
                last.gain /= math.sqrt(2)
            elif isinstance(last, EqualConv2d):
                last.scale /= math.sqrt(2)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv2(self.conv1(x)) + self.skip(x)


def minibatch_stddev(x: Tensor, group: int = STDDEV_GROUP, shared: bool = False) -> Tensor:
    """(N, C, H, W) -> (N, C + 1, H, W): how much samples j, j + N / g, ... differ, g = min(N, group), as one more channel.

    Karras et al. 2017, section 3. In half precision the statistic is taken in float32.

    Args:
        group: the most samples that are compared.
        shared: `x` is this rank's share of a batch. The groups are those of the whole batch: a share that is no
            multiple of `group` is compared with the other ranks' features, to which gradients flow back.
    """
    count, channels, height, width = x.shape
    if count == 0:
        return torch.cat([x, x.new_zeros(0, 1, height, width)], 1)
    ranks = parallel.world() if shared else 1
    group = min(count * ranks, group)
    # Rank r has samples r, r + W, ...: where its share is a multiple of g, its groups are groups of the whole batch.
    together = count % group != 0
    everyone = parallel.gather(x) if together and ranks > 1 else x
    batch = len(everyone)
    if batch % group:
        raise ValueError(f"discriminator x: given a batch of {batch}; expected 1 to {group} or a multiple of {group}")
    rows = everyone.reshape(group, batch // group, channels, height, width)
    rows = rows.to(torch.promote_types(x.dtype, torch.float32))
    spread = (rows.var(0, unbiased=False) + 1e-8).sqrt().mean((1, 2, 3)).to(x.dtype).repeat(group)  # (N,)
    spread = parallel.own(spread) if together else spread
    return torch.cat([x, spread[:, None, None, None].expand(-1, 1, height, width)], 1)


class _Trunk(nn.Module):
    """What both discriminators share: from the picture to (N, channels[4], 4, 4)."""

    def __init__(self, size: int, channels: Mapping[int, int] | None) -> None:
        super().__init__()
        log_size = check_size(size)
        table = dict(channels or channel_table())
        missing = [2**k for k in range(2, log_size + 1) if 2**k not in table]
        if missing:
            raise ValueError(f"channels: given {sorted(table)}; expected an entry for {missing} too")
        self.size = size
        self.channels = {2**k: table[2**k] for k in range(2, log_size + 1)}
        blocks = [ResBlock(table[2**k], table[2 ** (k - 1)]) for k in range(log_size, 2, -1)]
        self.convs = nn.Sequential(ConvLayer(3, table[size], 1), *blocks)
        self.final_conv = ConvLayer(table[4] + 1, table[4], 3)
        self._conv_clamp: float | None = None
        self.stddev_group = STDDEV_GROUP
        self.shared = False  # True in training: a batch is this rank's share of one

    @property
    def conv_clamp(self) -> float | None:
        """The limit of every activated convolution's output (256 in NVIDIA's files), or None; skips have none."""
        return self._conv_clamp

    @conv_clamp.setter
    def conv_clamp(self, limit: float | None) -> None:
        self._conv_clamp = limit
        for layer in self.modules():
            if isinstance(layer, FusedLeakyReLU):
                # Before a residual sum the gain has its 1 / sqrt 2, and the limit has it too.
                layer.clamp = None if limit is None else limit * layer.gain / ROOT_2

    def load_metadata(self, facts: Mapping[str, Any]) -> None:
        """Take from a checkpoint's facts what the weights do not tell."""
        self.conv_clamp = facts.get("d_conv_clamp")
        self.stddev_group = facts.get("d_stddev_group", STDDEV_GROUP)

    def maps(self, x: Tensor, half: torch.dtype | None = None, half_from: int = 64) -> list[Tensor]:
        """(N, 3, size, size) in [-1, 1] -> feature maps of every resolution, (N, channels[size], size, size) to 4 px."""
        check_shape("discriminator x", x, ("N", 3, self.size, self.size))
        weight = self.final_conv.get_parameter("0.weight")
        if x.device != weight.device:
            raise ValueError(f"discriminator x: given on {x.device}; expected {weight.device}, the network's")
        x = x.to(weight.dtype, memory_format=layout(x.device, half))
        maps = []
        for k, layer in enumerate(self.convs):
            resolution = self.size if k == 0 else self.size >> (k - 1)
            x = layer(x.to(half if half is not None and resolution >= half_from else weight.dtype))
            maps.append(x)
        return maps

    def features(self, x: Tensor, half: torch.dtype | None, half_from: int) -> Tensor:
        """(N, 3, size, size) in [-1, 1] -> (N, channels[4], 4, 4)."""
        last = self.maps(x, half, half_from)[-1].to(self.final_conv.get_parameter("0.weight").dtype)
        return self.final_conv(minibatch_stddev(last, self.stddev_group, self.shared))


class Discriminator(_Trunk):
    """Real or generated, one logit a picture (D_face and D_style).

    Args:
        size: side of the pictures, a power of two from 8 to 1024.
        channels: feature maps by resolution; `channel_table()` if None.
    """

    def __init__(self, size: int, channels: Mapping[int, int] | None = None) -> None:
        super().__init__(size, channels)
        widest = self.channels[4]
        self.final_linear = nn.Sequential(EqualLinear(widest * 16, widest, activate=True), EqualLinear(widest, 1))

    def forward(self, x: Tensor, half: torch.dtype | None = None, half_from: int = 64) -> Tensor:
        """(N, 3, size, size) in [-1, 1] -> (N, 1) logits; feature maps of `half_from` px and more in dtype `half`."""
        return self.final_linear(self.features(x, half, half_from).flatten(1))


class ProjectionDiscriminator(_Trunk):
    """Does the picture have this style? D_style_latent (Miyato & Koyama 2018): psi(h) + <style, h>, h summed over 4x4.

    Args:
        size: side of the pictures, a power of two from 8 to 1024.
        style_dim: of the style code.
        channels: feature maps by resolution; `channel_table()` if None.
    """

    def __init__(self, size: int, style_dim: int = 512, channels: Mapping[int, int] | None = None) -> None:
        super().__init__(size, channels)
        self.style_dim = style_dim
        self.l_out = EqualLinear(self.channels[4], 1)
        self.l_style = EqualLinear(style_dim, self.channels[4])

    def forward(self, x: Tensor, style: Tensor, half: torch.dtype | None = None, half_from: int = 64) -> Tensor:
        """(N, 3, size, size) in [-1, 1] and (N, style_dim) -> (N, 1) logits."""
        return self.score(self.hidden(x, half, half_from), style)

    def hidden(self, x: Tensor, half: torch.dtype | None = None, half_from: int = 64) -> Tensor:
        """What the picture alone decides: (N, 3, size, size) -> h (N, channels[4]); several codes can be scored on it."""
        return self.features(x, half, half_from).sum((2, 3))

    def score(self, h: Tensor, style: Tensor) -> Tensor:
        """h (N, channels[4]) and (N, style_dim) -> (N, 1) logits."""
        check_shape("discriminator style", style, (len(h), self.style_dim))
        return self.l_out(h) + (self.l_style(style.to(h.dtype)) * h).sum(1, keepdim=True)
