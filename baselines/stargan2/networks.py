"""StarGAN v2: Choi et al., "StarGAN v2: Diverse Image Synthesis for Multiple Domains", CVPR 2020.

https://arxiv.org/abs/1912.01865. Networks: Appendix E.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from baselines.blocks import instance_norm
from baselines.fused_resample import conv_then_pool, upsample_then_conv
from baselines.shapes import Parts, axis, count
from baselines.stargan2.fan import Fan
from baselines.stargan2.settings import StarGan2Settings
from baselines.training_module import Networks
from suite.errors import SuiteError

SKIP_SIDES = (32, 64, 128)
ROOT_HALF = math.sqrt(0.5)
Masks = tuple[Tensor, Tensor]


def first_width(size: int, base: int = 0) -> int:
    """Width at full resolution: 2^14 / size published, or `base`."""
    return base or 2**14 // size


class ResBlk(nn.Module):
    """Pre-activation residual block, optionally with affine instance norm and halving; sum / sqrt(2).

    The pooling after a 3x3 convolution is folded into it, and comes before the shortcut's 1x1 one, which commutes.
    """

    def __init__(self, n_in: int, n_out: int, normalize: bool = False, downsample: bool = False) -> None:
        super().__init__()
        self.normalize, self.downsample = normalize, downsample
        self.conv1, self.conv2 = nn.Conv2d(n_in, n_in, 3, 1, 1), nn.Conv2d(n_in, n_out, 3, 1, 1)
        if normalize:
            self.norm1, self.norm2 = (nn.InstanceNorm2d(n_in, affine=True) for _ in range(2))
        self.conv1x1 = nn.Conv2d(n_in, n_out, 1, bias=False) if n_in != n_out else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        shortcut = self.conv1x1(F.avg_pool2d(x, 2) if self.downsample else x)
        out = F.leaky_relu(self.norm1(x) if self.normalize else x, 0.2)
        if self.downsample:
            out = conv_then_pool(out, self.conv1.weight, self.conv1.bias, 1)
        else:
            out = self.conv1(out)
        out = F.leaky_relu(self.norm2(out) if self.normalize else out, 0.2)
        return (shortcut + self.conv2(out)) * ROOT_HALF


class AdaIn(nn.Module):
    """(1 + gamma(s)) * IN(x) + beta(s), in one pass."""

    def __init__(self, style_dim: int, channels: int) -> None:
        super().__init__()
        self.fc = nn.Linear(style_dim, 2 * channels)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        gamma, beta = self.fc(style).chunk(2, 1)
        return instance_norm(x, 1 + gamma, beta)


class AdainResBlk(nn.Module):
    """Residual block under AdaIN, optionally doubling. With the high-pass skip the shortcut's weights exist, unused."""

    def __init__(self, n_in: int, n_out: int, style_dim: int, high_pass: bool, upsample: bool = False) -> None:
        super().__init__()
        self.high_pass, self.upsample = high_pass, upsample
        self.conv1, self.conv2 = nn.Conv2d(n_in, n_out, 3, 1, 1), nn.Conv2d(n_out, n_out, 3, 1, 1)
        self.norm1, self.norm2 = AdaIn(style_dim, n_in), AdaIn(style_dim, n_out)
        self.conv1x1 = nn.Conv2d(n_in, n_out, 1, bias=False) if n_in != n_out else nn.Identity()

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        out = F.leaky_relu(self.norm1(x, style), 0.2, inplace=True)
        if self.upsample:
            out = upsample_then_conv(out, self.conv1.weight, self.conv1.bias)
        else:
            out = self.conv1(out)
        out = self.conv2(F.leaky_relu(self.norm2(out, style), 0.2, inplace=True))
        if self.high_pass:
            return out
        # Doubling repeats pixels, so the 1x1 convolution may go first, on a quarter of them.
        shortcut = self.conv1x1(x)
        if self.upsample:
            shortcut = F.interpolate(shortcut, scale_factor=2)
        return (out + shortcut) * ROOT_HALF


