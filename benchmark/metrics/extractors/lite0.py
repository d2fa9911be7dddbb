"""Pretrained features that arrive as a Python package: `FD-lite0`, `KD-lite0` and `diversity-lite0`.

EfficientNet-Lite0's ImageNet features, at half of its training size (112 px), so that two CPU cores read thousands of
pictures in a minute. They are not FID, KID or LPIPS and are never called so.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmark.metrics.extractors.features import Extractor
from benchmark.metrics.lpips import Diversity, pair_distances, scaled
from models.networks.efficientnet_lite import HEAD, REGISTERED, TAP_WIDTHS, EfficientNetLite0, load_lite0
from models.weights.registry import entry

SIZE = 112
# The maps that a perceptual distance compares, of strides 8 to 32: in the finer two a little noise is worth as much as
# another person.
COMPARED = slice(2, None)
REMEMBERED = 3
SHA256, LICENCE = entry(REGISTERED).sha256, entry(REGISTERED).license


class Trunk:
    """EfficientNet-Lite0, which remembers the pictures that it saw last: all that measures them shares one pass.

    A few sets are remembered, for a cell's pictures are measured beside faces, references and answers.

    Args:
        network: opened once for several uses; None opens the installed one.
    """

    def __init__(self, network: EfficientNetLite0 | None = None, device: str = "cpu") -> None:
        self.device = torch.device(device)
        self.network = (network or load_lite0()).to(self.device)
        self._seen: deque[tuple[Tensor, int, list[Tensor]]] = deque(maxlen=REMEMBERED)

    @torch.inference_mode()
    def maps(self, pictures: Tensor, largest: int = 0) -> list[Tensor]:
        """The five maps of uint8 (N, 3, S, S) pictures at 112 px. Not to be written to.

        Args:
            largest: pictures above so many pixels are brought down to them first; 0 leaves them.
        """
        key = largest if largest and pictures.shape[-1] > largest else 0
        for seen, at, maps in self._seen:
            if seen is pictures and at == key:
                return maps
        maps = self.network.maps(self.prepare(brought_to(pictures, key)))
        self._seen.append((pictures, key, maps))
        return maps

    def prepare(self, pictures: Tensor) -> Tensor:
        """(N, 3, S, S) in [0, 255], of any type, to float32 (N, 3, 112, 112) in [-1, 1]."""
        x = pictures.to(self.device).float()
        if x.shape[-2:] != (SIZE, SIZE):
            x = F.interpolate(x, (SIZE, SIZE), mode="bicubic", antialias=True, align_corners=False).clamp_(0, 255)
        return x / 127.5 - 1


def brought_to(pictures: Tensor, largest: int) -> Tensor:
    """Pictures as float32 in [0, 255], at most `largest` px wide (0: as they are), antialiased bicubic."""
    x = pictures.float()
    if largest and x.shape[-1] > largest:
        x = F.interpolate(x, (largest, largest), mode="bicubic", antialias=True, align_corners=False).clamp_(0, 255)
    return x


class Lite0(Extractor):
    """(N, 1280): the mean over places of EfficientNet-Lite0's last features, of pictures at 112 px."""

    name = "lite0"
    fd_name = "FD-lite0"
    kernel_name = "KD-lite0"
    dim = HEAD
    size = SIZE
    resize = "torch-bicubic-antialias"
    weights_sha256 = SHA256
    licence = LICENCE

    def __init__(self, trunk: Trunk | None = None) -> None:
        self.trunk = trunk or Trunk()

    def embed(self, pictures: Tensor) -> Tensor:
        answer: Tensor = self.trunk.network.head_mean(self.trunk.maps(pictures)[-1])
        return answer


def open_lite0(folder: Path | None = None, offline: bool = False, device: str = "cpu") -> Lite0:
    """The installed EfficientNet-Lite0; it arrives as a package, whatever the folder."""
    return Lite0(Trunk(device=device))


@dataclass(frozen=True)
class Lite0Diversity(Diversity):
    """The pair distance of Section 4 over EfficientNet-Lite0's maps of strides 8 to 32, all channels alike."""

    trunk: Trunk

    @torch.inference_mode()
    def vectors(self, pictures: Tensor) -> list[Tensor]:
        """Per map, vectors of uint8 pictures whose squared distances are this distance's terms."""
        return scaled([m.clone() for m in self.trunk.maps(pictures)[COMPARED]], self.weights)

    def pairs(self, pictures: Tensor, styles: int) -> Tensor:
        return pair_distances(self.vectors(pictures), styles).cpu()

    def between(self, pictures: Tensor, others: Sequence[Tensor]) -> Tensor:
        """(N,) float64 distances between uint8 pictures and as many others, given as `vectors` gives them."""
        gaps = [(a - b).square().sum(1).double() for a, b in zip(self.vectors(pictures), others, strict=True)]
        return torch.stack(gaps).sum(0).cpu()


def diversity(trunk: Trunk | None = None) -> Lite0Diversity:
    """`diversity-lite0`."""
    known = trunk or Trunk()
    weights = [torch.ones(width, device=known.device) for width in TAP_WIDTHS[COMPARED]]

    def maps(x: Tensor) -> list[Tensor]:
        return known.network.maps(x)[COMPARED]

    return Lite0Diversity("diversity-lite0", maps, weights, SIZE, SHA256, LICENCE, known)
