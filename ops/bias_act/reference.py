"""`bias_act` as the paper writes it."""

from __future__ import annotations

import math

from torch import Tensor
from torch.nn import functional as F

ROOT_2 = math.sqrt(2)


def bias_act_ref(
    x: Tensor,
    b: Tensor | None = None,
    slope: float = 0.2,
    gain: float = ROOT_2,
    clamp: float | None = None,
    noise: Tensor | None = None,
) -> Tensor:
    """The plain form of `bias_act`; any order of derivative through PyTorch's own."""
    if noise is not None:
        x = x + noise.to(x.dtype)
    if b is not None:
        x = x + b.to(x.dtype).reshape(1, -1, *[1] * (x.ndim - 2))
    if slope != 1:
        x = F.leaky_relu(x, slope)
    if gain != 1:
        x = x * gain
    return x if clamp is None else x.clamp(-clamp, clamp)
