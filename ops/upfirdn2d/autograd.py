"""The derivative of `upfirdn2d`, for every form."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ops.upfirdn2d.geometry import Geometry

Form = Callable[[Tensor, Tensor, Geometry], Tensor]


class Filter(torch.autograd.Function):
    """Linear in x: its derivative is an upfirdn2d again, and so on. PyTorch's own would derive the kernel too."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, kernel: Tensor, shape: Geometry, form: Form) -> Tensor:
        ctx.back, ctx.form = shape.transposed(x.shape[2], x.shape[3], kernel.shape[0], kernel.shape[1]), form
        ctx.save_for_backward(kernel)
        return form(x, kernel, shape)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, None, None, None]:
        (kernel,) = ctx.saved_tensors
        return Filter.apply(g, kernel.flip(0, 1), ctx.back, ctx.form), None, None, None
