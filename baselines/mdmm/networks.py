"""DRIT++ over several domains (MDMM): Lee et al., IJCV 2020, Sec. 3.6; github.com/HsinYingLee/MDMM.

One content encoder, one attribute encoder and one generator that also read the domain as a one-hot code. Domain 0 is
photo, the others are art.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from baselines.drit.blocks import (
    LeakyConv,
    MixBlock,
    ResBlock,
    UpConv,
    attribute_trunk,
    attribute_trunk_concat,
    code_mlp,
    content_trunk,
    with_code,
)
from baselines.drit.networks import ContentDis, rgb_out
from baselines.mdmm.settings import MdmmSettings
from baselines.shapes import Parts, axis
from baselines.training_module import Networks


class ContentEncoder(nn.Module):
    """(N, 3, S, S) -> (N, 4 dim, S/4, S/4), one for all domains."""

    def __init__(self, dim: int = 64) -> None:
        super().__init__()
        self.conv = nn.Sequential(*content_trunk(dim), ResBlock(4 * dim))

    def forward(self, x: Tensor, noise: Tensor | None = None) -> Tensor:
        content = self.conv(x)
        return content if noise is None else content + noise


class AttributeEncoder(nn.Module):
    """Feature-wise form: picture and one-hot domain -> (code,)."""

    def __init__(self, dim: int = 64, latent: int = 8, domains: int = 3) -> None:
        super().__init__()
        self.model = attribute_trunk(dim, latent, 3 + domains)

    def forward(self, x: Tensor, domain: Tensor) -> tuple[Tensor]:
        return (self.model(with_code(x, domain)).flatten(1),)


class AttributeEncoderConcat(nn.Module):
    """Concat form: picture and one-hot domain -> (mean, log-variance)."""

    def __init__(self, dim: int = 64, latent: int = 8, domains: int = 3) -> None:
        super().__init__()
        self.fc = nn.Sequential(nn.Linear(4 * dim, latent))
        self.fcVar = nn.Sequential(nn.Linear(4 * dim, latent))
        self.conv = attribute_trunk_concat(dim, 3 + domains)

    def forward(self, x: Tensor, domain: Tensor) -> tuple[Tensor, Tensor]:
        features = self.conv(with_code(x, domain)).flatten(1)
        return self.fc(features), self.fcVar(features)


class Generator(nn.Module):
    """Feature-wise form: the MLP reads (domain, code)."""

    def __init__(self, dim: int = 64, latent: int = 8, domains: int = 3) -> None:
        super().__init__()
        self.wide = 4 * dim
        self.dec1, self.dec2, self.dec3, self.dec4 = (MixBlock(self.wide, self.wide) for _ in range(4))
        # The published name of the last stage.
        self.decA5 = nn.Sequential(UpConv(self.wide, 2 * dim), UpConv(2 * dim, dim), *rgb_out(dim))
        self.mlp = code_mlp(latent + domains, self.wide, 4 * self.wide)

    def forward(self, content: Tensor, code: Tensor, domain: Tensor) -> Tensor:
        parts = self.mlp(torch.cat((domain, code), 1)).split(self.wide, 1)
        for block, part in zip((self.dec1, self.dec2, self.dec3, self.dec4), parts):
            content = block(content, part)
        return self.decA5(content)


class GeneratorConcat(nn.Module):
    """Concat form: (features, domain, code) at the first depth, code alone at the next three."""

    def __init__(self, dim: int = 64, latent: int = 8, domains: int = 3) -> None:
        super().__init__()
        wide = 4 * dim
        self.dec_share = nn.Sequential(ResBlock(wide))
        width = wide + latent + domains
        self.dec1 = nn.Sequential(*(ResBlock(width) for _ in range(3)))
        second = width + latent
        third = second // 2 + latent
        self.dec2 = nn.Sequential(UpConv(second, second // 2))
        self.dec3 = nn.Sequential(UpConv(third, third // 2))
        self.dec4 = nn.Sequential(*rgb_out(third // 2 + latent))

    def forward(self, content: Tensor, code: Tensor, domain: Tensor) -> Tensor:
        out = self.dec1(with_code(self.dec_share(content), torch.cat((domain, code), 1)))
        for stage in (self.dec2, self.dec3, self.dec4):
            out = stage(with_code(out, code))
        return out


class DomainDis(nn.Module):
    """Real or not, and which domain: (N, 3, S, S) -> map (N, 1, h + 2, w + 2), domain logits (N, domains).

    The published 1x1 convolution pads by 1 and has no bias, so that the map's border is zero.
    """

    def __init__(self, dim: int = 64, layers: int = 6, domains: int = 3, crop: int = 216) -> None:
        super().__init__()
        widths = [3, *(dim << i for i in range(layers - 1)), dim << (layers - 2)]
        self.model = nn.Sequential(*[LeakyConv(a, b, 3, 2, 1) for a, b in pairwise(widths)])
        self.conv1 = nn.Conv2d(widths[-1], 1, 1, padding=1, bias=False)
        self.conv2 = nn.Conv2d(widths[-1], domains, max(1, crop >> layers), bias=False)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        features = self.model(x)
        return self.conv1(features), self.conv2(features).mean((2, 3))


def one_hot(index: Tensor, domains: int) -> Tensor:
    """(N,) int64 -> (N, domains) float32."""
    return nn.functional.one_hot(index, domains).float()


def settings_in(parts: Parts) -> dict[str, Any]:
    """The settings that a published file follows: which of the two forms, its widths, and how many domains it has."""
    concat = "fc.0.weight" in parts.get("enc_a", {})
    last, first = ("fc.0.weight", "conv.1.weight") if concat else ("model.16.weight", "model.1.weight")
    return {
        "concat": concat,
        "latent": axis(parts, "enc_a", last, 0),
        "dim": axis(parts, "enc_a", first, 0),
        # A picture's three channels, and one plane a domain.
        "domains": axis(parts, "enc_a", first, 1) - 3,
    }


def networks(settings: MdmmSettings) -> Networks:
    """What inference needs: `enc_c`, `enc_a`, `gen`."""
    s = settings
    return {
        "enc_c": ContentEncoder(s.dim),
        "enc_a": (AttributeEncoderConcat if s.concat else AttributeEncoder)(s.dim, s.latent, s.domains),
        "gen": (GeneratorConcat if s.concat else Generator)(s.dim, s.latent, s.domains),
    }


def discriminators(settings: MdmmSettings) -> Networks:
    """`dis1` (encoded path), `dis2` (drawn path) and `disContent`."""
    s = settings
    both = {name: DomainDis(s.dim, s.dis_layers, s.domains, s.crop) for name in ("dis1", "dis2")}
    return {**both, "disContent": ContentDis(s.dim, s.content_layers, s.domains)}
