"""What a picture costs a method: seconds of its own, and memory besides its weights."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

PROC = Path("/proc")
RESET_PEAK = "5"


@dataclass
class Stopwatch:
    """Adds up what a method takes; what measures its pictures is not in it."""

    seconds: float = 0.0
    pictures: int = 0

    @contextmanager
    def over(self, pictures: int, device: str) -> Iterator[None]:
        """Count the time inside for so many pictures."""
        begun = time.perf_counter()
        yield
        if device.startswith("cuda"):
            torch.cuda.synchronize()
        self.seconds += time.perf_counter() - begun
        self.pictures += pictures


def peak_bytes(make: Callable[[], object], device: str, process: str = "self") -> int | None:
    """The most memory that `make()` holds at once beyond what is held before it; None where the system does not tell.

    On the CPU the growth of a process's resident memory, on CUDA what PyTorch has allocated in this one.

    Args:
        process: whose number grows; this one, or another by its number.
    """
    if device.startswith("cuda") and process != "self":
        return None
    if device.startswith("cuda"):
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        make()
        return torch.cuda.max_memory_allocated() - before
    try:
        # What was freed goes back first: a picture that is made in it would seem to need nothing.
        ctypes.CDLL(None).malloc_trim(0)
        (PROC / process / "clear_refs").write_text(RESET_PEAK)
        before = _resident(process, "VmRSS")
        make()
        return max(0, _resident(process, "VmHWM") - before)
    except (OSError, AttributeError, StopIteration):
        return None


def _resident(process: str, name: str) -> int:
    lines = (PROC / process / "status").read_text().splitlines()
    return 1024 * int(next(line for line in lines if line.startswith(f"{name}:")).split()[1])
