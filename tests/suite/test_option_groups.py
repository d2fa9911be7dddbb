"""Options that a command receives as one value."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import click
from click.testing import CliRunner

from suite.option_groups import option_group, stacked


@dataclass(frozen=True)
class Place:
    data: Path | None
    count: int


def test_a_group_comes_as_one_value_and_leaves_the_others_alone() -> None:
    @click.command()
    @option_group(
        "place",
        Place,
        click.option("--data", type=click.Path(path_type=Path)),
        click.option("--count", type=int, default=3),
        click.option("--old", hidden=True, expose_value=False),
    )
    @click.option("--name", default="none")
    def command(place: Place, name: str) -> None:
        """What it does."""
        click.echo(f"{place} {name}")

    assert command.help == "What it does."
    assert [param.name for param in command.params] == ["data", "count", "old", "name"]
    shown = CliRunner().invoke(command, ["--data", "here", "--name", "ann", "--old", "x"])
    assert shown.output == f"{Place(Path('here'), 3)} ann\n", shown.output


def test_stacked_options_stand_in_the_order_of_the_help() -> None:
    @click.command()
    @stacked(click.option("--first"), stacked(click.option("--second"), click.option("--third")))
    def command(**values: str) -> None:
        click.echo(",".join(f"{key}={value}" for key, value in sorted(values.items())))

    assert [param.name for param in command.params] == ["first", "second", "third"]
    assert CliRunner().invoke(command, ["--second", "2"]).output == "first=None,second=2,third=None\n"
