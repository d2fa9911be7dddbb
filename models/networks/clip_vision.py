"""CLIP's vision transformer (Radford et al. 2021, arXiv 2103.00020, Sec. 2.4), and CSD's style head on it."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# Channels of one attention head, in every CLIP of OpenAI's.
HEAD = 64
# OpenAI's names of a block's parts, and PyTorch's.
RENAMED = (
    ("transformer.resblocks.", "blocks."),
    (".attn.", ".self_attn."),
    (".ln_1.", ".norm1."),
    (".ln_2.", ".norm2."),
    (".mlp.c_fc.", ".linear1."),
    (".mlp.c_proj.", ".linear2."),
)


def quick_gelu(x: Tensor) -> Tensor:
    """The cheap approximation of GELU that CLIP was trained with."""
    return x * torch.sigmoid(1.702 * x)


class ClipVision(nn.Module):
    """(N, 3, side, side) normalised pictures -> (N, width): the class token after the last norm.

    Args:
        side: of the pictures; patch: of a patch, in pixels.
        width, layers: of the transformer; it has a head for every 64 channels.
    """

    def __init__(self, side: int = 224, patch: int = 14, width: int = 1024, layers: int = 24) -> None:
        super().__init__()
        self.side = side
        self.conv1 = nn.Conv2d(3, width, patch, patch, bias=False)
        self.class_embedding = nn.Parameter(torch.zeros(width))
        self.positional_embedding = nn.Parameter(torch.zeros((side // patch) ** 2 + 1, width))
        self.ln_pre, self.ln_post = nn.LayerNorm(width), nn.LayerNorm(width)
        self.blocks = nn.ModuleList(
            nn.TransformerEncoderLayer(
                width, width // HEAD, 4 * width, 0.0, quick_gelu, batch_first=True, norm_first=True
            )
            for _ in range(layers)
        )

    def forward(self, x: Tensor) -> Tensor:
        patches = self.conv1(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.class_embedding.expand(len(x), 1, -1), patches], 1) + self.positional_embedding
        x = self.ln_pre(x)
        for block in self.blocks:
            x = block(x)
        return self.ln_post(x[:, 0])


class StyleDescriptor(nn.Module):
    """CSD (Somepalli et al. 2024, arXiv 2404.01292, Sec. 4): CLIP's class token through the style head, of unit length.

    (N, 3, side, side) normalised pictures -> (N, dim).
    """

    def __init__(self, backbone: ClipVision, dim: int = 768) -> None:
        super().__init__()
        self.backbone = backbone
        self.last_layer_style = nn.Parameter(torch.zeros(backbone.class_embedding.numel(), dim))

    @classmethod
    def of(cls, state: Mapping[str, Tensor]) -> StyleDescriptor:
        """The network that a published state dict's shapes tell of.

        Raises:
            KeyError: a state dict of something else.
        """
        width, _, patch, _ = state["backbone.conv1.weight"].shape
        side = patch * round((len(state["backbone.positional_embedding"]) - 1) ** 0.5)
        layers = len({key.split(".")[3] for key in state if key.startswith("backbone.transformer.resblocks.")})
        return cls(ClipVision(side, patch, width, layers), state["last_layer_style"].shape[1])

    def forward(self, x: Tensor) -> Tensor:
        return F.normalize(self.backbone(x) @ self.last_layer_style, dim=1)


def own_names(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A published state dict under the names of `StyleDescriptor`; the head of content, which no metric uses, is left out."""
    out = {}
    for key, value in state.items():
        if key == "last_layer_content":
            continue
        for theirs, ours in RENAMED:
            key = key.replace(theirs, ours)
        out[key] = value
    return out
