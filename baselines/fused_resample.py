"""Resampling folded into convolutions. Every fold is exact algebra: only the rounding differs from the layers in turn.

New kernels are sums of old taps, so each is one small matrix product with the channels innermost, and differentiates
(twice, too) like the layers that it stands for.
"""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.weak import WeakIdKeyDictionary

# Below these sides folding the kernel costs more than the products that it saves (measured, one core, 128-512 wide).
FOLD_3, FOLD_5 = 32, 12


# Folded kernels of weights that nothing trains, until their values or their place change.
_KEPT: MutableMapping[Tensor, tuple[tuple[Any, ...], Tensor]] = WeakIdKeyDictionary()


def _once(weight: Tensor, fold: Callable[[Tensor], Tensor]) -> Tensor:
    """`fold(weight)`, computed once for inference; in training it is part of the graph."""
    if (torch.is_grad_enabled() and weight.requires_grad) or weight.is_inference() or torch.compiler.is_compiling():
        return fold(weight)
    state = (fold, weight._version, weight.data_ptr(), weight.dtype, weight.device)
    kept = _KEPT.get(weight)
    if kept is None or kept[0] != state:
        # Not an inference tensor: a later call may differentiate through the picture.
        with torch.inference_mode(False), torch.no_grad():
            _KEPT[weight] = kept = (state, fold(weight.detach()))
    return kept[1]


def _sums(weight: Tensor, lines: list[list[int]]) -> Tensor:
    """(O, I, k, k) -> (O, n, n, I): tap (a, b) is the sum of the old taps of rows `lines[a]` and columns `lines[b]`."""
    wide, narrow, k, _ = weight.shape
    one = weight.new_tensor([[float(tap in line) for tap in range(k)] for line in lines])
    taps = torch.kron(one, one)
    return (taps @ weight.permute(0, 2, 3, 1).reshape(wide, k * k, narrow)).view(wide, len(one), len(one), narrow)


def _both(weight: Tensor) -> Tensor:
    """The kernel convolved with a 2x2 box of ones: (O, I, k, k) -> (O, I, k + 1, k + 1)."""
    k = weight.shape[-1]
    return _sums(weight, [[tap - 1, tap] for tap in range(k + 1)]).permute(0, 3, 1, 2)


def _pooled(weight: Tensor) -> Tensor:
    return _both(weight) / 4


def _transposed(weight: Tensor) -> Tensor:
    return _both(weight.flip(2, 3)).transpose(0, 1)


def _phases(weight: Tensor) -> Tensor:
    """The four output phases' 3x3 kernels of a 5x5 one: (O, I, 5, 5) -> (4 O, I, 3, 3)."""
    wide, narrow = weight.shape[:2]
    lines = [[0, 1], [2, 3], [4], [0], [1, 2], [3, 4]]  # what rows -1, 0 and 1 gather, for output rows 0 and 1
    kernels = _sums(weight, lines).view(wide, 2, 3, 2, 3, narrow).permute(1, 3, 0, 2, 4, 5).flatten(0, 2)
    return kernels.permute(0, 3, 1, 2)


def conv_then_pool(x: Tensor, weight: Tensor, bias: Tensor | None, padding: int) -> Tensor:
    """`avg_pool2d(conv2d(x, weight, bias, padding=padding), 2)` as one stride-2 convolution: 16 products for 36 at 3x3."""
    if min(x.shape[-2:]) < FOLD_3:
        return F.avg_pool2d(F.conv2d(x, weight, bias, padding=padding), 2)
    return F.conv2d(x, _once(weight, _pooled), bias, stride=2, padding=padding)


