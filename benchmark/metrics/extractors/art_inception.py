"""The Inception of ArtFID: torchvision's Inception v3, trained on labelled artworks (Wright & Ommer 2022, Sec. 3.2)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models import inception_v3

from benchmark.metrics.extractors.features import Extractor, published_state
from models.weights.loading import load_state
from models.weights.registry import entry

# The classifiers of artists and of styles, and those that only help training.
HEADS = ("fc1.", "fc2.", "AuxLogits1.", "AuxLogits2.")


class ArtInception(Extractor):
    """(N, 2048) pooled features of pictures in [0, 1], at `size` px; the authors take pictures at their own size.

    Args:
        state: of the published `art_inception.pth`.
        size: side that pictures are brought to; 512 is that of StyleID's evaluation. 0 leaves them as they are.
    """

    name = "art-inception"
    fd_name = "FD-art-inception"
    kernel_name = "KD-art-inception"
    dim = 2048
    resize = "torch-bilinear-antialias to 8 bits"

    def __init__(self, state: Mapping[str, Tensor], sha256: str, device: str = "cpu", size: int = 512) -> None:
        self.weights_sha256, self.licence, self.size = sha256, entry("art-inception").license, size
        self.device = torch.device(device)
        network = inception_v3(weights=None, aux_logits=False, transform_input=False, init_weights=False)
        network.fc = nn.Identity()
        load_state(network, {k: v for k, v in state.items() if not k.startswith(HEADS)}, entry("art-inception").file)
        self.network = network.to(self.device).eval().requires_grad_(False)

    def embed(self, pictures: Tensor) -> Tensor:
        answer: Tensor = self.network(at_size(pictures.to(self.device), self.size).float() / 255)
        return answer


def at_size(pictures: Tensor, size: int) -> Tensor:
    """uint8 (N, 3, S, S) to `size` px as Pillow's bilinear filter does, in 8 bits; 0 leaves them as they are."""
    if not size or pictures.shape[-1] == size:
        return pictures
    x = F.interpolate(pictures.float(), (size, size), mode="bilinear", antialias=True, align_corners=False)
    return x.round().clamp(0, 255).to(torch.uint8)


def open_art_inception(folder: Path | None = None, offline: bool = False, device: str = "cpu") -> ArtInception:
    """The published network."""
    return ArtInception(*published_state("art-inception", "Conv2d_1a_3x3.conv.weight", folder, offline), device)
