"""Helpers of the baselines' parity tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import Tensor, nn

from tests import golden_recipe as recipe

# The goldens were made with float32 on two threads; their own noise reaches 8e-5 absolute on outputs of size 10.
RELATIVE = 1e-4


class Case:
    """One golden file: inputs, outputs, and networks filled by its recipe."""

    def __init__(self, path: Path) -> None:
        self.ins, self.outs, _, self.meta = recipe.load(path)
        self.worst = 0.0

    def filled(self, name: str, network: nn.Module, train: bool = False) -> Any:
        network.load_state_dict(recipe.fill(network.state_dict(), **self.meta["fill"][name]))
        return network.train(train)

    def check(self, name: str, ours: Tensor) -> None:
        """Compare every stored output or slice of `name` with ours."""
        found = 0
        for key, expected in self.outs.items():
            whole, _, cut = key.partition("@")
            if whole != name:
                continue
            found += 1
            got = recipe.part(ours, self.meta["slices"][name][cut]) if cut else ours
            close(got, expected, key, self)
        assert found, f"the golden has no {name}"


def close(got: Tensor, expected: Tensor | recipe.Figures, what: str, case: Case | None = None) -> None:
    """The largest difference is at most 1e-4 of the largest value."""
    got, expected = recipe.matched(got, expected)
    error = float((got - expected).abs().max() / expected.abs().max().clamp_min(1e-12))
    assert error <= RELATIVE, f"{what}: relative difference {error:.2e}"
    if case is not None:
        case.worst = max(case.worst, error)
