"""The style encoder on half the Gram weights, against the full, unfolded layer as the published module computes it."""

from __future__ import annotations

import math
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.data.pictures import read_picture
from models.networks.style_encoder import SIDE, StyleEncoder
from speed.run import Row, ratio

PICTURES = Path(__file__).resolve().parents[2] / "shared" / "data" / "art"


class Unfolded(nn.Module):
    """The same function with the whole 610,304-wide weight, scaled at each call, and whole Gram matrices."""

    def __init__(self, encoder: StyleEncoder) -> None:
        super().__init__()
        first = encoder.embedder_mlp[0]
        self.trunk = encoder.embedder.feature_extractor
        self.rest = encoder.embedder_mlp[1:]
        self.weight = nn.Parameter(first.state_dict()["weight"])
        self.bias = nn.Parameter(first.state_dict()["bias"])

    def forward(self, image: Tensor) -> Tensor:
        grams = []
        for tap in self.trunk(F.adaptive_avg_pool2d(image, SIDE)):
            flat = tap.flatten(2)
            grams.append((flat @ flat.transpose(1, 2) / flat[0].numel()).flatten(1))
        x = F.linear(torch.cat(grams, 1), self.weight * (1 / math.sqrt(self.weight.shape[1])))
        return self.rest(F.leaky_relu(x + self.bias, 0.2) * math.sqrt(2))


def rows() -> list[Row]:
    """Time and memory of one picture and of four."""
    torch.manual_seed(0)
    encoder = StyleEncoder().eval().requires_grad_(False)
    plain = Unfolded(encoder).eval().requires_grad_(False)
    made = [read_picture(path, 512) for path in sorted(PICTURES.glob("*"))[:4]] if PICTURES.is_dir() else []
    pictures = torch.stack(made) if len(made) == 4 else torch.rand(4, 3, 512, 512) * 2 - 1
    out = []
    with torch.inference_mode():
        error = float((encoder(pictures) - plain(pictures)).abs().max() / plain(pictures).abs().max())
        for count in (1, 4):
            batch = pictures[:count]
            times, ours, _ = ratio(lambda batch=batch: encoder(batch), lambda batch=batch: plain(batch))
            note = (
                f"the whole weight, scaled at each call; {ours:.2f} s here; codes differ by {error:.1e} of the largest"
            )
            out.append(Row(f"style code, {count} x 512 px", times, "x faster", "at least 1", note, times >= 1))
    half = encoder.embedder_mlp[0].weight
    share = half.numel() * half.element_size() / (plain.weight.numel() * plain.weight.element_size())
    megabytes = half.numel() * half.element_size() / 1e6
    note = f"{megabytes:.0f} MB instead of {megabytes / share:.0f} MB for the first layer"
    out.append(Row("style encoder, first layer's weight", share, "of the memory", "about 0.5", note, share < 0.505))
    return out
