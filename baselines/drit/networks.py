"""DRIT++: Lee et al., "DRIT++: Diverse Image-to-Image Translation via Disentangled Representations", IJCV 2020.

https://arxiv.org/abs/1905.01270; mode seeking: Mao et al., CVPR 2019, https://arxiv.org/abs/1903.05628. The two-domain
form: a is photo, b is art.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from baselines.blocks import half_scale
from baselines.drit.blocks import (
    LeakyConv,
    MixBlock,
    ResBlock,
    UpConv,
    attribute_trunk,
    attribute_trunk_concat,
    code_mlp,
    content_dis,
    content_trunk,
    conv,
    sampled,
    with_code,
)
from baselines.drit.settings import DritSettings
from baselines.shapes import Parts, axis
from baselines.training_module import Networks


class ContentEncoder(nn.Module):
    """E^c: one trunk a domain, the last block shared (Sec. 3.1)."""

    def __init__(self, dim: int = 64) -> None:
        super().__init__()
        self.conv_share = nn.Sequential(ResBlock(4 * dim))
        self.convA = nn.Sequential(*content_trunk(dim))
        self.convB = nn.Sequential(*content_trunk(dim))

    def of(self, domain: str, x: Tensor, noise: Tensor | None = None) -> Tensor:
        """Content of pictures of domain "a" or "b": (N, 3, S, S) -> (N, 4 dim, S/4, S/4); `noise` is added in training."""
        content = self.conv_share((self.convA if domain == "a" else self.convB)(x))
        return content if noise is None else content + noise


class AttributeEncoder(nn.Module):
    """E^a of the feature-wise form (`concat = 0`): (N, 3, S, S) -> (N, latent)."""

    def __init__(self, dim: int = 64, latent: int = 8) -> None:
        super().__init__()
        self.model_a, self.model_b = attribute_trunk(dim, latent), attribute_trunk(dim, latent)

    def of(self, domain: str, x: Tensor) -> tuple[Tensor]:
        """The attribute of pictures of domain "a" or "b"."""
        return ((self.model_a if domain == "a" else self.model_b)(x).flatten(1),)


class AttributeEncoderConcat(nn.Module):
    """E^a of the concat form: (N, 3, S, S) -> mean and log-variance, (N, latent) each."""

    def __init__(self, dim: int = 64, latent: int = 8) -> None:
        super().__init__()
        for name in "AB":
            self.add_module(f"fc_{name}", nn.Sequential(nn.Linear(4 * dim, latent)))
            self.add_module(f"fcVar_{name}", nn.Sequential(nn.Linear(4 * dim, latent)))
            self.add_module(f"conv_{name}", attribute_trunk_concat(dim))

    def of(self, domain: str, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of pictures of domain "a" or "b"."""
        name = domain.upper()
        features = getattr(self, f"conv_{name}")(x).flatten(1)
        return getattr(self, f"fc_{name}")(features), getattr(self, f"fcVar_{name}")(features)


def rgb_out(n_in: int) -> list[nn.Module]:
    """1x1 transposed convolution to RGB, then tanh."""
    return [nn.ConvTranspose2d(n_in, 3, 1), nn.Tanh()]


class Generator(nn.Module):
    """G of the feature-wise form: an MLP of the code drives four mixing blocks."""

    def __init__(self, dim: int = 64, latent: int = 8) -> None:
        super().__init__()
        wide = 4 * dim
        self.wide = wide
        for name in "AB":
            for number in range(1, 5):
                self.add_module(f"dec{name}{number}", MixBlock(wide, wide))
            self.add_module(f"dec{name}5", nn.Sequential(UpConv(wide, 2 * dim), UpConv(2 * dim, dim), *rgb_out(dim)))
            self.add_module(f"mlp{name}", code_mlp(latent, wide, 4 * wide))

    def into(self, domain: str, content: Tensor, code: Tensor) -> Tensor:
        """Pictures of domain "a" or "b" from content and code."""
        name = domain.upper()
        out = content
        for number, part in enumerate(getattr(self, f"mlp{name}")(code).split(self.wide, 1), 1):
            out = getattr(self, f"dec{name}{number}")(out, part)
        return getattr(self, f"dec{name}5")(out)


