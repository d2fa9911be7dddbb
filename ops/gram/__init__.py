"""`gram`: style features (BlendGAN section 3.1; Gatys et al. 2016), in full or as the triangle that determines it."""

from __future__ import annotations

import torch
from torch import Tensor

from ops.checks import check_shape
from ops.dispatch import choose
from ops.gram.reference import gram_ref


def check_gram(features: Tensor) -> None:
    """Raise ValueError unless `features` is (N, C, H, W) floating."""
    check_shape("gram features", features, ("N", "C", "H", "W"))


def triangle_size(channels: int) -> int:
    """How many values determine a (C, C) Gram matrix: C (C + 1) / 2."""
    return channels * (channels + 1) // 2


def triangle_of(matrix: Tensor) -> Tensor:
    """(..., C, C) -> (..., C (C + 1) / 2): the upper triangle with its diagonal, row after row."""
    rows, columns = torch.triu_indices(matrix.shape[-2], matrix.shape[-1], device=matrix.device)
    return matrix[..., rows, columns]


def gram(features: Tensor) -> Tensor:
    """F F^T / (C H W) of (N, C, H, W) feature maps: (N, C, C), symmetric, differentiable to any order.

    Raises:
        ValueError: unless `features` is floating and has four dimensions.
    """
    check_gram(features)
    if choose("gram", features) == "triton":
        from ops.gram.triton import gram_triton

        return gram_triton(features)
    return gram_ref(features)


def gram_triangle(features: Tensor) -> Tensor:
    """The upper triangle of `gram(features)` with its diagonal: (N, C (C + 1) / 2), exactly those values."""
    return triangle_of(gram(features))
