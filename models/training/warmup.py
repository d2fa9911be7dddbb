"""A start for few pictures: before the games, the generator learns to reproduce pictures from codes.

The paper starts from a StyleGAN2 that millions of pictures trained. Where there is none, adversarial gradients spend most
of a small budget on finding out where a face is; reconstruction says so directly. A face code is read from the picture, a
style code by the style encoder, and the same generator paints both domains. The reader of faces and the generator are a
variational autoencoder, so that codes drawn from N(0, I) afterwards lie where the generator has learnt to paint; codes of
unit variance alone do not, since the encoder then writes the same few numbers many times over. A share of each later
step's pictures may go on reproducing, so that the games add detail without forgetting what is there.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.networks.layers import EqualLinear


class FaceEncoder(nn.Module):
    """Pictures (N, 3, S, S) in [-1, 1] -> means and log variances of their face codes, (N, style_dim) each.

    The encoder of a variational autoencoder (Kingma and Welling 2014, https://arxiv.org/abs/1312.6114).

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
        self.body = nn.Sequential(*layers, nn.Flatten(), nn.Linear(before * 16, 2 * style_dim))

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_variance = self.body(pictures).chunk(2, dim=1)
        return mean, log_variance.clamp(-8, 4)


def recoloured(pictures: Tensor, normal: Tensor) -> Tensor:
    """Pictures (N, 3, S, S) in [-1, 1] with their colours turned about grey, each by a rotation or reflection of its own.

    A face code that is read from such a picture says nothing of its colours, which leaves them to the style.

    Args:
        normal: (N, 3, 3) draw of N(0, I), from which the turns are made.
    """
    turns, _ = torch.linalg.qr(normal)
    return torch.einsum("nij,njhw->nihw", turns, pictures).clamp(-1, 1)


def sampled(mean: Tensor, log_variance: Tensor, normal: Tensor) -> Tensor:
    """Codes of N(mean, variance) by the draw `normal` of N(0, I); all (N, style_dim)."""
    return mean + (log_variance / 2).exp() * normal


def whitening(mean: Tensor, square: Tensor) -> tuple[Tensor, Tensor]:
    """(D, D) roots of the covariance of codes, and its inverse: codes = mean + root @ N(0, I), as far as two moments say.

    Args:
        mean: (D,) E[z].
        square: (D, D) E[z z^T].
    """
    values, vectors = torch.linalg.eigh((square - torch.outer(mean, mean)).double())
    roots = values.clamp_min(1e-4).sqrt()
    turned = [(vectors * scale) @ vectors.T for scale in (roots, 1 / roots)]
    return turned[0].to(mean), turned[1].to(mean)


@torch.no_grad()
def absorb(mapping: Tensor | nn.Module, mean: Tensor, root: Tensor) -> None:
    """Let a mapping network that takes codes of the given mean (D,) and root (D, D) take those of N(0, I).

    It begins with a pixel norm, whose divisor is nearly the same for all codes: what is left of that is for the games.
    """
    assert isinstance(mapping, nn.Sequential)
    first = mapping[1]
    assert isinstance(first, EqualLinear)
    first.bias.add_((first.weight @ mean) * (first.scale / first.lr_mul))
    first.weight.copy_(first.weight @ root)


def divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """(N,) Kullback-Leibler divergences of N(mean, variance) from N(0, I), in nats."""
    return (mean.square() + log_variance.exp() - 1 - log_variance).sum(1) / 2


def reconstruction(made: Tensor, pictures: Tensor) -> Tensor:
    """(N,) mean absolute differences at full, half and quarter size: outlines and colours of areas count alike."""
    loss = (made - pictures).abs().mean((1, 2, 3))
    for factor in (2, 4):
        small = F.avg_pool2d(made, factor) - F.avg_pool2d(pictures, factor)
        loss = loss + small.abs().mean((1, 2, 3))
    return loss / 3
