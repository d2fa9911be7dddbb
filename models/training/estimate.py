"""Estimates before a run starts: peak memory by tracing a step without data, speed by timing real steps."""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten

from models.training import parallel
from models.training.rng import StepRNG
from models.training.training_module import Batch, TrainingModule

TIMED_SECONDS = 20.0


class LiveBytes(TorchDispatchMode):
    """Counts the bytes of all tensor storages alive, and their peak. Works on the `meta` device, where nothing is allocated."""

    def __init__(self) -> None:
        super().__init__()
        self.live = self.peak = 0
        self._seen: weakref.WeakSet[Any] = weakref.WeakSet()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        for leaf in tree_flatten(out)[0]:
            if isinstance(leaf, Tensor):
                self._count(leaf)
        return out

    def _count(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        if storage in self._seen:
            return
        self._seen.add(storage)
        size = storage.nbytes()
        self.live += size
        self.peak = max(self.peak, self.live)
        weakref.finalize(storage, self._drop, size)

    def _drop(self, size: int) -> None:
        self.live -= size


@dataclass(frozen=True)
class Traced:
    """What two steps need, in bytes.

    Attributes:
        peak: of all tensors at once.
        checkpoint: what every checkpoint writes anew.
        constant: networks that all checkpoints of a run share.
        domains: whose pictures a step reads.
    """

    peak: int
    checkpoint: int
    constant: int
    domains: frozenset[str]

    def run_bytes(self, keep: int) -> int:
        """Disk for a run's checkpoints, `keep` of them and the next while it is written."""
        return self.constant + (keep + 1) * self.checkpoint


def trace(build: Callable[[torch.device], TrainingModule], size: int) -> Traced:
    """Two steps of `build`'s module on the `meta` device, where nothing is computed.

    Args:
        build: makes the module on a device.
        size: side at which the pictures are read.
    """
    meta = torch.device("meta")
    with LiveBytes() as counter:
        module = build(meta)
        for step in (0, 1):
            module.step(_blank(module, size, meta), _rng(step))
    networks = {name: _bytes(network.state_dict()) for name, network in module.networks.items()}
    constant = sum(size for name, size in networks.items() if name in module.constant)
    state = [optimizer.state_dict() for optimizer in module.optimizers.values()]
    checkpoint = sum(networks.values()) - constant + _bytes(state) + _bytes(module.state)
    return Traced(counter.peak, checkpoint, constant, frozenset(module.batch_sizes))


def _bytes(tree: Any) -> int:
    tensors = [leaf for leaf in tree_flatten(tree)[0] if isinstance(leaf, Tensor)]
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def timed(module: TrainingModule, size: int, device: torch.device, period: int) -> float:
    """Mean seconds of a step over one period of the lazy regularisers, or as many steps as fit into 20 seconds."""
    batch = _blank(module, size, device)
    module.step(batch, _rng(0))
    _wait(device)
    start, done = time.perf_counter(), 0
    while done < period and not parallel.any_rank(time.perf_counter() - start >= TIMED_SECONDS, device):
        module.step(batch, _rng(done))
        _wait(device)
        done += 1
    return (time.perf_counter() - start) / done


def process_bytes() -> int:
    """Resident bytes of this process now (0 where the system does not say)."""
    try:
        with open("/proc/self/statm") as status:
            return int(status.read().split()[1]) * 4096
    except OSError:
        return 0


def _blank(module: TrainingModule, size: int, device: torch.device) -> Batch:
    images = {domain: torch.zeros(count, 3, size, size, device=device) for domain, count in module.batch_sizes.items()}
    labels = {
        domain: torch.zeros(count, dtype=torch.long, device=device) for domain, count in module.batch_sizes.items()
    }
    return Batch(images, labels)


def _rng(step: int) -> StepRNG:
    return StepRNG(0, step, parallel.rank(), parallel.world())


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()
