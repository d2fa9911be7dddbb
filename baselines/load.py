"""The one way from a name and weights to a `Method`."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch

from baselines.adapter import load_strict, pick
from baselines.blocks import kaiming_init
from baselines.checkpoints import read, trained_here
from baselines.registry import METHODS, UNTRAINED, Baseline, known
from baselines.stargan2.fan import load_landmarks
from models.weights.download import PAINTED, obtain
from models.weights.registry import published
from suite.errors import SuiteError
from suite.profiles import Settings, checked, load_profile


def open_method(
    name: str,
    weights: str | Path = UNTRAINED,
    device: str = "cpu",
    profile: str = "paper",
    overrides: Iterable[str] = (),
    **options: Any,
) -> Any:
    """A `Method` ready to use.

    Args:
        name: of `METHODS`.
        weights: a run's folder, a checkpoint (published or of this suite), a folder of published files, or `"random"`
            for untrained networks, whose name then says so; "painted" for the small ones that come with the package.
        device: where it runs.
        profile, overrides: what the shapes of weights that carry no settings (published ones) do not tell.
        options: of the method's adapter (`alpha`, `mix`, `preserve_colour`, `target`, `steps`).

    Raises:
        SuiteError: an unknown method, a checkpoint of another method or configuration, an unknown option.
    """
    row = METHODS[known(name)]
    weights = shipped(name) if names_shipped(weights) else weights
    model = getattr(row.module("method"), "Options", Settings)
    options = checked(model, options, f"--option, of {name}").model_dump(exclude_unset=True)
    if row.settings is None or (hasattr(row.module("method"), "open_method") and not trained_here(weights)):
        return row.module("method").open_method(weights=weights, device=device, **options)
    return _open_trainable(name, row, weights, device, profile, overrides, options)


def shipped(name: str) -> Path:
    """The weights of a method that come with the package.

    Raises:
        SuiteError: there are none for this method.
    """
    entry = f"{PAINTED}-{name}"
    if entry not in published():
        names = ", ".join(name for name in METHODS if f"{PAINTED}-{name}" in published())
        raise SuiteError(f"--weights {PAINTED}: none of {name} come with the package, only of {names}")
    return obtain(entry, offline=True)


def names_shipped(weights: str | Path) -> bool:
    """Whether this means the weights that come with the package, and no run or file of a person's own by that name.

    README makes a folder of portraits that has it.
    """
    own = Path(weights)
    return str(weights) == PAINTED and not own.is_file() and not (own / "run.json").is_file()


def _open_trainable(
    name: str,
    row: Baseline,
    weights: str | Path,
    device: str,
    profile: str,
    overrides: Iterable[str],
    options: dict[str, Any],
) -> Any:
    trained = str(weights) != UNTRAINED
    states: dict[str, Any] = {}
    settings: Any = None
    if trained:
        states, settings = read(weights, name)
    networks = row.module("networks")
    if settings is None:
        assert row.settings is not None
        # Published files carry no settings; what their shapes tell is laid over the profile, what a person says over both.
        stated = (
            [f"{key}={json.dumps(value)}" for key, value in networks.settings_in(states).items()] if trained else []
        )
        settings = load_profile(row.settings, row.package, profile, [*stated, *overrides])
    torch.manual_seed(settings.seed)
    parts = networks.networks(settings)
    if not trained:
        getattr(networks, "untrained", lambda made: kaiming_init(*made.values()))(parts)
    for part, network in parts.items():
        if trained and part == "fan" and part not in states and settings.fan_weights:
            load_landmarks(network, settings.fan_weights)
        elif trained:
            load_strict(network, pick(states, part, name), f"{name} {part}")
        network.to(device).eval().requires_grad_(False)
        if settings.channels_last:
            # Convolutions are faster in this layout, and it carries over from weights to activations.
            network.to(memory_format=torch.channels_last)
    return row.module("method").method(parts, settings, trained=trained, **options)
