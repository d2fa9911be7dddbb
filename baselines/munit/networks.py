"""MUNIT: Huang, Liu, Belongie, Kautz, "Multimodal Unsupervised Image-to-Image Translation", ECCV 2018.

https://arxiv.org/abs/1804.04732. Domain a is photo, b is art.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from baselines.blocks import (
    ContentEncoder,
    ConvBlock,
    Decoder,
    Mlp,
    StyleEncoder,
    half_scale,
)
from baselines.munit.settings import MunitSettings
from baselines.shapes import Parts, axis, count
from baselines.training_module import Networks


class AdaInGen(nn.Module):
    """One domain's auto-encoder: picture -> (content, style) -> picture (Sec. 3.1 and 5.1).

    Args:
        dim, mlp_dim, style_dim, downs, blocks, activation: as in the published configuration (64, 256, 8, 2, 4, "relu").
    """

    def __init__(
        self,
        dim: int = 64,
        mlp_dim: int = 256,
        style_dim: int = 8,
        downs: int = 2,
        blocks: int = 4,
        activation: str = "relu",
    ) -> None:
        super().__init__()
        self.enc_style = StyleEncoder(4, dim, style_dim, activation)
        self.enc_content = ContentEncoder(downs, blocks, dim, activation)
        self.dec = Decoder(downs, blocks, self.enc_content.out_dim, "ln", activation)
        self.mlp = Mlp(style_dim, self.dec.n_parameters, mlp_dim, 3, activation)

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(N, 3, S, S) in [-1, 1] -> content (N, C, S/4, S/4), style (N, style_dim, 1, 1)."""
        return self.enc_content(x), self.enc_style(x)

    def decode(self, content: Tensor, style: Tensor) -> Tensor:
        """Content and style (N, style_dim) or (N, style_dim, 1, 1) -> (N, 3, S, S) in [-1, 1]."""
        return self.dec(content, self.mlp(style))

    def forward(self, x: Tensor) -> Tensor:
        return self.decode(*self.encode(x))


class MultiScaleDis(nn.Module):
    """Patch discriminators at full, half, quarter ... size (Sec. 5.1, "Discriminator")."""

    def __init__(self, dim: int = 64, layers: int = 4, scales: int = 3, gan: str = "lsgan") -> None:
        super().__init__()
        self.gan = gan
        self.cnns = nn.ModuleList([self._one(dim, layers) for _ in range(scales)])

    @staticmethod
    def _one(dim: int, layers: int) -> nn.Sequential:
        blocks = [ConvBlock(3 if i == 0 else dim << (i - 1), dim << i, 4, 2, 1, act="lrelu") for i in range(layers)]
        return nn.Sequential(*blocks, nn.Conv2d(dim << (layers - 1), 1, 1))

    def forward(self, x: Tensor) -> list[Tensor]:
        out = []
        for net in self.cnns:
            out.append(net(x))
            x = half_scale(x)
        return out

    def dis_loss(self, fake: Tensor, real: Tensor) -> Tensor:
        """Summed over scales: the adversarial part of Eq. 4 with the LSGAN (or logistic) objective."""
        pairs = (response.chunk(2) for response in self(torch.cat((fake, real))))
        return sum((self._to(f, 0) + self._to(r, 1) for f, r in pairs), fake.new_zeros(()))

    def gen_loss(self, fake: Tensor) -> Tensor:
        """The generator's side of the same."""
        return sum((self._to(f, 1) for f in self(fake)), fake.new_zeros(()))

    def _to(self, response: Tensor, target: float) -> Tensor:
        if self.gan == "lsgan":
            return (response - target).square().mean()
        return F.binary_cross_entropy_with_logits(response, torch.full_like(response, target))


def settings_in(parts: Parts) -> dict[str, Any]:
    """The settings that a published file follows, from its keys and shapes; a learnt slope says PReLU."""
    downs = count(parts, "gen_b", "enc_content.model.{}.conv.weight", 1)
    sizes = {
        "dim": axis(parts, "gen_b", "enc_content.model.0.conv.weight", 0),
        "mlp_dim": axis(parts, "gen_b", "mlp.model.0.fc.weight", 0),
        "style_dim": axis(parts, "gen_b", "mlp.model.0.fc.weight", 1),
        "downs": downs,
        "blocks": count(parts, "gen_b", f"enc_content.model.{downs + 1}.model.{{}}.model.0.conv.weight"),
    }
    return sizes | ({"activation": "prelu"} if "enc_style.model.0.activation.weight" in parts["gen_b"] else {})


def networks(settings: MunitSettings) -> Networks:
    """What inference needs: `gen_a` and `gen_b` (keys `a` and `b` of the published `gen_*.pt`)."""
    s = settings
    shape = (s.dim, s.mlp_dim, s.style_dim, s.downs, s.blocks, s.activation)
    return {f"gen_{name}": AdaInGen(*shape) for name in ("a", "b")}
