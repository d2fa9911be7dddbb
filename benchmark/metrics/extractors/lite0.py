"""Pretrained features that arrive as a Python package: `FD-lite0`, `KD-lite0` and `diversity-lite0`.

EfficientNet-Lite0's ImageNet features, at half of its training size (112 px), so that two CPU cores read thousands of
pictures in a minute. They are not FID, KID or LPIPS and are never called so.
"""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmark.metrics.extractors.features import Extractor
from benchmark.metrics.lpips import Diversity
from models.networks.efficientnet_lite import HEAD, REGISTERED, TAP_WIDTHS, EfficientNetLite0, load_lite0
from models.weights.registry import entry

SIZE = 112


class Lite0(Extractor):
    """(N, 1280): the mean over places of EfficientNet-Lite0's last features, of pictures at 112 px.

    Args:
        network: opened once for several uses; None opens the installed one.
    """

    name = "lite0"
    fd_name = "FD-lite0"
    kernel_name = "KD-lite0"
    dim = HEAD
    size = SIZE
    resize = "torch-bicubic-antialias"
    weights_sha256 = entry(REGISTERED).sha256
    licence = entry(REGISTERED).license

    def __init__(self, network: EfficientNetLite0 | None = None, device: str = "cpu") -> None:
        self.device = torch.device(device)
        self.network = (network or load_lite0()).to(self.device)

    def embed(self, pictures: Tensor) -> Tensor:
        x = pictures.to(self.device).float()
        if x.shape[-2:] != (SIZE, SIZE):
            x = F.interpolate(x, (SIZE, SIZE), mode="bicubic", antialias=True, align_corners=False).clamp_(0, 255)
        answer: Tensor = self.network(x / 127.5 - 1)
        return answer


def open_lite0(folder: Path | None = None, offline: bool = False, device: str = "cpu") -> Lite0:
    """The installed EfficientNet-Lite0; it arrives as a package, whatever the folder."""
    return Lite0(device=device)


def diversity(network: EfficientNetLite0 | None = None, device: str = "cpu") -> Diversity:
    """The pair distance of Section 4 over the network's five maps, all channels alike: `diversity-lite0`."""
    known = (network or load_lite0()).to(device)
    weights = [torch.ones(width, device=device) for width in TAP_WIDTHS]
    return Diversity("diversity-lite0", known.maps, weights, SIZE, Lite0.weights_sha256, Lite0.licence)
