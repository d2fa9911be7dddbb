"""Every command group fails in one line."""

from __future__ import annotations

import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from suite.cli import SuiteGroup, ignored, renamed


@pytest.mark.parametrize("room", ["aahq", "models", "baselines", "benchmark"])
def test_unknown_command_is_one_line(room: str) -> None:
    code = f"from {room}.cli import main; main(['nonsense'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert "no command 'nonsense'" in done.stderr
    assert done.stderr.count("\n") == 1


def test_an_earlier_option_name_works_and_names_the_new_one() -> None:
    @renamed("--to", "--out")
    @click.command()
    @click.option("--out")
    @click.option("--json", "as_json", is_flag=True)
    @ignored("--processes", "one rate limit holds for all")
    @click.argument("rest", nargs=-1)
    def tool(out: str, as_json: bool, rest: tuple[str, ...]) -> None:
        click.echo(f"{out} {as_json} {' '.join(rest)}")

    group = SuiteGroup("program", commands={"tool": tool})
    for words in (["--to", "x"], ["--to=x"], ["--out", "x"]):
        done = CliRunner().invoke(group, ["tool", *words, "--json"])
        assert (done.stdout, done.exit_code) == ("x True \n", 0)
        assert ("--to: is --out now" in done.stderr) == (words[0] != "--out")
    assert CliRunner().invoke(group, ["tool", "--out", "x", "--", "--to"]).output == "x False --to\n"
    assert "--to" not in CliRunner().invoke(group, ["tool", "--help"]).output
    done = CliRunner().invoke(group, ["tool", "--processes", "4", "--out", "x"])
    assert done.stdout == "x False \n"
    assert "--processes: is ignored, one rate limit holds for all" in done.stderr
