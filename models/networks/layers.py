"""StyleGAN2 layers whose weights are scaled at run time (Karras et al. 2018, 4.1), under the checkpoints' names."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ops.bias_act import bias_act, bias_act_
from ops.bias_act.reference import ROOT_2
from ops.conv2d import conv2d
from ops.modulated_conv import modulated_conv2d
from ops.modulated_conv.cpu import filters
from ops.modulated_conv.reference import blur_pads
from ops.upfirdn2d import fir_kernel, upfirdn2d

BLUR = (1.0, 3.0, 3.0, 1.0)


class PixelNorm(nn.Module):
    """Divide each row of (N, C, ...) by its root mean square over C."""

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.rsqrt(x.square().mean(1, keepdim=True) + 1e-8)


class EqualLinear(nn.Module):
    """Linear layer; the weight is used at `lr_mul / sqrt(in_features)` and the bias at `lr_mul`.

    Args:
        in_features, out_features: sizes; (..., in_features) -> (..., out_features).
        bias_init: start of the used bias.
        lr_mul: slows the layer's learning without changing its start.
        activate: follow by leaky ReLU 0.2 with gain sqrt 2.
    """

    def __init__(
        self, in_features: int, out_features: int, bias_init: float = 0.0, lr_mul: float = 1.0, activate: bool = False
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out_features, in_features) / lr_mul)
        self.bias = nn.Parameter(torch.full((out_features,), float(bias_init)))
        self.scale = lr_mul / math.sqrt(in_features)
        self.lr_mul = lr_mul
        self.activate = activate

    def forward(self, x: Tensor) -> Tensor:
        bias = self.bias if self.lr_mul == 1 else self.bias * self.lr_mul
        x = x * self.scale  # the smaller of the two factors
        if self.activate:
            return bias_act(F.linear(x, self.weight), bias)
        return F.linear(x, self.weight, bias)


class EqualConv2d(nn.Module):
    """Convolution; the weight is used at `1 / sqrt(fan-in)` and in the input's dtype."""

    def __init__(
        self, in_channels: int, out_channels: int, size: int, stride: int = 1, padding: int = 0, bias: bool = True
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, size, size))
        self.bias = nn.Parameter(torch.zeros(out_channels)) if bias else None
        self.scale = 1 / math.sqrt(in_channels * size**2)
        self.stride = stride
        self.padding = padding

    def forward(self, x: Tensor) -> Tensor:
        y = conv2d(x, (self.weight * self.scale).to(x.dtype), self.stride, self.padding)
        return y if self.bias is None else bias_act_(y, self.bias, slope=1, gain=1)


class FusedLeakyReLU(nn.Module):
    """Add a bias a channel, leaky ReLU 0.2, gain, and the limit `clamp` of the absolute value where one is set."""

    def __init__(self, channels: int, gain: float = ROOT_2) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(channels))
        self.gain = gain
        self.clamp: float | None = None

    def forward(self, x: Tensor) -> Tensor:
        return bias_act(x, self.bias, gain=self.gain, clamp=self.clamp)


class ScaledLeakyReLU(nn.Module):
    """Leaky ReLU 0.2 with gain sqrt 2 and no bias."""

    def forward(self, x: Tensor) -> Tensor:
        return bias_act(x)


class Resample(nn.Module):
    """`upfirdn2d` with a stored kernel.

    Args:
        taps: of the separable filter.
        up, down: factors.
        pad: (before, after) on both axes.
        gain: what the kernel sums to.
    """

    kernel: Tensor

    def __init__(
        self, taps: Sequence[float], pad: tuple[int, int], up: int = 1, down: int = 1, gain: float = 1.0
    ) -> None:
        super().__init__()
        self.register_buffer("kernel", fir_kernel(taps, gain))
        self.up = up
        self.down = down
        self.pad = pad

    def forward(self, x: Tensor) -> Tensor:
        return upfirdn2d(x, self.kernel, self.up, self.down, self.pad)


