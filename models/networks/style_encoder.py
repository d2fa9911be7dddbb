"""BlendGAN's style encoder (section 3.1): Gram matrices of VGG-19 features and a four-layer MLP; and its projector.

A Gram matrix is symmetric, so a linear layer meets every value off the diagonal twice. The first layer keeps one weight
for both, which halves the largest tensor of BlendGAN (1.25 GB as published) and changes no output.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.networks.efficientnet_lite import TAP_WIDTHS, Lite0Trunk
from models.networks.layers import EqualLinear
from models.networks.vgg import WIDTHS, VGG19Trunk
from ops.bias_act import bias_act
from ops.gram import gram_triangle, triangle_of, triangle_size

Trunk = Literal["vgg19", "lite0"]
SIDE = 256
GRAM_VALUES = sum(width**2 for width in WIDTHS)
TRIANGLE_VALUES = sum(triangle_size(width) for width in WIDTHS)


class GramLinear(nn.Module):
    """Equalised linear layer and leaky ReLU on the concatenated Gram matrices, stored for their upper triangles.

    `weight` is (out, 305888): the mean of the two weights that meet the same value (the diagonal as it is); the value
    counts twice in `forward`. The published layer, trained with Adam, moves both weights alike, so training this one
    takes the same steps. `state_dict` has the published (out, 610304); loading takes either.
    """

    multiplicity: Tensor

    def __init__(self, out_features: int, widths: Sequence[int] = WIDTHS) -> None:
        super().__init__()
        self.widths = tuple(widths)
        counts = torch.cat([2 - triangle_of(torch.eye(width)) for width in self.widths])
        self.register_buffer("multiplicity", counts, persistent=False)
        # The mean of two independent N(0, 1) weights has variance 1/2.
        self.weight = nn.Parameter(torch.randn(out_features, len(counts)).div_(counts.sqrt()))
        self.bias = nn.Parameter(torch.zeros(out_features))
        self.scale = 1 / math.sqrt(sum(width**2 for width in self.widths))

    def forward(self, triangles: Tensor) -> Tensor:
        """(N, 305888) upper triangles -> (N, out)."""
        # Scaling the input leaves the weight, the larger of the two by far, uncopied.
        return bias_act(F.linear(triangles * (self.multiplicity * self.scale), self.weight), self.bias)

    def accepted_shapes(self, name: str) -> Collection[tuple[int, ...]]:
        """Shapes in which a checkpoint may hold a parameter."""
        if name != "weight":
            return (tuple(self.bias.shape),)
        rows, columns = self.weight.shape
        return ((rows, sum(width**2 for width in self.widths)), (rows, columns))

    def _save_to_state_dict(self, destination: dict[str, Any], prefix: str, keep_vars: bool) -> None:
        super()._save_to_state_dict(destination, prefix, keep_vars)
        destination[prefix + "weight"] = unfold_weight(destination[prefix + "weight"], self.widths)

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:
        weight = state_dict.get(prefix + "weight")
        full = (self.weight.shape[0], sum(width**2 for width in self.widths))
        if weight is not None and tuple(weight.shape) == full:
            state_dict = dict(state_dict) | {prefix + "weight": fold_weight(weight, self.widths)}
        super()._load_from_state_dict(state_dict, prefix, *args)


def fold_weight(full: Tensor, widths: Sequence[int] = WIDTHS) -> Tensor:
    """(O, sum C^2) -> (O, sum C (C + 1) / 2): the mean of each two weights that meet the same value, rounded once."""
    blocks = []
    start = 0
    for width in widths:
        rows, columns = torch.triu_indices(width, width, device=full.device)
        block = full.narrow(1, start, width**2)
        above, below = rows * width + columns, columns * width + rows
        blocks.append((block.index_select(1, above) + block.index_select(1, below)).div_(2))
        start += width**2
    return torch.cat(blocks, 1)


def unfold_weight(half: Tensor, widths: Sequence[int] = WIDTHS) -> Tensor:
    """(O, sum C (C + 1) / 2) -> (O, sum C^2): the symmetric weight with the same outputs. Folding it gives `half` back."""
    blocks = []
    start = 0
    for width in widths:
        size = triangle_size(width)
        rows, columns = torch.triu_indices(width, width, device=half.device)
        place = torch.empty(width, width, dtype=torch.long, device=half.device)
        place[rows, columns] = place[columns, rows] = torch.arange(size, device=half.device)
        blocks.append(half.narrow(1, start, size).index_select(1, place.flatten()))
        start += size
    return torch.cat(blocks, 1)


class StyleFeatures(nn.Module):
    """(N, 3, H, W) in [-1, 1] -> (N, 305888): upper triangles of the five Gram matrices, after pooling to 256 x 256.

    A VGG-19 of other widths sees a picture whose side keeps its proportion to the first width (64 to 256).

    Args:
        widths: of the trunk's maps.
        trunk: "vgg19", as the paper has it, or "lite0": the first maps of EfficientNet-Lite0, from a picture at the side that
            makes the last of them 8 x 8 (64 px for three maps, 256 for all five).
    """

    def __init__(self, widths: Sequence[int] = WIDTHS, trunk: Trunk = "vgg19") -> None:
        super().__init__()
        self.widths, self.trunk = tuple(widths), trunk
        if trunk == "lite0":
            if self.widths != TAP_WIDTHS[: len(self.widths)]:
                raise ValueError(f"widths: given {self.widths}; expected the first of {TAP_WIDTHS}")
            self.side = 8 * 2 ** len(self.widths)
            self.feature_extractor: nn.Module = Lite0Trunk(len(self.widths))
        else:
            self.side = SIDE * widths[0] // WIDTHS[0]
            self.feature_extractor = VGG19Trunk(widths)

    def forward(self, image: Tensor) -> Tensor:
        if self.trunk == "lite0":
            image = F.interpolate(image, (self.side, self.side), mode="bilinear", antialias=True)
        else:
            image = F.adaptive_avg_pool2d(image, self.side)
        taps = self.feature_extractor(image)
        return torch.cat([gram_triangle(tap) for tap in taps], 1)


class StyleEncoder(nn.Module):
    """Style code of a picture: (N, 3, H, W) float in [-1, 1], any size -> (N, style_dim).

    Keys and shapes of `state_dict()` are the published ones.

    Args:
        style_dim: width of the code.
        n_mlp: linear layers in all; the last has no activation.
        widths: of the trunk's maps (VGG-19's five stages).
        trunk: see `StyleFeatures`.
    """

    def __init__(
        self, style_dim: int = 512, n_mlp: int = 4, widths: Sequence[int] = WIDTHS, trunk: Trunk = "vgg19"
    ) -> None:
        super().__init__()
        self.style_dim = style_dim
        self.embedder = StyleFeatures(widths, trunk)
        inner = [EqualLinear(style_dim, style_dim, activate=True) for _ in range(n_mlp - 2)]
        self.embedder_mlp = nn.Sequential(GramLinear(style_dim, widths), *inner, EqualLinear(style_dim, style_dim))

    def forward(self, image: Tensor) -> Tensor:
        _check_picture(image)
        return self.embedder_mlp(self.embedder(image))


class Projector(nn.Module):
    """Head of the contrastive loss, a 2-layer MLP (section 3.1): (N, style_dim) -> (N, style_dim); not used after training."""

    def __init__(self, style_dim: int = 512, n_mlp: int = 4) -> None:
        super().__init__()
        inner = [EqualLinear(style_dim, style_dim, activate=True) for _ in range(n_mlp - 1)]
        self.projector = nn.Sequential(*inner, EqualLinear(style_dim, style_dim))

    def forward(self, code: Tensor) -> Tensor:
        return self.projector(code)


def _check_picture(image: Tensor) -> None:
    if image.dim() != 4 or image.shape[1] != 3 or not image.is_floating_point():
        raise ValueError(
            f"style encoder: given {tuple(image.shape)} {image.dtype}; expected (N, 3, H, W) float in [-1, 1]"
        )
