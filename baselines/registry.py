"""One row per baseline. Its package `baselines/<name>/` holds everything else.

`networks.py`: `networks(settings)`, what a checkpoint holds. `training.py`: `build(settings, device)`, losses and step.
`method.py`: `method(networks, settings, **options)`, a `models.method.Method`. `settings.py` and `profiles/`: its budgets.
A method without training has `method.py` alone, with `open_method(weights, device, **options)`; one that has both takes
files that others trained by it.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from baselines.adain.settings import AdaInSettings
from baselines.drit.settings import DritSettings
from baselines.funit.settings import FunitSettings
from baselines.mdmm.settings import MdmmSettings
from baselines.munit.settings import MunitSettings
from baselines.settings import BaselineSettings
from baselines.stargan2.settings import StarGan2Settings
from baselines.toonify.settings import ToonifySettings
from suite.errors import SuiteError, did_you_mean

UNTRAINED = "random"


@dataclass(frozen=True)
class Baseline:
    """Where a method is, what it is called and what its training can be told.

    Attributes:
        package: dotted.
        title: as tables print it; empty for a method that they lack.
        settings: the model of its profiles; None for a method without training.
    """

    package: str
    title: str = ""
    settings: type[BaselineSettings] | None = None

    def module(self, name: str) -> Any:
        """`networks`, `training` or `method` of its package, imported when asked for."""
        return importlib.import_module(f"{self.package}.{name}")


METHODS = {
    "adain": Baseline("baselines.adain", "AdaIN", AdaInSettings),
    "munit": Baseline("baselines.munit", "MUNIT", MunitSettings),
    "funit": Baseline("baselines.funit", "FUNIT", FunitSettings),
    "drit": Baseline("baselines.drit", "DRIT++", DritSettings),
    "mdmm": Baseline("baselines.mdmm", "", MdmmSettings),
    "stargan2": Baseline("baselines.stargan2", "StarGANv2", StarGan2Settings),
    "toonify": Baseline("baselines.toonify", "Toonify", ToonifySettings),
    "gatys": Baseline("baselines.gatys", "Gatys"),
}
TRAINABLE = {name: row for name, row in METHODS.items() if row.settings is not None}


def known(name: str, names: Iterable[str] = METHODS) -> str:
    """`name`, or one line with the nearest name."""
    if name not in names:
        raise SuiteError(f"METHOD: no {name!r}{did_you_mean(name, names)}")
    return name


def settings_of(name: str) -> type[BaselineSettings]:
    """The settings model of a trainable method."""
    settings = TRAINABLE[known(name, TRAINABLE)].settings
    assert settings is not None
    return settings
