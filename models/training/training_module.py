"""`TrainingModule`: what a method brings to the shared loop: networks, optimisers and one step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from models.training.rng import StepRNG


@dataclass(frozen=True)
class Batch:
    """This rank's pictures for one step.

    Attributes:
        images: domain name ("photo", "art", or a style cluster's name) -> (B, 3, S, S) float32 in [-1, 1], on the device.
        labels: domain name -> (B,) int64 of the chosen label column (style cluster, say); empty where the data has none.
    """

    images: Mapping[str, Tensor]
    labels: Mapping[str, Tensor] = field(default_factory=dict)


class TrainingModule(Protocol):
    """A method under training.

    Rules that make a run resumable and the number of ranks irrelevant: every random number comes from `draws`; gradients
    are averaged over ranks with `parallel.sync_gradients` before each optimiser's step; what a step remembers lives in
    `networks` (buffers too), `optimizers` or `state`.

    Attributes:
        networks: name -> module, everything that a checkpoint must hold, the EMA copies too (names ending in `_ema`).
        optimizers: name -> optimiser.
        state: name -> tensor or number, state that belongs to neither (a queue, a running mean); changed in place or
            replaced by `step`.
        batch_sizes: domain name -> pictures per rank and step.
        constant: names of networks that no step changes (a style encoder, a VGG): checkpoints share one file of each.
    """

    networks: dict[str, nn.Module]
    optimizers: dict[str, torch.optim.Optimizer]
    state: dict[str, Any]
    batch_sizes: dict[str, int]
    constant: frozenset[str]

    def step(self, batch: Batch, draws: StepRNG) -> dict[str, Tensor]:
        """One step: all updates in the method's order. Returns detached scalars by name (losses, norms, D outputs)."""
        ...

    def sample(self, batch: Batch, draws: StepRNG) -> Tensor:
        """A sheet for eyes: (N, 3, S, S) in [-1, 1], N a multiple of `sheet_columns`."""
        ...

    sheet_columns: int
