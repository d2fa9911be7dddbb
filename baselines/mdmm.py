"""DRIT++ over several domains (MDMM): Lee et al., IJCV 2020, Sec. 3.6; github.com/HsinYingLee/MDMM.

One content encoder, one attribute encoder and one generator that also read the domain as a one-hot code. Domain 0 is
photo, the others are art.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from baselines.adapter import ImageMethod
from baselines.drit import ContentDis, rgb_out
from baselines.drit_blocks import (
    LeakyConv,
    MixBlock,
    ResBlock,
    UpConv,
    attribute_trunk,
    attribute_trunk_concat,
    code_mlp,
    content_trunk,
    sampled,
    with_code,
)
from baselines.settings import MdmmSettings
from baselines.trainee import Networks
from models.rng import seeded_normal
from suite.errors import SuiteError


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


class Mdmm(ImageMethod):
    """Latent-guided and reference-guided towards one art domain.

    Args:
        networks: `enc_c`, `enc_a` and `gen`.
        resolution: side of the pictures (216 published).
        target: the art domain to translate to, 1 .. domains - 1.
    """

    modes = frozenset({"latent", "reference"})
    least = 24

    def __init__(
        self,
        parts: Networks,
        resolution: int = 216,
        latent: int = 8,
        domains: int = 3,
        target: int = 1,
        trained: bool = True,
    ) -> None:
        if not 0 <= target < domains:
            raise SuiteError(f"--option target={target}: this model has domains 0 to {domains - 1}; 0 is photo")
        self.enc_c, self.enc_a, self.gen = parts["enc_c"], parts["enc_a"], parts["gen"]
        self.resolution, self.latent, self.domains, self.target = resolution, latent, domains, target
        self.name = "DRIT++ multi-domain" if trained else "DRIT++ multi-domain (untrained)"

    def _domain(self, images: Tensor) -> Tensor:
        index = torch.full((len(images),), self.target, dtype=torch.long, device=images.device)
        return one_hot(index, self.domains)

    def _latent(self, images: Tensor, seeds: list[int]) -> Tensor:
        code = seeded_normal(seeds, (self.latent,), images.device, "style")
        return self.gen(self.enc_c(images), code, self._domain(images))

    def _reference(self, images: Tensor, style: Tensor, seeds: list[int]) -> Tensor:
        domain = self._domain(images)
        moments = self.enc_a(style, domain)
        code = moments[0]
        if len(moments) == 2:
            code = sampled(moments, seeded_normal(seeds, (self.latent,), images.device, "style"))
        return self.gen(self.enc_c(images), code, domain)


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


def method(parts: Networks, settings: MdmmSettings, **options: Any) -> Mdmm:
    """The adapter over loaded networks."""
    return Mdmm(parts, settings.size, settings.latent, settings.domains, **options)
