"""FAN: the face landmark network whose heatmaps mask StarGAN v2's high-pass skip (`w_hpf > 0`).

Wang, Bo, Fuxin, "Adaptive Wing Loss for Robust Face Alignment via Heatmap Regression", ICCV 2019,
https://arxiv.org/abs/1904.07399; one hourglass with coordinate channels, 98 landmarks and a boundary map.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from baselines.adapter import load_strict
from models.weights import read_checkpoint

SIDE, MAP = 256, 64
LANDMARKS = 98
# Landmark ranges of the 98-point layout (WFLW).
CHIN, EYEBROWS, NOSE, NOSTRILS, EYES = (8, 25), (33, 51), (51, 55), (55, 60), (60, 76)
LIP_UPPER, LIP_LOWER, LIP_INNER, MOUTH = (77, 82), (83, 88), (88, 96), (76, 96)
# part -> (rows to shift up at 256 px, power)
MOVES = (
    (CHIN, 0, 3),
    (EYEBROWS, -7, 2),
    (NOSTRILS, 8, 4),
    (LIP_UPPER, -8, 4),
    (LIP_LOWER, 8, 4),
    (LIP_INNER, -2, 3),
)
SILENT = [*range(8), *range(25, 33), 33, 46, 76, 82]


def coordinates(height: int, width: int, like: Tensor) -> Tensor:
    """(3, H, W): row and column in [-1, 1] and the distance from the centre, scaled to at most 1 (CoordConv)."""
    rows = torch.linspace(-1, 1, height, device=like.device, dtype=like.dtype)[:, None].expand(height, width)
    columns = torch.linspace(-1, 1, width, device=like.device, dtype=like.dtype)[None].expand(height, width)
    radius = torch.hypot(rows, columns)
    return torch.stack((rows, columns, radius / radius.max()))


class CoordConv(nn.Module):
    """A convolution that also reads the coordinates."""

    def __init__(self, n_in: int, n_out: int, kernel: int, stride: int, padding: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(n_in + 3, n_out, kernel, stride, padding)

    def forward(self, x: Tensor) -> Tensor:
        where = coordinates(x.shape[2], x.shape[3], x).expand(len(x), -1, -1, -1)
        return self.conv(torch.cat((x, where), 1))


class ConvBlock(nn.Module):
    """Three pre-activated 3x3 convolutions of n/2, n/4, n/4 channels side by side, plus the shortcut."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        widths = (n_in, n_out // 2, n_out // 4, n_out // 4)
        for i in range(3):
            self.add_module(f"bn{i + 1}", nn.BatchNorm2d(widths[i]))
            self.add_module(f"conv{i + 1}", nn.Conv2d(widths[i], widths[i + 1], 3, 1, 1, bias=False))
        self.downsample: nn.Sequential | None = None
        if n_in != n_out:
            self.downsample = nn.Sequential(nn.BatchNorm2d(n_in), nn.ReLU(), nn.Conv2d(n_in, n_out, 1, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        parts, out = [], x
        for i in "123":
            out = getattr(self, f"conv{i}")(F.relu(getattr(self, f"bn{i}")(out), inplace=True))
            parts.append(out)
        return torch.cat(parts, 1) + (x if self.downsample is None else self.downsample(x))


class Hourglass(nn.Module):
    """Four levels of halving and doubling with a skip at each."""

    def __init__(self, width: int = 256, depth: int = 4) -> None:
        super().__init__()
        self.depth = depth
        self.coordconv = CoordConv(width, width, 1, 1, 0)
        for level in range(depth, 0, -1):
            for name in ("b1", "b2", *(("b2_plus",) if level == 1 else ()), "b3"):
                self.add_module(f"{name}_{level}", ConvBlock(width, width))

    def forward(self, x: Tensor) -> Tensor:
        return self._level(self.depth, self.coordconv(x))

    def _level(self, level: int, x: Tensor) -> Tensor:
        low = getattr(self, f"b2_{level}")(F.avg_pool2d(x, 2))
        low = self._level(level - 1, low) if level > 1 else getattr(self, "b2_plus_1")(low)  # noqa: B009 - registered by name
        low = getattr(self, f"b3_{level}")(low)
        return getattr(self, f"b1_{level}")(x) + F.interpolate(low, scale_factor=2)


class Fan(nn.Module):
    """(N, 3, 256, 256) in [0, 1] -> (N, 99, 64, 64): 98 landmark heatmaps and the boundary."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = CoordConv(3, 64, 7, 2, 3)
        self.bn1 = nn.BatchNorm2d(64)
        self.conv2, self.conv3, self.conv4 = ConvBlock(64, 128), ConvBlock(128, 128), ConvBlock(128, 256)
        self.m0, self.top_m_0 = Hourglass(), ConvBlock(256, 256)
        self.conv_last0, self.bn_end0 = nn.Conv2d(256, 256, 1), nn.BatchNorm2d(256)
        self.l0 = nn.Conv2d(256, LANDMARKS + 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.bn1(self.conv1(x)), inplace=True)
        x = self.conv4(self.conv3(F.avg_pool2d(self.conv2(x), 2)))
        x = self.top_m_0(self.m0(x))
        return self.l0(F.relu(self.bn_end0(self.conv_last0(x)), inplace=True))

    def train(self, mode: bool = True) -> Fan:
        """Always in evaluation mode: the published landmarks are never trained along."""
        return super().train(False)

    @torch.no_grad()
    def heatmaps(self, x: Tensor) -> Tensor:
        """(N, 3, S, S) in [-1, 1] -> (N, 98, 64, 64)."""
        x = F.interpolate(x, size=(SIDE, SIDE), mode="bilinear")
        return self(x * 0.5 + 0.5)[:, :LANDMARKS]

    @torch.no_grad()
    def masks(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(N, 3, S, S) in [-1, 1] -> the whole face's mask and the one without outline and mouth, (N, 1, 256, 256)."""
        return masks(F.interpolate(self.heatmaps(x), scale_factor=SIDE // MAP, mode="bilinear", align_corners=True))


def _up(x: Tensor, rows: int) -> Tensor:
    """Rotate rows upwards (downwards when negative)."""
    return torch.roll(x, -rows, dims=2)


def masks(heat: Tensor) -> tuple[Tensor, Tensor]:
    """Heatmaps (N, 98, 256, 256) -> two masks (N, 1, 256, 256) in [0, 1].

    StarGAN v2's fixed recipe: cut below 0.1, scale each map to [0, 1], move parts of the face by some rows and sharpen
    them by a power, drop the outline above the chin, and sum.
    """
    heat = torch.where(heat < 0.1, 0.0, heat)
    low, high = heat.amin((2, 3), keepdim=True), heat.amax((2, 3), keepdim=True)
    heat = (heat - low) / (high - low + 1e-6)
    unit = heat.shape[2] // SIDE
    for (start, end), rows, power in MOVES:
        heat[:, start:end] = _up(heat[:, start:end], rows * unit) ** power
    heat[:, SILENT] = 0
    start, end = NOSE
    heat[:, start + 1 : end] = _up(heat[:, start + 1 : end], 4 * unit)
    start, end = EYES
    eyes = heat[:, start:end]
    heat[:, start:end] = _up(eyes, -8) ** 3 + _up(eyes, -24)
    inner = heat.clone()
    for start, end in (CHIN, MOUTH, EYEBROWS):
        inner[:, start:end] = 0
    both = (heat.sum(1, keepdim=True), inner.sum(1, keepdim=True))
    whole, part = (torch.nan_to_num(mask, nan=0.0).clamp(0, 1) for mask in both)
    return whole, part


def load_landmarks(fan: Fan, path: str) -> None:
    """Weights of the published `wing.ckpt`, whose keys beyond the network's are of its training and are left out."""
    state = max(read_checkpoint(path).parts.values(), key=len)
    own = fan.state_dict()
    load_strict(fan, {key: value for key, value in state.items() if key in own}, "the landmark network")
