"""The only place that chooses how an operator runs, and can say why.

Implementations: `reference` (plain PyTorch), `cpu` (the same mathematics arranged for a processor), `triton` (CUDA kernels).
The choice follows from the operator, the device and the dtype; `use("reference")` or the environment variable
`AAHQ_OPS=reference` overrides it. `record()` lists every choice that was made, for results to keep.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from suite.errors import did_you_mean

ENVIRONMENT = "AAHQ_OPS"
IMPLEMENTATIONS = ("reference", "cpu", "triton")
HAS = {
    "bias_act": ("reference", "cpu", "triton"),
    "upfirdn2d": ("reference", "cpu", "triton"),
    "modulated_conv2d": ("reference", "cpu", "triton"),
    "conv2d": ("reference", "cpu"),
    "gram": ("reference", "triton"),
}
# Kernels that lost to PyTorch's own way where it was measured (`python -m speed.gpu kernels`): operator -> how it was.
NOT_FASTER: dict[str, str] = {}
# torch.compile writes one kernel for these and what surrounds them; an opaque call would stand in its way.
FUSED_BY_COMPILER = frozenset({"bias_act"})


@dataclass(frozen=True)
class Choice:
    """Which implementation an operator runs with, and why."""

    op: str
    implementation: str
    reason: str


_forced: str | None = None
_made: dict[tuple[str, str, torch.dtype, str | None], Choice] = {}


@cache
def triton_missing() -> str | None:
    """Why Triton cannot be used here, or None where it can. Looks for the package without importing it."""
    return None if importlib.util.find_spec("triton") else "triton is not installed"


def _from_environment() -> str | None:
    name = os.environ.get(ENVIRONMENT)
    if name:
        _check_name(f"{ENVIRONMENT} (environment variable)", name)
    return name or None


def _override() -> str | None:
    return _forced if _forced is not None else _from_environment()


def _check_name(what: str, name: str) -> None:
    if name not in IMPLEMENTATIONS:
        raise ValueError(f"{what}: given {name!r}; expected one of {', '.join(IMPLEMENTATIONS)}")


def _decide(op: str, device: str, dtype: torch.dtype, forced: str | None, compiling: bool) -> Choice:
    if op not in HAS:
        raise ValueError(f"dispatch: no operator {op!r}{did_you_mean(op, HAS)}")
    if forced is not None:
        if forced == "triton" and device != "cuda" and os.environ.get("TRITON_INTERPRET") != "1":
            raise ValueError(f"{op}: triton was asked for on {device}; expected a CUDA device or TRITON_INTERPRET=1")
        if forced in HAS[op]:
            return Choice(op, forced, "asked for")
        return Choice(op, "reference", f"{forced} was asked for; this operator has {', '.join(HAS[op])}")
    if device == "cuda":
        missing = triton_missing()
        if missing:
            return Choice(op, "reference", missing)
        if dtype == torch.float64:
            return Choice(op, "reference", "float64 is for checking")
        if compiling and op in FUSED_BY_COMPILER:
            return Choice(op, "reference", "torch.compile fuses it with its neighbours")
        if "triton" not in HAS[op]:
            return Choice(op, "reference", "no kernel of its own")
        if op in NOT_FASTER:
            return Choice(op, "reference", f"its kernel is not faster: {NOT_FASTER[op]}")
        return Choice(op, "triton", "CUDA device")
    if device == "meta" and "cpu" in HAS[op]:
        return Choice(op, "cpu", "shapes alone; keeps for the derivative what the others keep")
    if device == "cpu" and "cpu" in HAS[op]:
        return Choice(op, "cpu", "CPU device")
    return Choice(op, "reference", f"no other form for {device}")


def choose(op: str, x: Tensor) -> str:
    """The implementation for `op` on an input like `x`; decided once for each device, dtype and override."""
    forced = _override()
    if torch.compiler.is_compiling():
        return _decide(op, x.device.type, x.dtype, forced, True).implementation
    key = (op, x.device.type, x.dtype, forced)
    if key not in _made:
        _made[key] = _decide(op, x.device.type, x.dtype, forced, False)
    return _made[key].implementation


def layout(device: torch.device, half: torch.dtype | None = None) -> torch.memory_format:
    """The memory format in which convolutions run fastest: channels-last, but for float32 on a GPU.

    The plain reference keeps the format in which PyTorch makes tensors.
    """
    if _override() == "reference":
        return torch.contiguous_format
    if device.type == "cpu" or half is not None:
        return torch.channels_last
    return torch.contiguous_format


def explain(device: str | torch.device = "cpu", dtype: torch.dtype = torch.float32) -> dict[str, Choice]:
    """What each operator would run with on that device and dtype, and why."""
    forced = _override()
    return {op: _decide(op, torch.device(device).type, dtype, forced, False) for op in HAS}


def record() -> dict[str, str]:
    """Every choice made so far in this process: `{"bias_act cuda float16": "triton (CUDA device)"}`."""
    return {
        f"{op} {device} {str(dtype).removeprefix('torch.')}": f"{choice.implementation} ({choice.reason})"
        for (op, device, dtype, _), choice in sorted(_made.items(), key=lambda item: str(item[0]))
    }


@contextmanager
def use(implementation: str) -> Iterator[None]:
    """Within the block every operator runs with `implementation` where it has it. Not for use inside compiled code."""
    global _forced
    _check_name("dispatch.use", implementation)
    before, _forced = _forced, implementation
    try:
        yield
    finally:
        _forced = before
