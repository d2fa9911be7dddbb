"""ArcFace's improved ResNet (Deng et al. 2019, arXiv 1801.07698, Sec. 3.3), under the keys of its authors' `backbone.pth`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

SIDE = 112
# Units of the four stages of r18, r34, r50, r100 and r200; each stage halves the side once.
UNITS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 14, 3), 100: (3, 13, 30, 3), 200: (6, 26, 60, 6)}
WIDTHS = (64, 128, 256, 512)


class _Unit(nn.Module):
    """Norm, convolution, norm, PReLU, convolution (which carries the stride), norm; plus the input, projected at a stride."""

    def __init__(self, before: int, channels: int, stride: int) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(before)
        self.conv1 = nn.Conv2d(before, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.prelu = nn.PReLU(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, stride, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(channels)
        if stride > 1:
            project = nn.Conv2d(before, channels, 1, stride, bias=False)
            self.downsample: nn.Module = nn.Sequential(project, nn.BatchNorm2d(channels))
        else:
            self.downsample = nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        inner = self.conv2(self.prelu(self.bn2(self.conv1(self.bn1(x)))))
        return self.bn3(inner) + self.downsample(x)


def _stage(before: int, channels: int, units: int) -> nn.Sequential:
    """`units` units, of which the first halves the side."""
    return nn.Sequential(_Unit(before, channels, 2), *(_Unit(channels, channels, 1) for _ in range(units - 1)))


class IResNet(nn.Module):
    """(N, 3, 112, 112) in [-1, 1], RGB, an aligned face -> (N, 512), not normalised: who it is.

    Args:
        units: how many units each of the four stages has.
        widths: channels of the stages; narrower ones serve tests.
        dim: length of the embedding.
    """

    def __init__(self, units: Sequence[int], widths: Sequence[int] = WIDTHS, dim: int = 512) -> None:
        super().__init__()
        self.dim = dim
        self.conv1 = nn.Conv2d(3, widths[0], 3, padding=1, bias=False)
        self.bn1, self.prelu = nn.BatchNorm2d(widths[0]), nn.PReLU(widths[0])
        self.layer1 = _stage(widths[0], widths[0], units[0])
        self.layer2 = _stage(widths[0], widths[1], units[1])
        self.layer3 = _stage(widths[1], widths[2], units[2])
        self.layer4 = _stage(widths[2], widths[3], units[3])
        before = widths[3]
        self.bn2 = nn.BatchNorm2d(before)
        self.fc = nn.Linear(before * (SIDE // 16) ** 2, dim)
        self.features = nn.BatchNorm1d(dim)

    @classmethod
    def of(cls, state: Mapping[str, Tensor]) -> IResNet:
        """A network of the units and widths that a state dict's keys and shapes say.

        Raises:
            KeyError: a state dict of something else.
        """
        units = [len({key.split(".")[1] for key in state if key.startswith(f"layer{k}.")}) for k in (1, 2, 3, 4)]
        widths = [len(state[f"layer{k}.0.conv1.weight"]) for k in (1, 2, 3, 4)]
        return cls(units, widths, len(state["fc.weight"]))

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[1:] != (3, SIDE, SIDE):
            raise ValueError(f"IResNet: given {tuple(x.shape)}; expected (N, 3, {SIDE}, {SIDE}) in [-1, 1]")
        x = self.prelu(self.bn1(self.conv1(x.contiguous(memory_format=torch.channels_last))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.features(self.fc(self.bn2(x).flatten(1)))