class HighPass(nn.Module):
    """The Laplacian-like 3x3 filter of the skip, divided by `w_hpf`."""

    filter: Tensor

    def __init__(self, w_hpf: float) -> None:
        super().__init__()
        kernel = torch.full((3, 3), -1.0)
        kernel[1, 1] = 8
        self.register_buffer("filter", kernel / w_hpf)

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.filter.expand(x.shape[1], 1, 3, 3), padding=1, groups=x.shape[1])


class Generator(nn.Module):
    """G(x, s): (N, 3, S, S) in [-1, 1], (N, style_dim) -> (N, 3, S, S), not squashed.

    Args:
        size: side; the bottleneck is 16 x 16, or 8 x 8 with the high-pass skip.
        w_hpf: 0 for none (animal faces), 1 for the published human faces.
    """

    def __init__(
        self, size: int = 256, style_dim: int = 64, widest: int = 512, w_hpf: float = 1.0, base: int = 0
    ) -> None:
        super().__init__()
        levels = max(1, int(math.log2(size)) - 4) + (w_hpf > 0)
        first = first_width(size, base)
        widths = [first]
        for _ in range(levels):
            widths.append(min(2 * widths[-1], widest))
        self.from_rgb = nn.Conv2d(3, first, 3, 1, 1)
        self.to_rgb = nn.Sequential(nn.InstanceNorm2d(first, affine=True), nn.LeakyReLU(0.2), nn.Conv2d(first, 3, 1))
        pairs = list(pairwise(widths))
        down = [ResBlk(a, b, normalize=True, downsample=True) for a, b in pairs]
        up = [AdainResBlk(b, a, style_dim, w_hpf > 0, upsample=True) for a, b in reversed(pairs)]
        last = widths[-1]
        self.encode = nn.ModuleList([*down, *(ResBlk(last, last, normalize=True) for _ in range(2))])
        self.decode = nn.ModuleList([*(AdainResBlk(last, last, style_dim, w_hpf > 0) for _ in range(2)), *up])
        if w_hpf > 0:
            self.hpf = HighPass(w_hpf)

    def encoded(self, x: Tensor) -> tuple[Tensor, dict[int, Tensor]]:
        """The bottleneck, and the features that enter the blocks at the skip's sides."""
        x, kept = self.from_rgb(x), {}
        for block in self.encode:
            if x.shape[2] in SKIP_SIDES:
                kept[x.shape[2]] = x
            x = block(x)
        return x, kept

    def forward(self, x: Tensor, style: Tensor, masks: Masks | None = None) -> Tensor:
        x, kept = self.encoded(x)
        for block in self.decode:
            x = block(x, style)
            side = x.shape[2]
            if masks is not None and side in SKIP_SIDES:
                mask = F.interpolate(masks[0] if side == 32 else masks[1], size=(side, side), mode="bilinear")
                x = x + self.hpf(mask * kept[side])
        return self.to_rgb(x)


def own_rows(by_domain: Tensor, y: Tensor) -> Tensor:
    """(N, domains, ...) -> (N, ...), each sample's own domain."""
    return by_domain[torch.arange(len(y), device=y.device), y]


class MappingNetwork(nn.Module):
    """F(z): latent (N, 16) and domains (N,) -> style (N, style_dim); four shared layers, four a domain."""

    def __init__(self, latent: int = 16, style_dim: int = 64, domains: int = 2, hidden: int = 512) -> None:
        super().__init__()

        def stack(widths: list[int]) -> list[nn.Module]:
            layers: list[nn.Module] = []
            for a, b in pairwise(widths):
                layers += [nn.Linear(a, b), nn.ReLU()]
            return layers

        self.shared = nn.Sequential(*stack([latent, *[hidden] * 4]))
        own = [*[hidden] * 4, style_dim]
        self.unshared = nn.ModuleList([nn.Sequential(*stack(own)[:-1]) for _ in range(domains)])

    def forward(self, z: Tensor, y: Tensor) -> Tensor:
        return own_rows(self.every(z), y)

    def every(self, z: Tensor) -> Tensor:
        """Styles of all domains, (N, domains, style_dim)."""
        hidden = self.shared(z)
        return torch.stack([head(hidden) for head in self.unshared], 1)


