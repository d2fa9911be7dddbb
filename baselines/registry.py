"""Name -> `"module:factory"`, imported when asked for: the one way from a name and weights to a `Method`."""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

from suite.errors import SuiteError, did_you_mean

# The five of Tables 2 and 3, and DRIT++'s multi-domain form; they train through the shared loop.
TRAINABLE = {
    "adain": "baselines.adain",
    "munit": "baselines.munit",
    "funit": "baselines.funit",
    "drit": "baselines.drit",
    "mdmm": "baselines.mdmm",
    "stargan2": "baselines.stargan2",
}
# Where each has its losses and its training step.
TRAINING = {name: module if name in ("munit", "funit") else f"{module}_training" for name, module in TRAINABLE.items()}
# `getattr(module, factory)(weights=..., device=..., **options)` returns a `models.method.Method`.
METHODS = {
    **{name: f"baselines.registry:{name}" for name in TRAINABLE},
    "gatys": "baselines.gatys:open_method",
    "toonify": "baselines.toonify:open_method",
}
UNTRAINED = "random"


def known(name: str, names: Iterable[str] = METHODS) -> str:
    """`name`, or one line with the nearest name."""
    if name not in names:
        raise SuiteError(f"METHOD: no {name!r}{did_you_mean(name, names)}")
    return name


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
            for untrained networks, whose name then says so.
        device: where it runs.
        profile, overrides: the architecture, for weights that carry no settings (published ones).
        options: of the method's adapter (`alpha`, `mix`, `preserve_colour`, `target`, `steps`).

    Raises:
        SuiteError: an unknown method, a checkpoint of another method or configuration, an unknown option.
    """
    if known(name) in TRAINABLE:
        return _open_trainable(name, weights, device, profile, overrides, options)
    module, _, factory = METHODS[name].partition(":")
    return getattr(importlib.import_module(module), factory)(weights=weights, device=device, **options)


def _open_trainable(
    name: str, weights: str | Path, device: str, profile: str, overrides: Iterable[str], options: dict[str, Any]
) -> Any:
    import torch

    from baselines.adapter import load_strict, pick
    from baselines.blocks import kaiming_init
    from baselines.checkpoints import read
    from baselines.fan import load_landmarks
    from baselines.settings import MODELS
    from suite.profiles import load_profile

    module = importlib.import_module(TRAINABLE[name])
    trained = str(weights) != UNTRAINED
    found: dict[str, Any] = {}
    settings: Any = None
    if trained:
        found, settings = read(weights, name)
    if settings is None:
        chosen = profile if profile.endswith(".toml") else f"{name}-{profile}"
        settings = load_profile(MODELS[name], "baselines", chosen, overrides)
    torch.manual_seed(settings.seed)
    parts = module.networks(settings)
    if not trained:
        getattr(module, "untrained", lambda made: kaiming_init(*made.values()))(parts)
    for part, network in parts.items():
        if trained and part == "fan" and part not in found and settings.fan_weights:
            load_landmarks(network, settings.fan_weights)
        elif trained:
            load_strict(network, pick(found, part, name), f"{name} {part}")
        # Convolutions are faster in this layout, and it carries over from weights to activations.
        network.to(device, memory_format=torch.channels_last).eval().requires_grad_(False)
    try:
        return module.method(parts, settings, trained=trained, **options)
    except TypeError as error:
        raise SuiteError(f"--option: {name}: {error}") from None


adain, munit, funit, drit, mdmm, stargan2 = (partial(open_method, name) for name in TRAINABLE)
