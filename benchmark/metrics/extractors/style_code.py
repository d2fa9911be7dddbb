"""Style by BlendGAN's own style encoder: what BlendGAN is trained to follow, so that it flatters BlendGAN."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from benchmark.metrics.extractors.features import Extractor, checked_weights
from models.networks.style_encoder import StyleEncoder
from models.training.style_encoder import load_encoder
from models.weights.registry import entry


class StyleCode(Extractor):
    """(N, style_dim) codes of a style encoder; the code of a picture is compared with that of its reference.

    Args:
        name: says whose encoder it is; distances and cosines carry it.
    """

    size = 0
    resize = "inside the style encoder"

    def __init__(self, encoder: StyleEncoder, name: str, sha256: str, licence: str, device: str = "cpu") -> None:
        self.name, self.weights_sha256, self.licence = name, sha256, licence
        self.fd_name, self.kernel_name = f"FD-{name}", f"KD-{name}"
        self.dim = encoder.style_dim
        self.device = torch.device(device)
        self.network = encoder.to(self.device).eval().requires_grad_(False)

    def embed(self, pictures: Tensor) -> Tensor:
        answer: Tensor = self.network(pictures.to(self.device).float() / 127.5 - 1)
        return answer


def _open(name: str, weights: str, folder: Path | None, offline: bool, device: str) -> StyleCode:
    file, sha256 = checked_weights(weights, folder, offline)
    return StyleCode(load_encoder(file), name, sha256, entry(weights).license, device)


def open_published(folder: Path | None = None, offline: bool = False, device: str = "cpu") -> StyleCode:
    """The style encoder that BlendGAN's authors published."""
    return _open("style-encoder", "style_encoder", folder, offline, device)


def open_painted(folder: Path | None = None, offline: bool = False, device: str = "cpu") -> StyleCode:
    """The style encoder of this project's BlendGAN on painted portraits, which comes with the package."""
    return _open("painted-style-encoder", "painted", folder, offline, device)
