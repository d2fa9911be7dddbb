"""A start for few pictures: before the games, the generator learns to reproduce pictures from codes.

The paper starts from a StyleGAN2 that millions of pictures trained. Where there is none, adversarial gradients spend most
of a small budget on finding out where a face is; reconstruction says so directly. A face code is read from the picture, a
style code by the style encoder, and the same generator paints both domains. Face codes are standardised and disturbed, so
that codes drawn from N(0, I) afterwards lie where the generator has learnt to paint. A share of each later step's pictures
may go on reproducing, so that the games add detail without forgetting what is there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.training import parallel


class FaceEncoder(nn.Module):
    """Pictures (N, 3, S, S) in [-1, 1] -> face codes (N, style_dim), to be standardised.

    Args:
        size: side of the pictures, a power of two from 8.
        style_dim: of the codes.
        width: feature maps after the first convolution; twice as many at each halving, at most four times.
    """

    def __init__(self, size: int, style_dim: int, width: int = 32) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        before, after, side = 3, width, size
        while side > 4:
            layers += [nn.Conv2d(before, after, 3, stride=2, padding=1), nn.LeakyReLU(0.2)]
            before, after, side = after, min(2 * after, 4 * width), side // 2
        self.body = nn.Sequential(*layers, nn.Flatten(), nn.Linear(before * 16, style_dim))

    def forward(self, pictures: Tensor) -> Tensor:
        codes: Tensor = self.body(pictures)
        return codes


class CodeStatistics(nn.Module):
    """Running mean and variance of face codes, (code,) each, by which they are standardised.

    A batch of eight says little about its own mean; what it takes from the codes would be missing in the picture.
    """

    mean: Tensor
    variance: Tensor

    def __init__(self, code: int, rate: float = 0.05) -> None:
        super().__init__()
        self.rate = rate
        self.register_buffer("mean", torch.zeros(code))
        self.register_buffer("variance", torch.ones(code))

    def forward(self, codes: Tensor, learn: bool = False) -> Tensor:
        """(N, code) codes in units of their deviation from their mean; with `learn`, over all processes' codes too."""
        mean, variance = self.mean, self.variance
        if learn:
            everyone = parallel.gather(codes)
            mean = mean.lerp(everyone.mean(0), self.rate)
            variance = variance.lerp((everyone - mean).square().mean(0), self.rate)
            self.mean.copy_(mean.detach())
            self.variance.copy_(variance.detach())
        return (codes - mean) * (variance + 1e-4).rsqrt()


def disturbed(codes: Tensor, normal: Tensor, noise: float) -> Tensor:
    """Standardised codes and `noise` times the draw `normal` of N(0, I), of unit variance together."""
    return (codes + noise * normal) / (1 + noise**2) ** 0.5


class FaceCodes(nn.Module):
    """The warm-up's encoder with each domain's statistics: what tells the domains apart is left to the style.

    Args:
        noise: deviation of what disturbs the standardised codes.
    """

    def __init__(self, size: int, style_dim: int, noise: float) -> None:
        super().__init__()
        self.encoder = FaceEncoder(size, style_dim)
        self.statistics = nn.ModuleDict({domain: CodeStatistics(style_dim) for domain in ("photo", "art")})
        self.noise = noise

    def forward(self, pictures: Mapping[str, Tensor], normal: Sequence[Tensor], learn: bool = False) -> list[Tensor]:
        """Codes (N, style_dim) of each domain's pictures (N, 3, S, S), disturbed by its draw `normal` of N(0, I)."""
        codes = self.encoder(torch.cat(list(pictures.values()))).chunk(len(pictures))
        return [
            disturbed(self.statistics[domain](rows, learn), drawn, self.noise)
            for domain, rows, drawn in zip(pictures, codes, normal)
        ]


def reconstruction(made: Tensor, pictures: Tensor) -> Tensor:
    """(N,) mean absolute differences at full, half and quarter size: outlines and colours of areas count alike."""
    loss = (made - pictures).abs().mean((1, 2, 3))
    for factor in (2, 4):
        small = F.avg_pool2d(made, factor) - F.avg_pool2d(pictures, factor)
        loss = loss + small.abs().mean((1, 2, 3))
    return loss / 3
