"""Input checks shared by operators and networks: one line that says what was given and what is expected."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


def check_float(name: str, x: Tensor) -> None:
    """Raise ValueError unless `x` is a floating tensor that the kernels know."""
    if not isinstance(x, Tensor):
        raise ValueError(f"{name}: given {type(x).__name__}; expected a floating-point tensor")
    if x.dtype not in FLOATS:
        raise ValueError(f"{name}: given dtype {x.dtype}; expected float16, bfloat16, float32 or float64")


def check_shape(name: str, x: Tensor, expected: Sequence[int | str]) -> None:
    """Raise ValueError unless `x` is floating and has this shape; a string stands for any size."""
    check_float(name, x)
    wrong = len(x.shape) != len(expected)
    if not wrong:
        for side, due in zip(x.shape, expected):
            if not isinstance(due, str) and side != due:
                wrong = True
    if wrong:
        due = ", ".join(str(n) for n in expected)
        raise ValueError(f"{name}: given shape {tuple(x.shape)}; expected ({due})")


def check_same_device(name: str, x: Tensor, other_name: str, other: Tensor) -> None:
    """Raise ValueError unless both tensors are on one device."""
    if x.device != other.device:
        raise ValueError(f"{name}: given on {x.device}; expected {other.device}, where {other_name} is")
