"""Seconds of work on a device: by its events on a GPU, where calls return before the work is done."""

from __future__ import annotations

import statistics
from collections.abc import Callable

import torch

from speed.run import seconds as wall_seconds


def seconds(work: Callable[[], object], device: torch.device, most: float, rounds: int = 25) -> float:
    """Median seconds of one call, after two that do not count.

    Args:
        most: seconds to spend on it; at least three rounds are taken. 0 is a rehearsal: one call is all.
        rounds: most rounds.
    """
    if not most:
        return once(work, device)
    work()
    first = once(work, device)
    return statistics.median(once(work, device) for _ in range(max(3, min(rounds, int(most / max(first, 1e-9))))))


def once(work: Callable[[], object], device: torch.device) -> float:
    """Seconds of one call, for work that was done before and is long enough."""
    return _on_gpu(work) if device.type == "cuda" else wall_seconds(work)


def _on_gpu(work: Callable[[], object]) -> float:
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    torch.cuda.synchronize()
    start.record()
    work()
    end.record()
    torch.cuda.synchronize()
    return float(start.elapsed_time(end)) / 1000


def peak_gigabytes(work: Callable[[], object], device: torch.device) -> float:
    """Most device memory in use by tensors during one call, GB; 0 on the CPU, where PyTorch does not count."""
    if device.type != "cuda":
        work()
        return 0.0
    torch.cuda.reset_peak_memory_stats()
    work()
    torch.cuda.synchronize()
    return torch.cuda.max_memory_allocated() / 1e9
