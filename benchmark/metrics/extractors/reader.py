"""A reader of painted portraits: embeddings of who is painted, and of the style, that blur and compression do not move.

Two small heads on EfficientNet-Lite0's frozen maps, trained by contrast on painted portraits (`benchmark.run.train_reader`):
the same person in other styles and moments, the same style on other people. Pictures are brought to at most 64 px first,
so that a reader of 128 px pictures sees no more than one of 64 px.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmark.data_files import READER
from benchmark.metrics.extractors.lite0 import SHA256, Trunk, brought_to
from models.networks.efficientnet_lite import TAP_WIDTHS
from suite.errors import SuiteError
from suite.files import sha256_file

LARGEST = 64
DIM = 64
HIDDEN = 384
BINS = 4
GRAM_TAPS = 2
# 7 x 7 places, where the map of stride 16 has its own and the one of stride 8 is pooled.
PLACES = 7
PLACE_CHANNELS = TAP_WIDTHS[2] + TAP_WIDTHS[3]
STATISTICS = 2 * sum(TAP_WIDTHS) + sum(w * (w + 1) // 2 for w in TAP_WIDTHS[:GRAM_TAPS]) + BINS**3 + 6
LICENCE = "Apache-2.0, trained on this project's own painted portraits (CC0) over EfficientNet-Lite0 (Apache-2.0)"


def style_statistics(x: Tensor, maps: Sequence[Tensor]) -> Tensor:
    """(N, STATISTICS): what of a picture does not depend on places: map statistics, Gram matrices, colours.

    Args:
        x: (N, 3, S, S) float32 in [0, 255]. maps: EfficientNet-Lite0's five maps of it.
    """
    parts = [part for m in maps for part in (m.mean((2, 3)), m.flatten(2).std(2))]
    for m in maps[:GRAM_TAPS]:
        flat = m.flatten(2)
        gram = flat @ flat.transpose(1, 2) / flat.shape[2]
        above = torch.triu_indices(m.shape[1], m.shape[1], device=m.device)
        parts.append(gram[:, above[0], above[1]])
    colours = x / 255
    parts += [colour_histogram(colours).sqrt(), colours.mean((2, 3)), colours.flatten(2).std(2)]
    return torch.cat(parts, 1)


def colour_histogram(colours: Tensor) -> Tensor:
    """(N, BINS^3) shares of the pixels (N, 3, H, W) in [0, 1] by colour, each pixel shared between its nearest bins."""
    at = colours.clamp(0, 1).flatten(2) * (BINS - 1)
    nodes = torch.arange(BINS, device=at.device, dtype=at.dtype)
    weights = (1 - (at[..., None] - nodes).abs()).clamp(min=0)  # (N, 3, P, BINS)
    red, green, blue = weights.unbind(1)
    joint = torch.einsum("npa,npb,npc->nabc", red, green, blue)
    return joint.flatten(1) / at.shape[2]


def identity_places(maps: Sequence[Tensor]) -> Tensor:
    """(N, PLACE_CHANNELS, 7, 7): what stands where."""
    return torch.cat([F.adaptive_avg_pool2d(maps[2], PLACES), F.adaptive_avg_pool2d(maps[3], PLACES)], 1)


class StyleHead(nn.Module):
    """(N, STATISTICS) -> unit vectors (N, DIM)."""

    mean: Tensor
    std: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(STATISTICS))
        self.register_buffer("std", torch.ones(STATISTICS))
        self.layers = nn.Sequential(
            nn.Dropout(0.2),
            nn.Linear(STATISTICS, HIDDEN),
            nn.GELU(),
            nn.Dropout(0.2),
            nn.Linear(HIDDEN, HIDDEN),
            nn.GELU(),
            nn.Linear(HIDDEN, DIM),
        )

    def forward(self, statistics: Tensor) -> Tensor:
        x = ((statistics - self.mean) / self.std).clamp(-6, 6)
        return F.normalize(self.layers(x), dim=1)


class IdentityHead(nn.Module):
    """(N, PLACE_CHANNELS, 7, 7) -> unit vectors (N, DIM)."""

    mean: Tensor
    std: Tensor

    def __init__(self, narrow: int = 32) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(PLACE_CHANNELS, 1, 1))
        self.register_buffer("std", torch.ones(PLACE_CHANNELS, 1, 1))
        self.layers = nn.Sequential(
            nn.Dropout(0.1),
            nn.Conv2d(PLACE_CHANNELS, narrow, 1),
            nn.GELU(),
            nn.Flatten(),
            nn.Dropout(0.2),
            nn.Linear(narrow * PLACES**2, HIDDEN),
            nn.GELU(),
            nn.Linear(HIDDEN, DIM),
        )

    def forward(self, places: Tensor) -> Tensor:
        return F.normalize(self.layers(((places - self.mean) / self.std).clamp(-6, 6)), dim=1)


class Heads(nn.Module):
    """Both heads: what is trained, shipped and loaded."""

    def __init__(self) -> None:
        super().__init__()
        self.style, self.identity = StyleHead(), IdentityHead()


@dataclass(frozen=True)
class Reader:
    """The trained heads on their trunk.

    Attributes:
        card: as trained: `world` of the portraits, `judged` sizes with the retrieval accuracy of each, and how.
        sha256: of the heads' file.
    """

    heads: Heads
    trunk: Trunk
    card: dict[str, Any]
    sha256: str

    def check(self, size: int, world: str) -> None:
        """Refuse pictures that this reader was not judged on.

        Raises:
            SuiteError: says which sizes or which world it was judged on.
        """
        sizes = sorted(int(known) for known in self.card["judged"])
        if size not in sizes:
            raise SuiteError(
                f"reader: judged at {', '.join(map(str, sizes))} px, not at {size}; no retrieval is scored"
            )
        if world != self.card["world"]:
            raise SuiteError(
                f"reader: judged on the world {self.card['world']!r}, not on {world!r}; no retrieval is scored"
            )

    def describe(self) -> dict[str, object]:
        """What its embeddings depend on besides the pictures."""
        return {"reader": "style and identity", "weights": self.sha256, "trunk": SHA256, "largest": LARGEST}

    @torch.inference_mode()
    def style(self, pictures: Tensor) -> Tensor:
        """(N, DIM) unit vectors of uint8 pictures: their styles."""
        maps = self.trunk.maps(pictures, LARGEST)
        return self.heads.style(style_statistics(brought_to(pictures, LARGEST).to(maps[0].device), maps)).cpu()

    @torch.inference_mode()
    def identity(self, pictures: Tensor) -> Tensor:
        """(N, DIM) unit vectors of uint8 pictures: their people."""
        return self.heads.identity(identity_places(self.trunk.maps(pictures, LARGEST))).cpu()


def load_reader(trunk: Trunk | None = None, path: Path = READER) -> Reader:
    """The trained reader.

    Raises:
        SuiteError: no such file, or not one that `aahq-bench train-reader` wrote.
    """
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise SuiteError(f"{path}: not here; train it with 'aahq-bench train-reader'")
    try:
        with safe_open(str(path), framework="pt") as source:
            card = json.loads((source.metadata() or {})["reader"])
            state = {key: source.get_tensor(key).float() for key in source.keys()}  # noqa: SIM118
        heads = Heads()
        heads.load_state_dict(state)
    except (SafetensorError, KeyError, ValueError, RuntimeError) as error:
        raise SuiteError(f"{path}: not a reader ({str(error).splitlines()[0]})") from None
    known = trunk or Trunk()
    heads.eval().requires_grad_(False).to(known.device)
    return Reader(heads, known, card, sha256_file(path))
