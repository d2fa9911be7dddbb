"""`modulated_conv2d` on a processor without derivatives: one sample after another, each by its own filters."""

from __future__ import annotations

import torch
from torch import Tensor

from ops.modulated_conv.reference import EPSILON, PLAIN, Resampling, convolve


def modulated_conv2d_folded(
    x: Tensor, weight: Tensor, style: Tensor, demodulate: bool = True, resampling: Resampling = PLAIN
) -> Tensor:
    """The grouped form one sample after another: an ordinary convolution each, with nothing to do to the activations."""
    # Slices keep the memory format, which an index and a new axis would lose.
    rows = [
        convolve(x[n : n + 1], filters(weight, style[n : n + 1], demodulate).to(x.dtype), 1, resampling)
        for n in range(len(x))
    ]
    return rows[0] if len(rows) == 1 else torch.cat(rows)


def filters(weight: Tensor, style: Tensor, demodulate: bool = True) -> Tensor:
    """The filters of one sample: (O, I, k, k) and its style (1, I) -> (O, I, k, k)."""
    bank = weight * style[:, :, None, None]
    if not demodulate:
        return bank
    norm = torch.linalg.vector_norm(
        bank, dim=(1, 2, 3), keepdim=True, dtype=torch.promote_types(bank.dtype, torch.float32)
    )
    factors = (norm.square() + EPSILON).rsqrt().to(bank.dtype)
    return bank * factors if torch.is_grad_enabled() else bank.mul_(factors)
