"""Random numbers of training, addressed by (seed, salt, step, name, sample): no state, and the same for any number of ranks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from models.rng import generator_at, seed_sequence

# Kept in checkpoints: a run is not continued with random numbers of another kind.
SCHEME = "seed-sequence-1"
# Devices that draw so many numbers of a sample themselves; a processor takes a millisecond for them.
ON_DEVICE, MANY = frozenset({"cuda"}), 1 << 16


@dataclass(frozen=True)
class StepRNG:
    """The random numbers of one training step on one rank.

    Every draw has a stream of its own (`models.rng`), so that resuming, accumulation and the number of ranks never change
    it. Rank r of W holds the global samples r, r + W, r + 2W, ...

    Attributes:
        seed: the run's seed.
        step: the step's number, from 0.
        rank, world: this process among all.
        salt: how often the run was rolled back after a non-finite loss: a repeated step draws other numbers.
    """

    seed: int
    step: int
    rank: int = 0
    world: int = 1
    salt: int = 0

    def generator(self, name: str, sample: int = 0) -> np.random.Generator:
        """The stream of the draw `name` of global sample `sample`."""
        return generator_at(self.seed, self.salt, self.step, name, sample)

    def _rows(self, count: int) -> range:
        return range(self.rank, count * self.world, self.world)

    def normal(self, name: str, count: int, shape: Sequence[int], device: torch.device | str = "cpu") -> Tensor:
        """(count, *shape) float32 of N(0, 1) for this rank's `count` samples."""
        device = torch.device(device)
        rows = [self._normals(name, row, math.prod(shape), device) for row in self._rows(count)]
        return torch.stack(rows).to(device, non_blocking=True).reshape(count, *shape)

    def _normals(self, name: str, row: int, count: int, device: torch.device) -> Tensor:
        """`count` numbers of N(0, 1) of one sample, its stream's first.

        Many are drawn on CUDA itself, from a 64-bit seed with the same address, since 2.8 million normals a picture at 1024 px
        would keep the device waiting; the values then differ from those of a CPU run.
        """
        if device.type in ON_DEVICE and count >= MANY:
            address = seed_sequence(self.seed, self.salt, self.step, name, row)
            generator = torch.Generator(device).manual_seed(int(address.generate_state(1, np.uint64)[0]))
            return torch.randn(count, generator=generator, device=device)
        return torch.from_numpy(self.generator(name, row).standard_normal(count, np.float32))

    def uniform(self, name: str, count: int, shape: Sequence[int] = (), device: torch.device | str = "cpu") -> Tensor:
        """(count, *shape) float32 of U[0, 1) for this rank's `count` samples."""
        rows = [self.generator(name, row).random(tuple(shape), np.float32) for row in self._rows(count)]
        return torch.from_numpy(np.stack(rows)).to(device, non_blocking=True)

    def integers(self, name: str, count: int, high: int, device: torch.device | str = "cpu") -> Tensor:
        """(count,) int64 in [0, high) for this rank's `count` samples."""
        rows = [self.generator(name, row).integers(high) for row in self._rows(count)]
        return torch.tensor(rows, dtype=torch.int64).to(device, non_blocking=True)

    def noise(self, shapes: Sequence[Sequence[int]], count: int, device: torch.device | str = "cpu") -> list[Tensor]:
        """The noise inputs of a generator: (count, *shape) float32 of N(0, 1) for each of `shapes`. One stream a sample."""
        sizes = [math.prod(shape) for shape in shapes]
        device = torch.device(device)
        rows = [self._normals("noise", row, sum(sizes), device) for row in self._rows(count)]
        parts = torch.stack(rows).to(device).split(sizes, dim=1)
        return [part.reshape(count, *shape) for part, shape in zip(parts, shapes)]

    def permutation(self, name: str, count: int, sample: int = 0) -> Tensor:
        """(count,) int64: the numbers from 0 to count - 1 in a random order, the same on every rank."""
        return torch.from_numpy(self.generator(name, sample).permutation(count))

    def shared_uniform(self, name: str) -> float:
        """One number in [0, 1), the same on every rank (whether to mix styles, say)."""
        return float(self.generator(name).random())

    def shared_integer(self, name: str, low: int, high: int) -> int:
        """One integer in [low, high), the same on every rank."""
        return int(self.generator(name).integers(low, high))