def upsample_then_conv(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Nearest x2, then a zero-padded odd k x k convolution of the same size, as one transposed convolution.

    16 products a pixel for 36 at 3x3. (N, I, H, W), (O, I, k, k) -> (N, O, 2H, 2W).
    """
    pad = weight.shape[-1] // 2
    if min(x.shape[-2:]) < FOLD_3:
        return F.conv2d(F.interpolate(x, scale_factor=2), weight, bias, padding=pad)
    return F.conv_transpose2d(x, _once(weight, _transposed), bias, stride=2, padding=pad)


def upsample_then_reflect_conv(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Nearest x2, reflection padding, then a 3x3 or 5x5 convolution of the same size: 16 products for 36, or 36 for 100.

    A doubled picture repeats each pixel, so that its reflection by one line is the small picture's repeated border.
    """
    side, small = weight.shape[-1], min(x.shape[-2:])
    if small < (FOLD_3 if side == 3 else FOLD_5):
        return F.conv2d(F.pad(F.interpolate(x, scale_factor=2), (side // 2,) * 4, mode="reflect"), weight, bias)
    around = F.pad(x, (1, 1, 1, 1), mode="replicate")
    if side == 3:
        return F.conv_transpose2d(around, _once(weight, _transposed), bias, stride=2, padding=3)
    return _reflected_5(x, around, weight, bias)


def _reflected_5(x: Tensor, around: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """The 5x5 case: each of the four output phases is a 3x3 convolution of the small picture.

    Its border is repeated where reflection would mirror, which differs in the outermost line of padding alone; that line
    meets one line of the kernel and one of the output, whose difference is added.
    """
    count, _, height, width = x.shape
    wide = len(weight)
    phases = F.conv2d(around, _once(weight, _phases), None if bias is None else bias.repeat(4))
    # Rows of pixels of one row phase lie together: (N, H, W, 2, 2 O) -> (N, 2H, 2W, O).
    out = phases.permute(0, 2, 3, 1).reshape(count, height, width, 2, 2 * wide).transpose(2, 3)
    out = out.reshape(count, 2 * height, 2 * width, wide)
    rows, columns = x.permute(0, 2, 3, 1), x.permute(0, 3, 2, 1)
    down, right = weight.permute(2, 0, 3, 1), weight.permute(3, 0, 2, 1)
    borders = (
        _missing_row(rows[:, 1], rows[:, 0], down[0]),
        _missing_row(rows[:, -2], rows[:, -1], down[-1]),
        _missing_column(columns[:, 1], columns[:, 0], right[0]),
        _missing_column(columns[:, -2], columns[:, -1], right[-1]),
    )
    return _AddBorders.apply(out, *borders).permute(0, 3, 1, 2)


def _missing_row(inner: Tensor, edge: Tensor, line: Tensor) -> Tensor:
    """What mirroring adds to an outer row: (N, n, I) next and outermost row, (O, 5, I) of the kernel -> (N, 2n, O)."""
    repeated = _doubled(edge, 2)
    mirrored = repeated.clone()
    mirrored[0], mirrored[-1] = 1, edge.shape[1] - 2
    return _along(inner.index_select(1, mirrored) - edge.index_select(1, repeated), line)


def _missing_column(inner: Tensor, edge: Tensor, line: Tensor) -> Tensor:
    """The same for columns, without the corners, which the rows hold."""
    return _along(F.pad((inner - edge).index_select(1, _doubled(edge, 1)), (0, 0, 1, 1)), line)


def _doubled(line: Tensor, by: int) -> Tensor:
    """Places in a line (N, n, I) that give each pixel twice, and its ends `by` times more."""
    last = line.shape[1] - 1
    return (torch.arange(-by, 2 * last + 2 + by, device=line.device) // 2).clamp(0, last)


def _along(line: Tensor, kernel: Tensor) -> Tensor:
    """A one-dimensional convolution: (N, n + 4, I), (O, 5, I) -> (N, n, O)."""
    return F.linear(line.unfold(1, 5, 1).transpose(2, 3).flatten(2), kernel.flatten(1))


class _AddBorders(torch.autograd.Function):
    """Adds to the four outer lines of (N, H, W, C) in place; as slices, each would copy the whole gradient."""

    @staticmethod
    def forward(ctx: Any, out: Tensor, top: Tensor, bottom: Tensor, left: Tensor, right: Tensor) -> Tensor:
        ctx.mark_dirty(out)
        out[:, 0] += top
        out[:, -1] += bottom
        out[:, :, 0] += left
        out[:, :, -1] += right
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, ...]:
        return grad, grad[:, 0], grad[:, -1], grad[:, :, 0], grad[:, :, -1]
