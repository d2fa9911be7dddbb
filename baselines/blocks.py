"""What the five papers truly share: one-pass normalisation, MUNIT's and FUNIT's blocks, initialisation.

Parameter names and shapes are the published ones.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from baselines.fused_resample import upsample_then_reflect_conv

EPS = 1e-5
PUBLISHED_WIDTH = 64


def instance_norm(x: Tensor, scale: Tensor | None = None, shift: Tensor | None = None) -> Tensor:
    """Normalise each (sample, channel) plane to mean 0 and biased variance 1, then `* scale + shift`, in one pass.

    With scale and shift predicted from a style this is AdaIN (Huang and Belongie 2017, Eq. 8).

    Args:
        x: (N, C, H, W).
        scale, shift: (N, C) each, or both None.
    """
    if x.device.type == "cpu":
        # Of one sample, instance norm is batch norm, whose kernel alone is fast both ways in channels-last layout.
        own = [(None, None)] * len(x) if scale is None or shift is None else list(zip(scale, shift))
        planes = [
            F.batch_norm(one, None, None, gain, bias, training=True, eps=EPS)
            for one, (gain, bias) in zip(x.split(1), own)
        ]
        return planes[0] if len(planes) == 1 else torch.cat(planes)
    x = F.group_norm(x, x.shape[1], eps=EPS)
    return x if scale is None or shift is None else torch.addcmul(shift[..., None, None], x, scale[..., None, None])


class LayerNorm(nn.Module):
    """MUNIT's layer norm: over C, H, W with the unbiased deviation, `eps` added to the deviation, gain and bias a channel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.rand(channels))
        self.beta = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        # `torch.var_mean` takes ten times as long in this layout; sums of rows' sums round as little as it does.
        centred = x - x.mean((1, 3)).mean(1)[:, None, None, None]
        rows = torch.linalg.vector_norm(centred, dim=(1, 3))
        deviation = torch.linalg.vector_norm(rows, dim=1) / math.sqrt(x[0].numel() - 1)
        scale = self.gamma / (deviation + EPS)[:, None]
        return torch.addcmul(self.beta[:, None, None], centred, scale[..., None, None])


class StyledNorm(nn.Module):
    """Where a decoder receives its AdaIN parameters. Its two buffers are in published checkpoints and change nothing."""

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))


class ConvBlock(nn.Module):
    """Reflection pad, convolution, norm ("none", "in", "ln", "adain"), activation (see `activated`).

    With `upsample`, nearest x2 comes first. AdaIN blocks read (N, 2C) from `style`: C means, then C deviations.
    """

    def __init__(
        self,
        n_in: int,
        n_out: int,
        kernel: int,
        stride: int = 1,
        padding: int = 0,
        norm: str = "none",
        act: str = "relu",
        upsample: bool = False,
    ) -> None:
        super().__init__()
        self.padding, self.kind, self.act, self.upsample = padding, norm, act, upsample
        if norm == "ln":
            self.norm: nn.Module = LayerNorm(n_out)
        elif norm == "adain":
            self.norm = StyledNorm(n_out)
        self.conv = nn.Conv2d(n_in, n_out, kernel, stride)
        if act == "prelu":
            self.activation = nn.PReLU()

    def forward(self, x: Tensor, style: Tensor | None = None) -> Tensor:
        if self.upsample:
            x = upsample_then_reflect_conv(x, self.conv.weight, self.conv.bias)
        else:
            x = self.conv(F.pad(x, (self.padding,) * 4, mode="reflect") if self.padding else x)
        if self.kind == "in":
            x = instance_norm(x)
        elif self.kind == "ln":
            x = self.norm(x)
        elif self.kind == "adain":
            assert style is not None
            mean, deviation = style.chunk(2, 1)
            x = instance_norm(x, deviation, mean)
        return activated(x, self.act, self.activation if self.act == "prelu" else None)


def activated(x: Tensor, act: str, learnt: nn.Module | None = None) -> Tensor:
    """ "none", "relu", "lrelu" (0.2), "selu", "tanh", or "prelu", whose one slope is learnt. May overwrite `x`."""
    if act == "relu":
        return F.relu(x, inplace=True)
    if act == "lrelu":
        return F.leaky_relu(x, 0.2, inplace=True)
    if act == "selu":
        return F.selu(x, inplace=True)
    if learnt is not None:
        return learnt(x)
    return torch.tanh(x) if act == "tanh" else x


class ResBlock(nn.Module):
    """x + two 3x3 blocks, the second without activation."""

    def __init__(self, dim: int, norm: str, act: str = "relu") -> None:
        super().__init__()
        blocks = [ConvBlock(dim, dim, 3, 1, 1, norm, act), ConvBlock(dim, dim, 3, 1, 1, norm, "none")]
        self.model = nn.ModuleList(blocks)

    def forward(self, x: Tensor, styles: Iterator[Tensor] | None = None) -> Tensor:
        out = x
        for block in self.model:
            out = block(out, None if styles is None else next(styles))
        return out + x


class ResBlocks(nn.Module):
    """A row of `count` residual blocks."""

    def __init__(self, count: int, dim: int, norm: str, act: str = "relu") -> None:
        super().__init__()
        self.model = nn.ModuleList([ResBlock(dim, norm, act) for _ in range(count)])

    def forward(self, x: Tensor, styles: Iterator[Tensor] | None = None) -> Tensor:
        for block in self.model:
            x = block(x, styles)
        return x


