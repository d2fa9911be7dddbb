"""Diversity as Section 4 of the paper measures it: LPIPS between the styles of one face, features once a picture.

LPIPS (Zhang et al. 2018, arXiv 1801.03924, Eq. 1) is, layer by layer, a weighted squared distance between feature maps
that are unit-normalised over channels, averaged over places. With the maps scaled by `sqrt(weight / places)` it is a
plain squared Euclidean distance, so the 45 pairs of 10 pictures need 10 forward passes and one 10 x 10 product.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models import alexnet

from models.data.pictures import check_pictures
from suite.errors import SuiteError

# Indices, in torchvision's AlexNet, of the ReLU outputs that LPIPS compares.
TAPS = (1, 4, 7, 9, 11)
SHIFT, SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)
EPS = 1e-10
# Products over so many numbers as a map has are summed in up to this many pieces.
PIECES = 16


class AlexMaps(nn.Module):
    """The five ReLU maps of AlexNet that LPIPS v0.1 compares, with their channel weights.

    Args:
        trunk: torchvision's AlexNet state dict (`features.<i>.weight`, `features.<i>.bias`).
        linear: the v0.1 linear weights, five tensors of (1, C, 1, 1), all >= 0.
    """

    shift: Tensor
    scale: Tensor

    def __init__(self, trunk: dict[str, Tensor], linear: Sequence[Tensor]) -> None:
        super().__init__()
        prefix = "features."
        self.layers = alexnet(weights=None).features[: TAPS[-1] + 1]
        self.layers.load_state_dict({k.removeprefix(prefix): v for k, v in trunk.items() if k.startswith(prefix)})
        self.weights = [weight.reshape(-1).float() for weight in linear]
        if any(bool((weight < 0).any()) for weight in self.weights):
            raise SuiteError("lpips: negative linear weights; expected those of LPIPS v0.1")
        self.register_buffer("shift", torch.tensor(SHIFT).view(1, 3, 1, 1))
        self.register_buffer("scale", torch.tensor(SCALE).view(1, 3, 1, 1))
        self.eval().requires_grad_(False).to(memory_format=torch.channels_last)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Maps of images (N, 3, H, W) float32 in [-1, 1]: five tensors (N, C, h, w)."""
        x = (images - self.shift).div_(self.scale).contiguous(memory_format=torch.channels_last)
        out = []
        for index, layer in enumerate(self.layers):
            x = layer(x)
            if index in TAPS:
                out.append(x)
        return out


# Gives maps (N, C, h, w) that the caller may overwrite.
Maps = Callable[[Tensor], list[Tensor]]


def embed(maps: Maps, weights: Sequence[Tensor], images: Tensor) -> list[Tensor]:
    """Per layer, (N, C*h*w) float32 whose squared distances are LPIPS's layer terms.

    Args:
        images: (N, 3, H, W) float32 in [-1, 1]; anything else is refused.
    """
    check_pictures(images, "lpips", expect_dark=True)
    return scaled(maps(images), weights)


def scaled(maps: Sequence[Tensor], weights: Sequence[Tensor]) -> list[Tensor]:
    """The same from maps that are there already; they are overwritten."""
    out = []
    for layer, weight in zip(maps, weights, strict=True):
        places = layer.shape[2] * layer.shape[3]
        norm = torch.linalg.vector_norm(layer, dim=1, keepdim=True).add_(EPS)
        root = (weight.to(layer) / places).sqrt().view(1, -1, 1, 1)
        # Channels last costs nothing for maps that lie so, and distances do not mind the order.
        out.append(layer.div_(norm).mul_(root).permute(0, 2, 3, 1).flatten(1))
    return out


def _products(vectors: Tensor) -> Tensor:
    """All dot products inside each group, (G, N, D) to (G, N, N); in pieces, which use all cores and round less."""
    groups, count, width = vectors.shape
    pieces = math.gcd(width, PIECES)
    cut = vectors.view(groups, count, pieces, -1).transpose(1, 2).flatten(0, 1)
    return torch.bmm(cut, cut.transpose(1, 2)).view(groups, pieces, count, count).sum(1)


def pair_distances(vectors: Sequence[Tensor], group: int) -> Tensor:
    """Distances of all pairs inside each run of `group` pictures: (N / group, group * (group - 1) / 2) float64.

    Centring each group first keeps the products as small as the distances, so float32 loses nothing by the difference.
    """
    total: Tensor | None = None
    for layer in vectors:
        grouped = layer.view(-1, group, layer.shape[1])
        grouped = grouped - grouped.mean(1, keepdim=True)
        dots = _products(grouped).double()
        squares = dots.diagonal(dim1=1, dim2=2)
        gaps = squares[:, :, None] + squares[:, None, :] - 2 * dots
        total = gaps if total is None else total + gaps
    assert total is not None
    upper = torch.triu_indices(group, group, offset=1)
    return total[:, upper[0], upper[1]].clamp(min=0)


