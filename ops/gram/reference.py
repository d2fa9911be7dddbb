"""`gram` as one matrix product."""

from __future__ import annotations

from torch import Tensor


def gram_ref(features: Tensor) -> Tensor:
    """The plain form of `gram`: F F^T / (C H W)."""
    batch, channels, height, width = features.shape
    flat = features.reshape(batch, channels, height * width)
    return flat @ flat.transpose(1, 2) / max(channels * height * width, 1)