def _trunk(size: int, widest: int, base: int) -> tuple[list[nn.Module], int]:
    width = first_width(size, base)
    layers: list[nn.Module] = [nn.Conv2d(3, width, 3, 1, 1)]
    for _ in range(int(math.log2(size)) - 2):
        wide = min(2 * width, widest)
        layers.append(ResBlk(width, wide, downsample=True))
        width = wide
    return [*layers, nn.LeakyReLU(0.2), nn.Conv2d(width, width, 4), nn.LeakyReLU(0.2)], width


class StyleEncoder(nn.Module):
    """E(x): pictures and domains -> style (N, style_dim)."""

    def __init__(
        self, size: int = 256, style_dim: int = 64, domains: int = 2, widest: int = 512, base: int = 0
    ) -> None:
        super().__init__()
        layers, width = _trunk(size, widest, base)
        self.shared = nn.Sequential(*layers)
        self.unshared = nn.ModuleList([nn.Linear(width, style_dim) for _ in range(domains)])

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        features = self.shared(x).flatten(1)
        return own_rows(torch.stack([head(features) for head in self.unshared], 1), y)


class Discriminator(nn.Module):
    """D(x): one logit a domain; (N, 3, S, S), (N,) -> (N,)."""

    def __init__(self, size: int = 256, domains: int = 2, widest: int = 512, base: int = 0) -> None:
        super().__init__()
        layers, width = _trunk(size, widest, base)
        self.main = nn.Sequential(*layers, nn.Conv2d(width, domains, 1))

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return own_rows(self.main(x).flatten(1), y)


def masks_of(nets: Networks, images: Tensor) -> Masks | None:
    """The skip's masks, where the model has a landmark network."""
    return nets["fan"].masks(images) if "fan" in nets else None


def settings_in(parts: Parts) -> dict[str, Any]:
    """The settings that a published file follows, from its keys and shapes.

    The style encoder tells the side (one block a halving down to 4 px), the generator's filter the high-pass skip.
    """
    halvings = count(parts, "style_encoder", "shared.{}.conv1.weight", 1)
    size = 4 << halvings
    first = axis(parts, "generator", "from_rgb.weight", 0)
    wide = [axis(parts, "style_encoder", f"shared.{i + 1}.conv2.weight", 0) for i in range(halvings)]
    sizes = {
        "size": size,
        "base": 0 if first == first_width(size) else first,
        "widest": max(wide, default=first),
        "latent": axis(parts, "mapping_network", "shared.0.weight", 1),
        "hidden": axis(parts, "mapping_network", "shared.0.weight", 0),
        "domains": count(parts, "mapping_network", "unshared.{}.0.weight"),
        "style_dim": axis(parts, "mapping_network", "unshared.0.6.weight", 0),
        "w_hpf": 0.0,
    }
    if "hpf.filter" in parts["generator"]:
        middle = float(parts["generator"]["hpf.filter"].flatten()[4])
        if not middle > 0:
            raise SuiteError(f"--weights: generator: hpf.filter has {middle} in its middle; 8 / w_hpf is expected")
        sizes["w_hpf"] = 8 / middle
    return sizes


def networks(settings: StarGan2Settings) -> Networks:
    """What inference needs (the published `*_nets_ema.ckpt`): generator, mapping network, style encoder, and `fan`."""
    s = settings
    parts: Networks = {
        "generator": Generator(s.size, s.style_dim, s.widest, s.w_hpf, s.base),
        "mapping_network": MappingNetwork(s.latent, s.style_dim, s.domains, s.hidden),
        "style_encoder": StyleEncoder(s.size, s.style_dim, s.domains, s.widest, s.base),
    }
    return parts | ({"fan": Fan()} if s.w_hpf > 0 else {})
