"""Derivatives of a convolution, of any order, that are convolutions themselves.

PyTorch's own second derivative convolves with whole feature maps as filters, and derives depthwise filters one channel
at a time. A convolution is linear in its input and in its filters, so each derivative is one of three forms: the
convolution, its adjoint (to the input) and the correlation of input and output (to the filters).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

_filters_too: ContextVar[bool] = ContextVar("filters_too", default=True)


class Settings(NamedTuple):
    """What a convolution is, but for its operands."""

    stride: int
    padding: int
    transposed: bool

    def forward(self, x: Tensor, weight: Tensor) -> Tensor:
        if self.transposed:
            return F.conv_transpose2d(x, weight, None, self.stride, self.padding)
        return F.conv2d(x, weight, None, self.stride, self.padding)

    def backward(self, g: Tensor, x: Tensor, weight: Tensor, to_input: bool) -> Tensor:
        """The derivative to the input, or to the filters; of the other only the shape is read."""
        stride, padding = [self.stride] * 2, [self.padding] * 2
        wanted = [to_input, not to_input, False]
        gradients = torch.ops.aten.convolution_backward(
            g, x, weight, None, stride, padding, [1, 1], self.transposed, [0, 0], 1, wanted
        )
        return gradients[0 if to_input else 1]


@contextmanager
def input_gradients_only() -> Iterator[None]:
    """Within the block, derivatives do not reach filters: for `autograd.grad` to pictures or latents (R1, path length).

    An autograd function cannot see which of its inputs a call of `autograd.grad` asks for.
    """
    token = _filters_too.set(False)
    try:
        yield
    finally:
        _filters_too.reset(token)


class Convolution(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, settings: Settings) -> Tensor:
        ctx.settings = settings
        ctx.save_for_backward(x, weight)
        return settings.forward(x, weight)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        x, weight = ctx.saved_tensors
        dx = _ToInput.apply(g, weight, x.detach(), ctx.settings) if ctx.needs_input_grad[0] else None
        wanted = ctx.needs_input_grad[1] and _filters_too.get()
        return dx, _ToFilters.apply(g, x, weight.detach(), ctx.settings) if wanted else None, None


class _ToInput(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, g: Tensor, weight: Tensor, like: Tensor, settings: Settings) -> Tensor:
        ctx.settings = settings
        ctx.save_for_backward(g, weight)
        return settings.backward(g, like, weight, to_input=True)

    @staticmethod
    def backward(ctx: Any, gg: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        g, weight = ctx.saved_tensors
        dg = Convolution.apply(gg, weight, ctx.settings) if ctx.needs_input_grad[0] else None
        wanted = ctx.needs_input_grad[1] and _filters_too.get()
        return dg, _ToFilters.apply(g, gg, weight.detach(), ctx.settings) if wanted else None, None, None


class _ToFilters(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, g: Tensor, x: Tensor, like: Tensor, settings: Settings) -> Tensor:
        ctx.settings = settings
        ctx.save_for_backward(g, x)
        return settings.backward(g, x, like, to_input=False)

    @staticmethod
    def backward(ctx: Any, gg: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        g, x = ctx.saved_tensors
        dg = Convolution.apply(x, gg, ctx.settings) if ctx.needs_input_grad[0] else None
        dx = _ToInput.apply(g, gg, x.detach(), ctx.settings) if ctx.needs_input_grad[1] else None
        return dg, dx, None, None
