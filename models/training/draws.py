"""Random draws addressed by (seed, step, name, global sample): no state to save, nothing depends on the number of ranks."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Draws:
    """The random numbers of one training step on one rank.

    A draw is made on the CPU from a generator seeded by its address, so that resuming, batch accumulation and the number
    of ranks never change it. Rank r of W holds the global samples r, r + W, r + 2W, ...: this split keeps the groups of
    StyleGAN2's minibatch standard deviation together.

    Attributes:
        seed: the run's seed (a roll-back after a non-finite loss uses another `salt`).
        step: the step's number, from 0.
        rank, world: this process among all.
        salt: separates repeated attempts at the same step.
    """

    seed: int
    step: int
    rank: int = 0
    world: int = 1
    salt: int = 0

    def generator(self, name: str, sample: int = 0) -> torch.Generator:
        """A CPU generator for the draw `name` of global sample `sample`."""
        address = f"{self.seed}/{self.salt}/{self.step}/{name}/{sample}".encode()
        return torch.Generator().manual_seed(zlib.crc32(address) << 32 | zlib.adler32(address))

    def _rows(self, count: int) -> range:
        return range(self.rank, count * self.world, self.world)

    def normal(self, name: str, count: int, shape: Sequence[int], device: torch.device | str = "cpu") -> Tensor:
        """(count, *shape) float32 of N(0, 1) for this rank's `count` samples."""
        rows = [torch.randn(*shape, generator=self.generator(name, row)) for row in self._rows(count)]
        return torch.stack(rows).to(device, non_blocking=True)

    def uniform(self, name: str, count: int, shape: Sequence[int] = (), device: torch.device | str = "cpu") -> Tensor:
        """(count, *shape) float32 of U[0, 1) for this rank's `count` samples."""
        rows = [torch.rand(*shape, generator=self.generator(name, row)) for row in self._rows(count)]
        return torch.stack(rows).to(device, non_blocking=True)

    def integers(self, name: str, count: int, high: int, device: torch.device | str = "cpu") -> Tensor:
        """(count,) int64 in [0, high) for this rank's `count` samples."""
        rows = [torch.randint(high, (), generator=self.generator(name, row)) for row in self._rows(count)]
        return torch.stack(rows).to(device, non_blocking=True)

    def shared_uniform(self, name: str) -> float:
        """One number in [0, 1), the same on every rank (whether to mix styles, say)."""
        return float(torch.rand((), generator=self.generator(name)))

    def shared_integer(self, name: str, low: int, high: int) -> int:
        """One integer in [low, high), the same on every rank."""
        return int(torch.randint(low, high, (), generator=self.generator(name)))
