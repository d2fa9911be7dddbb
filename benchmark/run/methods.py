"""Registry of methods: the tables' own, and any that an installed package brings by entry point. No fork needed.

A package joins with

    [project.entry-points."aahq_bench.methods"]
    MyMethod = "my_package.method:load"

where `load(weights: Path | None, device: str) -> Method`.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

from baselines.registry import METHODS as BASELINES
from benchmark.plugin.limits import Limits
from benchmark.tasks.paper import slug
from models.method import Method
from suite.errors import SuiteError, did_you_mean

GROUP = "aahq_bench.methods"
# Name in the tables -> where its code is in this repository.
BUILT_IN = {"BlendGAN": "models/networks/blendgan.py"} | {
    row.title: row.package.replace(".", "/") for row in BASELINES.values() if row.title
}
Factory = Callable[..., Method]


def known() -> dict[str, str]:
    """Name -> `module:factory`; built-in ones first. A plug-in cannot take the name of a built-in one."""
    methods = dict.fromkeys(BUILT_IN, "benchmark.run.adapters:baseline") | {
        "BlendGAN": "benchmark.run.adapters:blendgan"
    }
    for point in metadata.entry_points(group=GROUP):
        if point.name in BUILT_IN:
            raise SuiteError(f"entry point {point.name!r} of {point.dist and point.dist.name}: the name is taken")
        methods[point.name] = point.value
    return methods


def load(
    name: str, weights: Path | None = None, device: str = "cpu", limits: Limits | None = None, **options: Any
) -> Method:
    """The method `name` with its weights; one that is no part of this suite answers from a process of its own.

    Args:
        name: as the tables print it, or its slug (`dritpp`).
        weights: a checkpoint file or a training run's folder; None where the method needs none.
        limits: what a method in a process of its own may take and touch.
        options: further keywords of the factory, e.g. BlendGAN's `indicator`.

    Raises:
        SuiteError: an unknown name, a module that does not import, a factory's answer that is no `Method`, or a process
            that dies or hangs.
    """
    table = known()
    exact = {slug(key): key for key in table} | {key: key for key in table}
    if name not in exact:
        raise SuiteError(f"--method: no {name!r}{did_you_mean(name, table)}")
    if exact[name] not in BUILT_IN:
        from benchmark.plugin.process import PluginMethod

        method: Method = PluginMethod(
            f"--method {name}", table[exact[name]], weights, device, limits or Limits(), options
        )
        check(method, name)
        return method
    try:
        factory: Factory = resolve_name(table[exact[name]])
    except (ImportError, AttributeError) as error:
        raise SuiteError(f"--method {name}: {table[exact[name]]} does not load: {error}") from None
    inside = next(({"name": key} for key, row in BASELINES.items() if row.title == exact[name]), {})
    return factory(weights=weights, device=device, **inside, **options)


def check(method: object, name: str) -> None:
    """Refuse an object that is no `Method`, naming what it lacks."""
    for attribute in ("name", "modes", "face", "resolution", "from_latent", "from_reference"):
        if not hasattr(method, attribute):
            raise SuiteError(f"--method {name}: {type(method).__name__} has no {attribute}; see models.method.Method")
    if not isinstance(method, Method):
        raise SuiteError(f"--method {name}: {type(method).__name__} is no Method; see models.method.Method")
    unknown = set(method.modes) - {"latent", "reference"}
    if unknown or not method.modes:
        raise SuiteError(f"--method {name}: modes {sorted(method.modes)}; expected latent, reference or both")
    if method.face not in ("image", "seed"):
        raise SuiteError(f"--method {name}: face is {method.face!r}; expected 'image' or 'seed'")