def by_picture(gaps: Tensor, group: int) -> Tensor:
    """(G, group) float64 whose means over a group are those of its pairs (G, P): each picture's part in them.

    The mean pair distance d of a group moves by 2 / group (d_i - d) with picture i, d_i its mean distance to the others
    (Hoeffding 1948, the projection of a U-statistic).
    """
    upper = torch.triu_indices(group, group, offset=1)
    sums = gaps.new_zeros(len(gaps), group)
    for side in upper:
        sums.index_add_(1, side.to(gaps.device), gaps)
    return 2 * sums / (group - 1) - gaps.mean(1, keepdim=True)


@dataclass(frozen=True)
class Diversity:
    """Which perceptual distance is taken, so that a number can carry its name.

    Attributes:
        name: `"LPIPS"` with AlexNet's published weights, another name with any other features.
        maps, weights: as `AlexMaps` gives them.
        size: side that pictures are resized to.
    """

    name: str
    maps: Maps
    weights: Sequence[Tensor]
    size: int
    weights_sha256: str
    licence: str

    @property
    def resize(self) -> str:
        return "torch-bicubic-antialias"

    def describe(self) -> dict[str, object]:
        """Everything that this distance depends on besides the pictures."""
        return {"distance": self.name, "size": self.size, "resize": self.resize, "weights": self.weights_sha256}

    @torch.inference_mode()
    def pairs(self, pictures: Tensor, styles: int) -> Tensor:
        """The distances of all pairs of each face's pictures: (N / styles, P) float64.

        Args:
            pictures: (N, 3, H, W) uint8, the `styles` pictures of each face together.
        """
        device = self.weights[0].device
        return pair_distances(embed(self.maps, self.weights, self.prepare(pictures).to(device)), styles).cpu()

    def of_faces(self, pictures: Tensor, styles: int) -> Tensor:
        """Mean pair distance of each face: (N / styles,) float64."""
        return self.pairs(pictures, styles).mean(1)

    def of_pictures(self, pictures: Tensor, styles: int) -> Tensor:
        """Each picture's part in it: (N / styles, styles) float64."""
        return by_picture(self.pairs(pictures, styles), styles)

    def prepare(self, pictures: Tensor) -> Tensor:
        """uint8 (N, 3, H, W) to float32 in [-1, 1] at this distance's size."""
        if pictures.dtype != torch.uint8:
            raise SuiteError(f"{self.name}: expected uint8 pictures, got {pictures.dtype}")
        x = pictures.float()
        if x.shape[-2:] != (self.size, self.size):
            x = F.interpolate(x, (self.size, self.size), mode="bicubic", antialias=True, align_corners=False)
            x = x.clamp(0, 255)
        return x / 127.5 - 1

    def distance(self, a: Tensor, b: Tensor) -> Tensor:
        """(N,) float64 distances of float32 pictures in [-1, 1], pair by pair; the two sides are embedded together."""
        both = embed(self.maps, self.weights, torch.stack([a, b], 1).flatten(0, 1))
        return pair_distances(both, 2)[:, 0]

    def noise(self, groups: int, styles: int, seed: int = 0) -> float:
        """The same figure for uniform noise: what garbage scores, to read beside a method's figure."""
        draw = torch.Generator().manual_seed(seed)
        pictures = torch.randint(0, 256, (groups * styles, 3, self.size, self.size), generator=draw, dtype=torch.uint8)
        return float(self.of_faces(pictures, styles).mean())


def alex(
    trunk: dict[str, Tensor], trunk_sha256: str, verified: bool, size: int = 256, device: str = "cpu"
) -> Diversity:
    """LPIPS-Alex v0.1 with the linear weights that the `lpips` package carries.

    Args:
        trunk: torchvision AlexNet state dict.
        trunk_sha256: digest of the file it came from.
        verified: whether that file is the published one; else the distance is not called LPIPS.
    """
    linear, linear_sha256 = linear_weights()
    net = AlexMaps(trunk, linear).to(device)
    net.weights = [weight.to(device) for weight in net.weights]
    name = "LPIPS" if verified else f"LPIPS-unverified-{trunk_sha256[:8]}"
    licence = "AlexNet weights: torchvision (BSD-3-Clause); linear weights: LPIPS (BSD-2-Clause)"
    return Diversity(name, net, net.weights, size, f"{trunk_sha256}+{linear_sha256}", licence)


def linear_weights() -> tuple[list[Tensor], str]:
    """The five v0.1 linear weights (1, C, 1, 1) of the installed `lpips` package, and their file's SHA-256."""
    from importlib.util import find_spec

    from suite.files import sha256_file

    spec = find_spec("lpips")
    if spec is None or not spec.submodule_search_locations:
        raise SuiteError("lpips: not installed; pip install lpips")
    path = Path(spec.submodule_search_locations[0]) / "weights" / "v0.1" / "alex.pth"
    state = torch.load(path, map_location="cpu", weights_only=True)
    return [state[f"lin{i}.model.1.weight"] for i in range(5)], sha256_file(path)