class GeneratorConcat(nn.Module):
    """G of the concat form: the code is written beside the features at four depths."""

    def __init__(self, dim: int = 64, latent: int = 8) -> None:
        super().__init__()
        wide = 4 * dim
        self.dec_share = nn.Sequential(ResBlock(wide))
        for name in "AB":
            width = wide + latent
            self.add_module(f"dec{name}1", nn.Sequential(*(ResBlock(width) for _ in range(3))))
            for number in (2, 3):
                width += latent
                self.add_module(f"dec{name}{number}", nn.Sequential(UpConv(width, width // 2)))
                width //= 2
            self.add_module(f"dec{name}4", nn.Sequential(*rgb_out(width + latent)))

    def into(self, domain: str, content: Tensor, code: Tensor) -> Tensor:
        """Pictures of domain "a" or "b" from content and code."""
        out = self.dec_share(content)
        for number in range(1, 5):
            out = getattr(self, f"dec{domain.upper()}{number}")(with_code(out, code))
        return out


class MultiScaleDis(nn.Module):
    """Domain discriminators over a pyramid: (N, 3, S, S) -> logit maps."""

    def __init__(self, dim: int = 64, scales: int = 3, layers: int = 4, spectral: bool = False) -> None:
        super().__init__()
        self.Diss = nn.ModuleList([self._one(dim, layers, spectral) for _ in range(scales)])

    @staticmethod
    def _one(dim: int, layers: int, spectral: bool) -> nn.Sequential:
        steps = [LeakyConv(dim << (i - 1) if i else 3, dim << i, 4, 2, 1, spectral) for i in range(layers)]
        return nn.Sequential(*steps, conv(dim << (layers - 1), 1, 1, spectral=spectral))

    def forward(self, x: Tensor) -> list[Tensor]:
        out = []
        for net in self.Diss:
            out.append(net(x))
            x = half_scale(x)
        return out


class SingleDis(nn.Module):
    """The one-scale discriminator (`dis_scale = 1`): a list of one flat logit vector."""

    def __init__(self, dim: int = 64, layers: int = 6, spectral: bool = False) -> None:
        super().__init__()
        steps = [LeakyConv(dim << (i - 1) if i else 3, dim << i, 3, 2, 1, spectral) for i in range(layers)]
        self.model = nn.Sequential(*steps, conv(dim << (layers - 1), 1, 1, spectral=spectral))

    def forward(self, x: Tensor) -> list[Tensor]:
        return [self.model(x).flatten()]


class ContentDis(nn.Module):
    """D^c: tells the domain from the content (Sec. 3.1); logits (N,), or (N, domains)."""

    def __init__(self, dim: int = 64, layers: int = 3, n_out: int = 1) -> None:
        super().__init__()
        self.model = content_dis(dim, n_out, layers)

    def forward(self, content: Tensor) -> Tensor:
        out = self.model(content)
        # Published crops leave one place; smaller pictures may leave some, whose logits are averaged.
        return out.flatten() if out.shape[1] == 1 else out.mean((2, 3))


def attribute(encoder: Any, domain: str, x: Tensor, noise: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
    """(code, moments): in the concat form the code is sampled with `noise`, in the other it is the encoder's output."""
    moments = encoder.of(domain, x)
    return (sampled(moments, noise) if len(moments) == 2 else moments[0]), moments


def settings_in(parts: Parts) -> dict[str, Any]:
    """The settings that a published file follows: which of the two forms, and its widths."""
    concat = "fc_A.0.weight" in parts.get("enc_a", {})
    last = "fc_A.0.weight" if concat else "model_a.16.weight"
    first = "conv_A.1.weight" if concat else "model_a.1.weight"
    return {"concat": concat, "latent": axis(parts, "enc_a", last, 0), "dim": axis(parts, "enc_a", first, 0)}


def networks(settings: DritSettings) -> Networks:
    """What inference needs: `enc_c`, `enc_a`, `gen` of the form that `settings.concat` names."""
    s = settings
    return {
        "enc_c": ContentEncoder(s.dim),
        "enc_a": (AttributeEncoderConcat if s.concat else AttributeEncoder)(s.dim, s.latent),
        "gen": (GeneratorConcat if s.concat else Generator)(s.dim, s.latent),
    }


def discriminators(settings: DritSettings) -> Networks:
    """`disA`, `disA2` (for randomly drawn attributes), `disB`, `disB2` and `disContent`."""
    s = settings

    def one() -> nn.Module:
        if s.dis_scales > 1:
            return MultiScaleDis(s.dim, s.dis_scales, s.dis_layers, s.spectral_norm)
        return SingleDis(s.dim, spectral=s.spectral_norm)

    return {name: one() for name in ("disA", "disA2", "disB", "disB2")} | {
        "disContent": ContentDis(s.dim, s.content_layers)
    }
