"""ArcFace's IR-SE50 (Deng et al. 2019), under the keys of the weights that pSp is trained with."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.networks.psp import ir_se50

SIDE = 112


class ArcFace(nn.Module):
    """(N, 3, 112, 112) in [-1, 1], the inner part of an aligned face -> (N, 512) of unit length: who it is."""

    def __init__(self) -> None:
        super().__init__()
        self.input_layer, self.body = ir_se50()
        self.output_layer = nn.Sequential(
            nn.BatchNorm2d(512), nn.Dropout(0.6), nn.Flatten(), nn.Linear(512 * 7 * 7, 512), nn.BatchNorm1d(512)
        )

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[1:] != (3, SIDE, SIDE):
            raise ValueError(f"ArcFace: given {tuple(x.shape)}; expected (N, 3, {SIDE}, {SIDE}) in [-1, 1]")
        x = self.body(self.input_layer(x.contiguous(memory_format=torch.channels_last)))
        return F.normalize(self.output_layer(x), dim=1)
