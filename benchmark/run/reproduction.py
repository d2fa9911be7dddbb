"""Where a reproduction lives and which cells are wanted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.tasks.paper import Cell, cells, every_cell, slug
from benchmark.tasks.settings import MethodSettings, Reproduce, Step
from suite.errors import SuiteError, did_you_mean

if TYPE_CHECKING:
    from models.data.release import Release


@dataclass
class Reproduction:
    """Where a reproduction lives.

    Attributes:
        settings: the profile.
        profile: its name.
        folder: everything is under it: `data`, `runs/NAME`, `records`, `tables`, `cache`.
        data: a release given by the person, or None for the painted one.
        faces, art: photographs in any local form and a release of artistic faces, each in place of `data`'s.
        weights: method name -> checkpoint given by the person.
        retrain: train every method that no checkpoint was given for, though weights are published or come with the package.
        device: `cpu` or `cuda`.
        offline: never touch the network.
    """

    settings: Reproduce
    profile: str
    folder: Path
    data: Path | None = None
    weights: dict[str, Path] = field(default_factory=dict)
    weights_folder: Path | None = None
    device: str = "cpu"
    offline: bool = False
    retrain: bool = False
    faces: Path | None = None
    art: Path | None = None

    @property
    def release(self) -> Path:
        """The release with both domains; beside `faces` and `art` it gives only what they leave out."""
        return self.data or self.folder / "data"

    @property
    def places(self) -> tuple[Path, Path]:
        """Where photographs and artistic faces are; twice the same for a release with both."""
        return self.faces or self.release, self.art or self.release

    def open(self) -> Release:
        """The pictures that faces, styles and the real set come from.

        Raises:
            SuiteError: no release there, or two places that do not go together.
        """
        from benchmark.tasks.paired_release import open_places

        return open_places(self.release, self.faces, self.art)

    @property
    def records(self) -> Path:
        return self.folder / "records"

    def run(self, step: Step) -> Path:
        """The folder of a training step."""
        return self.folder / "runs" / step.name

    def method(self, name: str) -> MethodSettings:
        """The profile's entry of a method."""
        for entry in self.settings.methods:
            if slug(entry.name) == slug(name):
                return entry
        raise SuiteError(f"--only: no method {name!r}{did_you_mean(name, [m.name for m in self.settings.methods])}")

    def options(self, name: str, indicator: int | None = None) -> dict[str, Any]:
        """Keywords of a method's factory: the profile's, and the indicator where a cell has one."""
        entries = (entry for entry in self.settings.methods if slug(entry.name) == slug(name))
        chosen = next((entry.options for entry in entries), {})
        return chosen | ({} if indicator is None else {"indicator": indicator})


def wanted_cells(only: Sequence[str], offered: Sequence[str] = ()) -> list[Cell]:
    """The cells whose key starts with one of `only`, or whose method or table (`t2`) it is; all without any.

    Args:
        offered: methods of the profile; of the methods beside the paper's tables only these have cells.

    Raises:
        SuiteError: a word that matches nothing.
    """
    papers = cells()
    everything = [cell for cell in every_cell() if cell in papers or cell.method in offered]
    if not only:
        return everything
    chosen: list[Cell] = []
    for word in only:
        matching = [c for c in everything if c.key.startswith(word.lower()) or slug(c.method) == slug(word)]
        if not matching:
            raise SuiteError(f"--only {word}: no such cell{did_you_mean(word, [c.key for c in everything])}")
        chosen += matching
    return [cell for cell in everything if cell in chosen]
