"""An endless, seeded order of pictures: what step t holds is a function of t, so a resumed run sees what it would have."""

from __future__ import annotations

import time
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from models.data.prepared import ImageArray


class InfiniteLoader:
    """Batches of one domain, for one rank.

    Each epoch is a fresh permutation; a batch may span two. Rank r of W takes the global samples r, r + W, ... of a step
    (the same split as `StepRNG`). Batches are made ahead of time on a thread.

    Args:
        pictures: the prepared set.
        batch: pictures per rank and step.
        seed: of order and flips.
        rank, world: this process among all.
        flip: mirror half of the pictures.
        ahead: how many batches to make ahead.
        pin: put batches into page-locked memory, from which a GPU fetches them while it computes.

    Attributes:
        waited: seconds that `batch_at` has waited for its batch in all (starvation shows here).
    """

    def __init__(
        self,
        pictures: ImageArray,
        batch: int,
        seed: int,
        rank: int = 0,
        world: int = 1,
        flip: bool = True,
        ahead: int = 3,
        pin: bool = False,
    ) -> None:
        self.pictures, self.batch, self.seed = pictures, batch, seed
        self.rank, self.world, self.flip, self.ahead = rank, world, flip, ahead
        self.pin = pin
        self.waited = 0.0
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="stream")
        self._queue: deque[tuple[int, Future[tuple[Tensor, dict[str, Tensor]]]]] = deque()
        self._order = lru_cache(maxsize=2)(self._permutation)

    def batch_at(self, step: int) -> tuple[Tensor, dict[str, Tensor]]:
        """Step `step`'s (B, 3, S, S) uint8 on the CPU (see `unit_range`), and its labels by column name."""
        if not self._queue or self._queue[0][0] != step:
            self._queue.clear()
        for later in range(step + len(self._queue), step + self.ahead):
            self._queue.append((later, self._pool.submit(self._make, later)))
        _, future = self._queue.popleft()
        start = time.perf_counter()
        made = future.result()
        self.waited += time.perf_counter() - start
        return made

    def close(self) -> None:
        """Stop the thread."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def indices(self, step: int) -> tuple[np.ndarray, np.ndarray]:
        """(B,) picture numbers of this rank at `step`, and (B,) whether each is mirrored."""
        positions = step * self.batch * self.world + np.arange(self.rank, self.batch * self.world, self.world)
        count = len(self.pictures)
        rows = np.array([self._order(int(position // count))[position % count] for position in positions])
        mirrored = np.array(
            [
                self.flip and np.random.default_rng((self.seed, 1, int(position))).random() < 0.5
                for position in positions
            ]
        )
        return rows, mirrored

    def _permutation(self, epoch: int) -> np.ndarray:
        return np.random.default_rng((self.seed, 0, epoch)).permutation(len(self.pictures))

    def _make(self, step: int) -> tuple[Tensor, dict[str, Tensor]]:
        rows, mirrored = self.indices(step)
        pixels = self.pictures.pixels[rows]
        pixels = np.where(mirrored[:, None, None, None], pixels[:, :, ::-1], pixels)
        images = torch.from_numpy(np.ascontiguousarray(pixels)).permute(0, 3, 1, 2).contiguous()
        images = images.pin_memory() if self.pin else images
        labels = {name: torch.from_numpy(column[rows]) for name, column in self.pictures.labels.items()}
        return images, labels


def unit_range(images: Tensor) -> Tensor:
    """uint8 -> float32 in [-1, 1]. Done where the pictures are needed: they travel as a quarter of the bytes."""
    return images.float().div_(127.5).sub_(1)
