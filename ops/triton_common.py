"""What the kernels share: dense memory formats and the device a launch goes to."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor

# What a program handles; the interpreter's tests try others.
BLOCK = 1024


def is_channels_last(x: Tensor) -> bool:
    """Whether a 4-D tensor is stored pixel by pixel (and not also channel by channel)."""
    return x.ndim == 4 and not x.is_contiguous() and x.is_contiguous(memory_format=torch.channels_last)


def dense(x: Tensor, like: Tensor | None = None) -> Tensor:
    """`x` without gaps: in the format of `like` if given, else in its own, else channel by channel."""
    model = x if like is None else like
    if is_channels_last(model):
        return x.contiguous(memory_format=torch.channels_last)
    return x.contiguous()


def on_device(x: Tensor) -> AbstractContextManager[object]:
    """Launches inside the block go to x's GPU; nothing to do for the interpreter's CPU tensors."""
    return torch.cuda.device(x.device) if x.is_cuda else nullcontext()
