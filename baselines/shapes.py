"""What keys and shapes of a checkpoint say of its network: each method's `settings_in` is made of these two."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from suite.errors import SuiteError

State = Mapping[str, Tensor]
Parts = Mapping[str, State]


def axis(parts: Parts, part: str, key: str, number: int) -> int:
    """The length of one axis of a parameter.

    Raises:
        SuiteError: the network or the parameter is not there, or has fewer axes.
    """
    state = parts.get(part)
    if state is None:
        raise SuiteError(f"--weights: no network {part!r}; it has {', '.join(parts) or 'none'}")
    if key not in state or state[key].dim() <= number:
        raise SuiteError(f"--weights: {part}: no parameter {key!r} as the method has it; is it of another method?")
    return int(state[key].shape[number])


def count(parts: Parts, part: str, pattern: str, start: int = 0, step: int = 1) -> int:
    """How many keys `pattern.format(n)` there are for n = start, start + step, ... without a gap."""
    state, number = parts.get(part, {}), 0
    while pattern.format(start + number * step) in state:
        number += 1
    return number
