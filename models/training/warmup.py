"""A start for few pictures: before the games, the generator learns to reproduce pictures as a variational autoencoder does.

The paper starts from a StyleGAN2 that millions of pictures trained. Where there is none, adversarial gradients spend most of a
small budget on finding out where a face is; reconstruction says so directly. A face code is read from the picture, a style code
from the style encoder, and the same generator paints both domains (Kingma & Welling 2014 for the bound).
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F


class FaceEncoder(nn.Module):
    """Pictures (N, 3, S, S) in [-1, 1] -> mean and log-variance of their face codes, (N, style_dim) each.

    Args:
        size: side of the pictures, a power of two from 8.
        style_dim: of the codes.
        width: feature maps after the first convolution; twice as many at each halving, at most four times.
    """

    def __init__(self, size: int, style_dim: int, width: int = 32) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        before, after = 3, width
        side = size
        while side > 4:
            layers += [nn.Conv2d(before, after, 3, stride=2, padding=1), nn.LeakyReLU(0.2)]
            before, after, side = after, min(2 * after, 4 * width), side // 2
        self.body = nn.Sequential(*layers, nn.Flatten(), nn.Linear(before * 16, 2 * style_dim))

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_variance = self.body(pictures).chunk(2, 1)
        return mean, log_variance.clamp(-8, 4)


def sampled(mean: Tensor, log_variance: Tensor, normal: Tensor) -> Tensor:
    """The code N(mean, variance) that the standard normal draw `normal` stands for."""
    return mean + (0.5 * log_variance).exp() * normal


def reconstruction(made: Tensor, pictures: Tensor) -> Tensor:
    """Mean absolute difference at full, half and quarter size, a scalar: outlines and colours of areas count alike."""
    loss = (made - pictures).abs().mean()
    for factor in (2, 4):
        loss = loss + F.l1_loss(F.avg_pool2d(made, factor), F.avg_pool2d(pictures, factor))
    return loss / 3


def divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """KL(N(mean, variance) | N(0, I)) in nats, the mean over pictures, a scalar."""
    return 0.5 * (mean.square() + log_variance.exp() - log_variance - 1).sum(1).mean()
