"""A start for few pictures: before the games, the generator learns to reproduce pictures from codes.

The paper starts from a StyleGAN2 that millions of pictures trained. Where there is none, adversarial gradients spend most
of a small budget on finding out where a face is; reconstruction says so directly. A face code is read from the picture, a
style code by the style encoder, and the same generator paints both domains. Face codes are standardised over the batch and
disturbed, so that codes drawn from N(0, I) afterwards lie where the generator has learnt to paint.
"""

from __future__ import annotations

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


def standardised(codes: Tensor) -> Tensor:
    """(N, D) codes with mean 0 and variance 1 in each number over the pictures of all processes."""
    everyone = parallel.gather(codes)
    variance = everyone.var(0, correction=0)
    return (codes - everyone.mean(0)) * (variance + 1e-4).rsqrt()


def disturbed(codes: Tensor, normal: Tensor, noise: float) -> Tensor:
    """Standardised codes and `noise` times the draw `normal` of N(0, I), of unit variance together."""
    return (codes + noise * normal) / (1 + noise**2) ** 0.5


def reconstruction(made: Tensor, pictures: Tensor) -> Tensor:
    """Mean absolute difference at full, half and quarter size, a scalar: outlines and colours of areas count alike."""
    loss = (made - pictures).abs().mean()
    for factor in (2, 4):
        loss = loss + F.l1_loss(F.avg_pool2d(made, factor), F.avg_pool2d(pictures, factor))
    return loss / 3
