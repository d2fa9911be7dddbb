"""Identity by ArcFace, as its authors trained it: the second opinion beside dlib's. Optional: needs its weights."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmark.metrics.extractors.features import Extractor, published_state
from models.networks.iresnet import SIDE, IResNet
from models.weights.loading import load_state
from models.weights.registry import entry

# Left, top and side of the part of an FFHQ-aligned picture that lies as ArcFace's own aligned faces do (eyes and mouth
# within 3 of its 112 px), in 256ths: the crop of pSp's identity loss.
CROP = (32, 35, 188)


class ArcFace(Extractor):
    """(N, 512) embeddings of aligned faces; their cosine says whether two are one person.

    The crop is fixed: pictures are aligned already, and a detector misses stylised faces.

    Args:
        state: of the authors' `backbone.pth` (any depth).
    """

    name = "arcface"
    fd_name = "FD-arcface"
    kernel_name = "KD-arcface"
    size = SIDE
    resize = "torch-bicubic-antialias of the central face crop"

    def __init__(self, state: Mapping[str, Tensor], sha256: str, device: str = "cpu") -> None:
        self.weights_sha256, self.licence = sha256, entry("arcface").license
        self.device = torch.device(device)
        network = IResNet.of(state)
        load_state(network, state, entry("arcface").file)
        self.dim = network.dim
        self.network = network.to(self.device).to(memory_format=torch.channels_last).eval().requires_grad_(False)

    def embed(self, pictures: Tensor) -> Tensor:
        left, top, span = (round(part * pictures.shape[-1] / 256) for part in CROP)
        x = pictures[:, :, top : top + span, left : left + span].to(self.device).float()
        if span != SIDE:
            x = F.interpolate(x, (SIDE, SIDE), mode="bicubic", antialias=True, align_corners=False).clamp(0, 255)
        answer: Tensor = self.network(x / 127.5 - 1)
        return answer


def open_arcface(folder: Path | None = None, offline: bool = False, device: str = "cpu") -> ArcFace:
    """ArcFace with its authors' weights."""
    return ArcFace(*published_state("arcface", "features.running_mean", folder, offline), device)
