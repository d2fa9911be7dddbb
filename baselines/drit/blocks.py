"""The blocks that two-domain DRIT++ and its multi-domain form share. Keys and shapes are the published ones."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from baselines.blocks import instance_norm
from baselines.fused_resample import conv_then_pool
from suite.errors import SuiteError


class PowerConv(nn.Conv2d):
    """A convolution under spectral norm as the published checkpoints store it: `weight_orig`, `weight`, `weight_u`.

    Training makes one power iteration a call and keeps the result; evaluation uses the stored `weight` as it is.
    """

    weight_u: Tensor

    def __init__(self, n_in: int, n_out: int, kernel: int, stride: int = 1) -> None:
        super().__init__(n_in, n_out, kernel, stride)
        raw = self.weight.detach()
        del self.weight
        self.weight_orig = nn.Parameter(raw.clone())
        self.register_buffer("weight", raw)
        self.register_buffer("weight_u", F.normalize(torch.randn(n_out), dim=0, eps=1e-12))

    def forward(self, x: Tensor) -> Tensor:
        weight = self.weight
        if self.training:
            flat = self.weight_orig.flatten(1)
            with torch.no_grad():
                v = F.normalize(flat.T @ self.weight_u, dim=0, eps=1e-12)
                u = F.normalize(flat @ v, dim=0, eps=1e-12)
            weight = self.weight_orig / torch.dot(u, flat @ v)
            with torch.no_grad():
                self.weight.copy_(weight)
                self.weight_u.copy_(u)
        return self._conv_forward(x, weight, self.bias)


def conv(n_in: int, n_out: int, kernel: int, stride: int = 1, spectral: bool = False) -> nn.Conv2d:
    """A convolution, under spectral norm when asked."""
    return (PowerConv if spectral else nn.Conv2d)(n_in, n_out, kernel, stride)


def reflect(x: Tensor, by: int) -> Tensor:
    """Reflection padding on all four sides."""
    return F.pad(x, (by,) * 4, mode="reflect") if by else x


class _Numbered(nn.Module):
    """Layers under the numbers that they have in the published lists (pads, norms and activations hold no weights)."""

    def __init__(self, **layers: nn.Module) -> None:
        super().__init__()
        self.model = nn.ModuleDict({name.removeprefix("at"): layer for name, layer in layers.items()})


class LeakyConv(_Numbered):
    """Reflection pad, convolution, leaky ReLU of slope 0.01. The published norm switch never switches, so there is none."""

    def __init__(self, n_in: int, n_out: int, kernel: int, stride: int, padding: int, spectral: bool = False) -> None:
        super().__init__(at1=conv(n_in, n_out, kernel, stride, spectral))
        self.padding = padding

    def forward(self, x: Tensor) -> Tensor:
        return F.leaky_relu(self.model["1"](reflect(x, self.padding)), 0.01, inplace=True)


class NormConv(_Numbered):
    """Reflection pad, convolution, instance norm, ReLU."""

    def __init__(self, n_in: int, n_out: int, kernel: int, stride: int, padding: int) -> None:
        super().__init__(at1=nn.Conv2d(n_in, n_out, kernel, stride))
        self.padding = padding

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(instance_norm(self.model["1"](reflect(x, self.padding))), inplace=True)


class ResBlock(_Numbered):
    """x + IN(conv(ReLU(IN(conv(x)))))."""

    def __init__(self, dim: int) -> None:
        super().__init__(at1=nn.Conv2d(dim, dim, 3), at5=nn.Conv2d(dim, dim, 3))

    def forward(self, x: Tensor) -> Tensor:
        out = F.relu(instance_norm(self.model["1"](reflect(x, 1))), inplace=True)
        return instance_norm(self.model["5"](reflect(out, 1))) + x


class MixBlock(nn.Module):
    """Residual block that mixes a code into its features by 1x1 convolutions (feature-wise transformation, DRIT++ Sec. 3.5).

    The code is the same at every place, so its half of the first 1x1 convolution is one matrix product a sample
    instead of one a pixel. The residual comes after the last ReLU, as published.
    """

    def __init__(self, dim: int, extra: int) -> None:
        super().__init__()

        def three() -> nn.ModuleDict:
            return nn.ModuleDict({"0": nn.ModuleDict({"1": nn.Conv2d(dim, dim, 3)})})

        def mixer() -> nn.ModuleDict:
            wide = dim + extra
            return nn.ModuleDict({"0": nn.Conv2d(wide, wide, 1), "2": nn.Conv2d(wide, dim, 1)})

        self.dim = dim
        self.conv1, self.conv2, self.blk1, self.blk2 = three(), three(), mixer(), mixer()

    def forward(self, x: Tensor, code: Tensor) -> Tensor:
        out = self._mix(self.blk1, instance_norm(self._three(self.conv1, x)), code)
        return self._mix(self.blk2, instance_norm(self._three(self.conv2, out)), code) + x

    @staticmethod
    def _three(part: nn.ModuleDict, x: Tensor) -> Tensor:
        return part["0"]["1"](reflect(x, 1))  # type: ignore[index]

    def _mix(self, part: nn.ModuleDict, x: Tensor, code: Tensor) -> Tensor:
        weight, bias = part["0"].weight, part["0"].bias
        shift = F.linear(code, weight[:, self.dim :, 0, 0], bias)[..., None, None]  # type: ignore[index, arg-type]
        hidden = F.relu(F.conv2d(x, weight[:, : self.dim]) + shift, inplace=True)  # type: ignore[index]
        return F.relu(part["2"](hidden), inplace=True)


class ChannelLayerNorm(nn.Module):
    """Layer norm over C, H, W with gain and bias a channel, stored as (C, 1, 1)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels, 1, 1))
        self.bias = nn.Parameter(torch.zeros(channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return F.group_norm(x, 1, self.weight.flatten(), self.bias.flatten(), 1e-5)


class UpConv(_Numbered):
    """Transposed convolution to twice the side, layer norm, ReLU."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__(at0=nn.ConvTranspose2d(n_in, n_out, 3, 2, 1, 1), at1=ChannelLayerNorm(n_out))

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.model["1"](self.model["0"](x)), inplace=True)


class BasicBlock(nn.Module):
    """The concat form's attribute encoder block: leaky ReLU 0.2 first; halves the side."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.conv = nn.ModuleDict({"2": nn.Conv2d(n_in, n_in, 3), "4": nn.ModuleDict({"1": nn.Conv2d(n_in, n_out, 3)})})
        self.shortcut = nn.ModuleDict({"1": nn.Conv2d(n_in, n_out, 1)})

    def forward(self, x: Tensor) -> Tensor:
        out = F.leaky_relu(self.conv["2"](reflect(F.leaky_relu(x, 0.2), 1)), 0.2)
        last = self.conv["4"]["1"]  # type: ignore[index]
        return conv_then_pool(reflect(out, 1), last.weight, last.bias, 0) + self.shortcut["1"](F.avg_pool2d(x, 2))


def content_trunk(dim: int, n_in: int = 3) -> list[nn.Module]:
    """(N, 3, S, S) -> (N, 4 dim, S/4, S/4): stem, two halvings, three residual blocks."""
    return [
        LeakyConv(n_in, dim, 7, 1, 3),
        NormConv(dim, 2 * dim, 3, 2, 1),
        NormConv(2 * dim, 4 * dim, 3, 2, 1),
        *(ResBlock(4 * dim) for _ in range(3)),
    ]


def attribute_trunk(dim: int, latent: int, n_in: int = 3) -> nn.Sequential:
    """The feature-wise form's attribute encoder to (N, latent, 1, 1)."""
    layers: list[nn.Module] = [nn.ReflectionPad2d(3), nn.Conv2d(n_in, dim, 7), nn.ReLU(inplace=True)]
    for a, b in ((1, 2), (2, 4), (4, 4), (4, 4)):
        layers += [nn.ReflectionPad2d(1), nn.Conv2d(dim * a, dim * b, 4, 2), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Conv2d(4 * dim, latent, 1))


def attribute_trunk_concat(dim: int, n_in: int = 3) -> nn.Sequential:
    """The concat form's attribute encoder to (N, 4 dim, 1, 1)."""
    blocks = [BasicBlock(dim * n, dim * (n + 1)) for n in range(1, 4)]
    stem = [nn.ReflectionPad2d(1), nn.Conv2d(n_in, dim, 4, 2)]
    return nn.Sequential(*stem, *blocks, nn.LeakyReLU(0.2), nn.AdaptiveAvgPool2d(1))


def with_code(x: Tensor, code: Tensor) -> Tensor:
    """A code written at every place: (N, C, H, W), (N, Z) -> (N, C + Z, H, W)."""
    return torch.cat((x, code[..., None, None].expand(-1, -1, *x.shape[2:])), 1)


def code_mlp(n_in: int, hidden: int, n_out: int) -> nn.Sequential:
    """Three linear layers with ReLU between."""
    relu = nn.ReLU(inplace=True)
    return nn.Sequential(nn.Linear(n_in, hidden), relu, nn.Linear(hidden, hidden), relu, nn.Linear(hidden, n_out))


def content_dis(dim: int, n_out: int, layers: int) -> nn.Sequential:
    """Content discriminator: `layers` 7x7 stride-2 convolutions, a 4x4 one, logits. Three need a content side of 53."""
    wide = 4 * dim
    steps: list[nn.Module] = [LeakyConv(wide, wide, 7, 2, 1) for _ in range(layers)]
    return nn.Sequential(*steps, LeakyConv(wide, wide, 4, 1, 0), nn.Conv2d(wide, n_out, 1))


def content_side(side: int, layers: int) -> int:
    """Side of the content discriminator's output for pictures of `side`; below 1 it does not fit."""
    side //= 4
    for _ in range(layers):
        side = (side + 2 - 7) // 2 + 1
    return side - 3


def sampled(moments: Sequence[Tensor], noise: Tensor) -> Tensor:
    """The reparametrised attribute: mean + noise * exp(log-variance / 2)."""
    mean, log_variance = moments
    return mean + noise * (0.5 * log_variance).exp()


def kl(moments: Sequence[Tensor]) -> Tensor:
    """KL(N(mean, variance) || N(0, 1)) a sample, averaged over the batch (published: summed, at a batch of one)."""
    mean, log_variance = moments
    return -0.5 * (1 + log_variance - mean.square() - log_variance.exp()).sum(1).mean()


def check_content_side(side: int, layers: int) -> None:
    """Raise one line where the content discriminator does not fit pictures of `side`."""
    if content_side(side, layers) < 1:
        fits = next((n for n in range(layers, -1, -1) if content_side(side, n) >= 1), 0)
        raise SuiteError(
            f"--set size={side}: the content discriminator's {layers} layers need larger pictures (209 for 3); "
            f"--set content_layers={fits} fits"
        )