def upsample(taps: Sequence[float] = BLUR) -> Resample:
    """(N, C, H, W) -> (N, C, 2 H, 2 W), filtered."""
    spare = len(taps) - 2
    return Resample(taps, ((spare + 1) // 2 + 1, spare // 2), up=2, gain=4)


def downsample(taps: Sequence[float] = BLUR) -> Resample:
    """(N, C, H, W) -> (N, C, H / 2, W / 2), filtered."""
    spare = len(taps) - 2
    return Resample(taps, ((spare + 1) // 2, spare // 2), down=2)


class ModulatedConv2d(nn.Module):
    """`modulated_conv2d` with its affine map from w to the style (StyleGAN2, section 2.2).

    Args:
        in_channels, out_channels, size: of the filters.
        style_dim: of w.
        demodulate, up, down: as in `ops.modulated_conv`.
        taps: of the blur that goes with up or down.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        size: int,
        style_dim: int,
        demodulate: bool = True,
        up: int = 1,
        down: int = 1,
        taps: Sequence[float] = BLUR,
    ) -> None:
        super().__init__()
        self.blur = None
        if (up, down) != (1, 1):
            self.blur = Resample(taps, blur_pads(len(taps), size, up, down), gain=up**2)
        self.weight = nn.Parameter(torch.randn(1, out_channels, in_channels, size, size))
        self.modulation = EqualLinear(style_dim, in_channels, bias_init=1)
        self.scale = 1 / math.sqrt(in_channels * size**2)
        self.demodulate = demodulate
        self.up = up
        self.down = down

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """(N, in, H, W) and (N, style_dim) -> (N, out, H * up / down, W * up / down)."""
        return modulated_conv2d(x, self.weight[0], self.style(w), self.demodulate, self.up, self.down, self.blur_kernel)

    @property
    def blur_kernel(self) -> Tensor | None:
        """The FIR filter that goes with `up` or `down`."""
        return None if self.blur is None else self.blur.kernel

    def style(self, w: Tensor) -> Tensor:
        """(N, style_dim) -> (N, in): the factor of each input channel; the run-time scale of the weight rides along."""
        return self.modulation(w) * self.scale

    def filters(self, w: Tensor) -> Tensor:
        """The filters of one sample: (1, style_dim) -> (out, in, k, k)."""
        return filters(self.weight[0], self.style(w), self.demodulate)


class NoiseInjection(nn.Module):
    """Scales noise (N or 1, 1, H, W) by one learnt number."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, noise: Tensor) -> Tensor:
        return self.weight * noise


class ConstantInput(nn.Module):
    """The learnt 4x4 start, repeated over the batch."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.input = nn.Parameter(torch.randn(1, channels, 4, 4))

    def forward(self, batch: int) -> Tensor:
        return self.input.repeat(batch, 1, 1, 1)


class StyledConv(nn.Module):
    """Modulated 3x3 convolution, noise, bias, leaky ReLU."""

    def __init__(self, in_channels: int, out_channels: int, style_dim: int, up: int = 1) -> None:
        super().__init__()
        self.conv = ModulatedConv2d(in_channels, out_channels, 3, style_dim, up=up)
        self.noise = NoiseInjection()
        self.activate = FusedLeakyReLU(out_channels)
        self.clamp: float | None = None

    def forward(self, x: Tensor, w: Tensor, noise: Tensor) -> Tensor:
        return self.finish(self.conv(x, w), noise)

    def finish(self, y: Tensor, noise: Tensor) -> Tensor:
        """What follows the convolution; `y` is given up."""
        return bias_act_(y, self.activate.bias, clamp=self.clamp, noise=self.noise(noise))


class ToRGB(nn.Module):
    """1x1 modulated convolution to three channels, added to the enlarged picture so far. Returns float32 or wider."""

    def __init__(self, in_channels: int, style_dim: int, enlarge: bool = True) -> None:
        super().__init__()
        self.upsample = upsample() if enlarge else None
        self.conv = ModulatedConv2d(in_channels, 3, 1, style_dim, demodulate=False)
        self.bias = nn.Parameter(torch.zeros(1, 3, 1, 1))
        self.clamp: float | None = None

    def forward(self, x: Tensor, w: Tensor, skip: Tensor | None = None) -> Tensor:
        y = self.finish(self.conv(x, w))
        return y if skip is None or self.upsample is None else y + self.upsample(skip)

    def finish(self, y: Tensor) -> Tensor:
        """What follows the convolution; `y` is given up."""
        y = y.to(self.bias.dtype)
        return bias_act_(y, self.bias.flatten(), slope=1, gain=1, clamp=self.clamp)
