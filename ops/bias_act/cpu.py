"""`bias_act` on a processor: the reference step by step in one buffer.

Fresh memory costs a processor more than the arithmetic.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from ops.bias_act.autograd import Curve, Form


def forward(x: Tensor, b: Tensor | None, noise: Tensor | None, curve: Curve, out: Tensor | None = None) -> Tensor:
    """The result, in `out` where it is given, which may be x."""
    slope, gain, clamp = curve
    y = torch.empty_like(x) if out is None else out
    row = None if b is None else b.reshape(1, -1, *[1] * (x.ndim - 2))
    terms = [term.to(x.dtype) for term in (noise, row) if term is not None]
    # The gain is positive, so it may come before the activation: with the first sum, which passes over x anyway.
    if terms:
        torch.add(terms[0] * gain, x, alpha=gain, out=y)
    elif gain != 1 or y is not x:
        torch.mul(x, gain, out=y)
    for term in terms[1:]:
        y.add_(term * gain)
    if slope != 1:
        F.leaky_relu_(y, slope)
    return y if clamp is None else y.clamp_(-clamp, clamp)


def backward(g: Tensor, y: Tensor, curve: Curve) -> Tensor:
    """g times the derivative of the activation where it gave y."""
    dx = torch.ops.aten.leaky_relu_backward(g, y, curve.slope, True).mul_(curve.gain)
    return dx if curve.clamp is None else dx.mul_(y.abs() < y.new_tensor(curve.clamp))


FORM = Form(forward, backward)
