"""Content feature structural distance (Chung et al. 2024, CVPR, arXiv 2312.09008, Sec. 4.2): are places still as alike?

The map relu3_1 of VGG-19 gives every place a vector. A place's row of the picture's self-similarity is the softmax of its
products with all places; CFSD is the Kullback-Leibler divergence from the content picture's rows to the stylised
picture's, summed over places. Styles that repaint every place alike cost little; a moved outline costs much.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmark.metrics.extractors.art_inception import at_size
from benchmark.metrics.extractors.features import checked_weights
from models.networks.vgg import WIDTHS, VGG19Trunk
from models.weights.loading import load_checkpoint
from suite.errors import SuiteError

# relu3_1 in torchvision's `features`; ImageNet's mean and deviation.
LAST = 11
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
SIDE = 512
# Rows of a self-similarity that are held at once: at 512 px it has 16,384 of as many values.
ROWS = 1024


class Cfsd:
    """The distance, of pictures at one size.

    Args:
        trunk: VGG-19 with ImageNet weights.
        sha256: of their file.
        size: side that pictures are brought to; sums over places of two sizes do not compare.
    """

    def __init__(self, trunk: VGG19Trunk, sha256: str, device: str = "cpu", size: int = SIDE) -> None:
        self.sha256, self.size = sha256, size
        self.device = torch.device(device)
        layers: nn.Module = trunk.vgg_layers[: LAST + 1]
        self.layers = layers.to(self.device).eval().requires_grad_(False)
        mean, std = (torch.tensor(part, device=self.device).view(1, 3, 1, 1) for part in (MEAN, STD))
        self._mean, self._std = mean, std

    def describe(self) -> dict[str, Any]:
        """What it depends on besides the pictures."""
        return {"distance": "CFSD", "size": self.size, "weights": self.sha256, "resize": "torch-bilinear-antialias"}

    @torch.inference_mode()
    def maps(self, pictures: Tensor) -> Tensor:
        """(N, 256, size / 4, size / 4) maps of uint8 (N, 3, S, S) pictures.

        Raises:
            SuiteError: another dtype.
        """
        if pictures.dtype != torch.uint8:
            raise SuiteError(f"CFSD: expected uint8 pictures, got {pictures.dtype}")
        x = at_size(pictures.to(self.device), self.size).float() / 255
        answer: Tensor = self.layers((x - self._mean) / self._std)
        return answer

    @torch.inference_mode()
    def between(self, stylised: Tensor, content: Tensor) -> Tensor:
        """(N,) float64 distances of maps as `maps` gives them, pair by pair."""
        return torch.stack([structural_distance(a, b) for a, b in zip(stylised, content, strict=True)]).cpu()


def structural_distance(stylised: Tensor, content: Tensor) -> Tensor:
    """() float64: summed divergence of two maps' (C, H, W) self-similarities, a run of rows at a time."""
    ours, theirs = (m.flatten(1).T / len(m) for m in (stylised, content))
    total = torch.zeros((), dtype=torch.float64, device=ours.device)
    for start in range(0, len(ours), ROWS):
        run = slice(start, start + ROWS)
        own, wanted = (F.log_softmax(m[run] @ m.T, dim=1) for m in (ours, theirs))
        total += F.kl_div(own, wanted, reduction="sum", log_target=True).double()
    return total


def open_cfsd(folder: Path | None = None, offline: bool = False, device: str = "cpu") -> Cfsd:
    """The distance with torchvision's VGG-19."""
    file, sha256 = checked_weights("vgg19", folder, offline)
    trunk = VGG19Trunk(WIDTHS)
    load_checkpoint(file, trunk)
    return Cfsd(trunk, sha256, device)
