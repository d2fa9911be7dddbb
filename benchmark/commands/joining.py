"""Options that the joining commands share: which release, which profile, which seeds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from benchmark.commands.shared import PathOption, place_options
from benchmark.leaderboard.seed import Seed, kept_seed
from benchmark.run.reproduction import Reproduction
from benchmark.tasks.settings import Reproduce
from suite.errors import SuiteError
from suite.params import device_given, output_folder
from suite.profiles import load_profile


def data_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--data`, `--faces`, `--art`, `--profile`, `--set`, `--seed`, `--hidden-seed`."""
    options: list[Callable[..., Any]] = [
        place_options,
        click.option("--profile", default="demo", show_default=True, help="demo, small, paper, or a .toml file."),
        click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Change one setting."),
        click.option("--seed", "seeds", multiple=True, help="Sampling seeds.  [default: the profile's]"),
        click.option("--hidden-seed", type=PathOption, help="A file with a seed that only the maintainer has."),
    ]
    for option in reversed(options):
        command = option(command)
    return command


guidance_option = click.option(
    "--guidance",
    default="reference",
    show_default=True,
    type=click.Choice(["latent", "reference"]),
    help="Where styles come from.",
)


def measure_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--device`, `--weights-folder`, `--offline`, `--work`."""
    for option in reversed(
        [
            click.option("--device", type=device_given, default="cpu", show_default=True, help="cpu, cuda or mps."),
            click.option("--weights-folder", type=PathOption, help="Where published feature weights lie."),
            click.option("--offline", is_flag=True, help="Never touch the network."),
            click.option(
                "--work", type=output_folder, default=Path(".aahq-bench"), show_default=True, help="For caches."
            ),
        ]
    ):
        command = option(command)
    return command


def settings_of(profile: str, overrides: tuple[str, ...]) -> Reproduce:
    """The profile with its changes."""
    return load_profile(Reproduce, "benchmark", profile, overrides)


def seeds_of(settings: Reproduce, seeds: tuple[str, ...], hidden: Path | None) -> list[Seed]:
    """The seeds to draw from.

    Raises:
        SuiteError: both kinds given.
    """
    if hidden is not None:
        if seeds:
            raise SuiteError("--seed, --hidden-seed: give one of them")
        return [kept_seed(hidden)]
    return [Seed(text) for text in seeds or settings.sampling_seeds]


@dataclass(frozen=True)
class Places:
    """Where pictures are: `data` has both domains, `faces` and `art` stand in for its photographs and artistic faces."""

    data: Path | None
    faces: Path | None
    art: Path | None

    @property
    def given(self) -> bool:
        """Whether both domains have a place."""
        return self.data is not None or (self.faces is not None and self.art is not None)

    def needed(self) -> Places:
        """The same; SuiteError where a domain has no place."""
        if not self.given:
            raise SuiteError("--data: give a release with both domains, or --faces and --art")
        return self


def bench_work(settings: Reproduce, profile: str, places: Places, given: dict[str, Any]) -> Reproduction:
    """A work folder for measuring one method outside of a reproduction."""
    return Reproduction(
        settings=settings,
        profile=Path(profile).stem,
        folder=given["work"],
        data=places.data,
        faces=places.faces,
        art=places.art,
        weights_folder=given["weights_folder"],
        device=given["device"],
        offline=given["offline"],
    )