class ContentEncoder(nn.Module):
    """(N, 3, S, S) in [-1, 1] -> (N, dim * 2^downs, S / 2^downs, S / 2^downs), instance-normalised."""

    def __init__(self, downs: int, blocks: int, dim: int, act: str = "relu") -> None:
        super().__init__()
        layers: list[nn.Module] = [ConvBlock(3, dim, 7, 1, 3, "in", act)]
        layers += [ConvBlock(dim * 2**i, dim * 2 ** (i + 1), 4, 2, 1, "in", act) for i in range(downs)]
        self.out_dim = dim * 2**downs
        self.model = nn.Sequential(*layers, ResBlocks(blocks, self.out_dim, "in", act))

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x)


class StyleEncoder(nn.Module):
    """(N, 3, S, S) in [-1, 1] -> (N, code, 1, 1); no norm, which would wash the style away (MUNIT, Sec. 5.1)."""

    def __init__(self, downs: int, dim: int, code: int, act: str = "relu") -> None:
        super().__init__()
        layers: list[nn.Module] = [ConvBlock(3, dim, 7, 1, 3, act=act)]
        widths = [dim * min(2**i, 4) for i in range(downs + 1)]
        layers += [ConvBlock(a, b, 4, 2, 1, act=act) for a, b in pairwise(widths)]
        self.model = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Conv2d(widths[-1], code, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x)


class _Linear(nn.Module):
    def __init__(self, n_in: int, n_out: int, act: str) -> None:
        super().__init__()
        self.fc = nn.Linear(n_in, n_out)
        self.act = act
        if act == "prelu":
            self.activation = nn.PReLU()

    def forward(self, x: Tensor) -> Tensor:
        return activated(self.fc(x), self.act, self.activation if self.act == "prelu" else None)


class Mlp(nn.Module):
    """Style code -> all AdaIN parameters: (N, code) or (N, code, 1, 1) -> (N, n_out)."""

    def __init__(self, n_in: int, n_out: int, dim: int, layers: int, act: str = "relu") -> None:
        super().__init__()
        widths = [n_in, *[dim] * (layers - 1), n_out]
        acts = [*[act] * (layers - 1), "none"]
        self.model = nn.Sequential(*[_Linear(a, b, one) for (a, b), one in zip(pairwise(widths), acts)])

    def forward(self, code: Tensor) -> Tensor:
        return self.model(code.flatten(1))


class Decoder(nn.Module):
    """Content and AdaIN parameters -> picture in [-1, 1]. The upsampling blocks' norm is "ln" in MUNIT, "in" in FUNIT."""

    def __init__(self, ups: int, blocks: int, dim: int, norm: str, act: str = "relu") -> None:
        super().__init__()
        self.dim, self.n_styles = dim, 2 * blocks
        # The published lists hold an nn.Upsample before each of these blocks, which the blocks' numbers must skip.
        layers: dict[str, nn.Module] = {"0": ResBlocks(blocks, dim, "adain", act)}
        for i in range(ups):
            layers[str(2 * i + 2)] = ConvBlock(dim >> i, dim >> (i + 1), 5, norm=norm, act=act, upsample=True)
        layers[str(2 * ups + 1)] = ConvBlock(dim >> ups, 3, 7, 1, 3, act="tanh")
        self.model = nn.ModuleDict(layers)

    @property
    def n_parameters(self) -> int:
        """How many AdaIN parameters one picture needs."""
        return 2 * self.dim * self.n_styles

    def forward(self, content: Tensor, parameters: Tensor) -> Tensor:
        styles = iter(parameters.split(2 * self.dim, 1))
        x = content
        for name, layer in self.model.items():
            x = layer(x, styles) if name == "0" else layer(x)
        return x


def l1(a: Tensor, b: Tensor) -> Tensor:
    """Mean absolute difference."""
    return (a - b).abs().mean()


def half_scale(x: Tensor) -> Tensor:
    """The pyramid step of multi-scale discriminators: a 3x3 mean at stride 2 that ignores the border."""
    return F.avg_pool2d(x, 3, 2, 1, count_include_pad=False)


def kaiming_init(*networks: nn.Module) -> None:
    """He initialisation (fan in) of convolutions and linear layers, zero biases."""
    for network in networks:
        for layer in network.modules():
            if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
                nn.init.kaiming_normal_(layer.weight, a=0, mode="fan_in")
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)


def gaussian_init(
    networks: Sequence[nn.Module], zero_bias: bool = False, linear: bool = False, width: int = PUBLISHED_WIDTH
) -> None:
    """N(0, 0.02) for convolutions' weights (and linear ones with `linear`), as published for networks 64 wide.

    At another `width` the deviation follows the root of the fan-in: four layers of 16 channels without a norm would else
    pass on a sixteenth of what 64 channels do, and an encoder so started never learns to tell two pictures apart.
    """
    deviation = 0.02 * math.sqrt(PUBLISHED_WIDTH / width)
    kinds: tuple[type[nn.Module], ...] = (nn.Conv2d, nn.ConvTranspose2d, *((nn.Linear,) if linear else ()))
    for network in networks:
        for layer in network.modules():
            if isinstance(layer, kinds):
                nn.init.normal_(layer.weight, 0.0, deviation)  # type: ignore[arg-type]
                if zero_bias and layer.bias is not None:
                    nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
