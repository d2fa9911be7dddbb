"""What a comparison is: the same work twice, ours and the published code's, from the same weights, pictures and draws."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Figures = dict[str, Tensor]
# A rate at which a step changes nothing, so that it can be taken again and its losses stay.
STILL = 1e-30


@dataclass(frozen=True)
class Pair:
    """Both sides of one piece of work; each call does it once and returns its figures by name, alike on both sides.

    Attributes:
        what: in words, with sizes.
        ours, theirs: the work.
    """

    what: str
    ours: Callable[[], Figures]
    theirs: Callable[[], Figures]


def gaps(ours: Mapping[str, Tensor], theirs: Mapping[str, Tensor]) -> dict[str, float]:
    """By figure, the largest difference over the largest size of theirs.

    Raises:
        ValueError: the two sides tell figures of other names.
    """
    if ours.keys() != theirs.keys():
        raise ValueError(f"figures of one side alone: {sorted(ours.keys() ^ theirs.keys())}")
    out = {}
    for name, value in theirs.items():
        a, b = (torch.as_tensor(x).detach().double().cpu() for x in (ours[name], value))
        out[name] = float((a - b).abs().max() / b.abs().max().clamp(min=1e-12))
    return out


def pictures(count: int, size: int, seed: int, device: torch.device) -> Tensor:
    """(count, 3, size, size) in [-1, 1], smooth."""
    drawn = torch.rand(count, 3, 16, 16, generator=torch.Generator().manual_seed(seed)) * 2 - 1
    return F.interpolate(drawn, size, mode="bilinear").to(device)


def same_weights(theirs: nn.Module, ours: nn.Module) -> nn.Module:
    """Give the published network our weights by name; what it holds beyond them (constants of its own) stays."""
    own = ours.state_dict()
    unknown = sorted(own.keys() - theirs.state_dict().keys())
    if unknown:
        raise ValueError(f"the published network has no {unknown[0]!r} ({len(unknown)} keys)")
    theirs.load_state_dict({key: own.get(key, value) for key, value in theirs.state_dict().items()})
    return theirs


def given(*draws: Tensor) -> Callable[..., Tensor]:
    """A stand-in for `torch.randn` that gives these draws in turn, whatever shape is asked for."""
    waiting: Iterator[Tensor] = iter(draws)
    return lambda *_, **__: next(waiting)
