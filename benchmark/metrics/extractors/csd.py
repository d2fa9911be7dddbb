"""CSD, the contrastive style descriptor: how alike two pictures' styles are. Optional: needs its weights (2.4 GB).

Somepalli et al. 2024 (arXiv 2404.01292). Its authors say in their README (October 2024) that the weights they uploaded do
not give the numbers of their paper; they had not said more when this was written.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from benchmark.metrics.extractors.features import published_state
from benchmark.metrics.extractors.transformer_features import CLIP_PIXELS, NormalisedPixels
from models.networks.clip_vision import StyleDescriptor, own_names
from models.weights.loading import load_state
from models.weights.registry import entry


class Csd(NormalisedPixels):
    """(N, 768) style descriptors of unit length.

    Args:
        state: of the published checkpoint: a CLIP ViT without projection, and the heads of style and content.
    """

    name = "csd"
    fd_name = "FD-csd"
    kernel_name = "KD-csd"

    def __init__(self, state: Mapping[str, Tensor], sha256: str, device: str = "cpu") -> None:
        network = StyleDescriptor.of(state)
        load_state(network, own_names(state), entry("csd").file)
        self.size, self.dim = network.backbone.side, network.last_layer_style.shape[1]
        self.licence = entry("csd").license
        super().__init__(network.float(), sha256, CLIP_PIXELS, device)

    def embed(self, pictures: Tensor) -> Tensor:
        answer: Tensor = self.network(self.pixels(pictures))
        return answer


def open_csd(folder: Path | None = None, offline: bool = False, device: str = "cpu") -> Csd:
    """CSD ViT-L with its authors' weights."""
    return Csd(*published_state("csd", "last_layer_style", folder, offline), device)
