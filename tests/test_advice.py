"""Every advice is a command that exists: what messages and help tell people to run has that name and those options."""

from __future__ import annotations

import ast
import re
import shlex
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path

import click
import pytest

ROOT = Path(__file__).resolve().parents[1]
ROOMS = ("suite", "ops", "models", "baselines", "benchmark", "aahq")
PROGRAMS = {"aahq": "aahq.cli", "blendgan": "models.cli", "baselines": "baselines.cli", "aahq-bench": "benchmark.cli"}
# What stands for a value that is only known when the message is made.
HOLE = "VALUE"
_COMMAND = re.compile(rf"(?<=['`\"])(?:{'|'.join(sorted(PROGRAMS, key=len, reverse=True))}) [^'`\"\n&]+")
# Without quotes: up to where the sentence goes on or ends.
_NAKED = re.compile(
    rf"(?<![\w'`\"/-])({'|'.join(sorted(PROGRAMS, key=len, reverse=True))}) ([a-z][a-z0-9-]*)([^\n;:)]*)"
)
_EXTRA = re.compile(r"aahq-blendgan\[([^\]]+)\]")


def texts(path: Path) -> Iterator[tuple[int, str]]:
    """The string literals of a file, those of an f-string as one, with `HOLE` for what is filled in."""
    inside: set[int] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.JoinedStr):
            inside |= {id(part) for part in ast.walk(node)} - {id(node)}
            parts = (part.value if isinstance(part, ast.Constant) else HOLE for part in node.values)
            yield node.lineno, "".join(map(str, parts))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inside:
            yield node.lineno, node.value


def advice() -> list[tuple[str, str]]:
    """(place, command) of every command that a literal of the source holds in quotes, or alone on an example's line."""
    found = []
    for room in ROOMS:
        for path in sorted((ROOT / room).rglob("*.py")):
            for line, text in texts(path):
                place = f"{path.relative_to(ROOT)}:{line}"
                found += [(place, match) for match in _COMMAND.findall(text)]
                found += [(place, words) for words in naked(text)]
                for example in re.findall(r"^ +((?:aahq|blendgan|baselines|aahq-bench) .+)$", text, re.MULTILINE):
                    found.append((place, example.partition(" && ")[0]))
    return found


def naked(text: str) -> Iterator[str]:
    """The commands of a text that stand in no quotes, with their options alone: prose may follow."""
    for program, name, rest in _NAKED.findall(text):
        if name in names(program):
            yield " ".join([program, name, *re.findall(r"(?<=\s)--[a-z][a-z0-9-]*", rest)])


@cache
def names(program: str) -> frozenset[str]:
    group = import_module(PROGRAMS[program]).main
    return frozenset(group.list_commands(click.Context(group)))


def complaint(words: str) -> str:
    """What is wrong with a command line: no such command, or no such option; empty where nothing is."""
    # An example may go on in the next line, whose options are those of the same command.
    program, *rest = shlex.split(words.rstrip("\\ ").replace("...", ""), comments=True)
    group = import_module(PROGRAMS[program]).main
    if not rest or rest[0] == HOLE or rest[0] in ("--help", "--version"):
        return ""
    context = click.Context(group)
    command = group.get_command(context, rest[0])
    if command is None:
        return f"no command {rest[0]}"
    rest = rest[1:]
    if isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
        command = command.get_command(context, rest[0])
        if command is None:
            return f"no command {rest[0]}"
        rest = rest[1:]
    known = {name for parameter in command.get_params(context) for name in (*parameter.opts, *parameter.secondary_opts)}
    for word in rest:
        name = word.partition("=")[0]
        if name.startswith("-") and not re.fullmatch(r"-?[0-9.]*", name) and name not in known:
            return f"no option {name}"
    return ""


@pytest.mark.parametrize(
    ("words", "wrong"),
    [
        ("aahq align OUT --again", "no option --again"),
        ("aahq alignn OUT", "no command alignn"),
        ("aahq crawl OUT --retry", ""),
        ("aahq-bench reproduce --plan", ""),
    ],
)
def test_a_wrong_advice_is_noticed(words: str, wrong: str) -> None:
    assert complaint(words) == wrong


def test_an_advice_without_quotes_is_noticed_too() -> None:
    (words,) = naked("make the release anew: aahq rebuild VALUE OUT --agian; then look")
    assert complaint(words) == "no option --agian"
    assert list(naked("what aahq builds, and blendgan is")) == []


def test_every_advice_is_a_command_that_exists() -> None:
    found = advice()
    assert len(found) > 100, "the search finds what there is"
    assert ("aahq/commands/verify.py", "aahq rebuild") in {(place.partition(":")[0], words) for place, words in found}
    wrong = {f"{place}: {words}": told for place, words in found if (told := complaint(words))}
    assert wrong == {}


def test_every_extra_that_is_advised_exists() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    named = {
        name.strip()
        for room in ROOMS
        for path in (ROOT / room).rglob("*.py")
        for _, text in texts(path)
        for group in _EXTRA.findall(text)
        for name in group.split(",")
        # A template's place for the name; the messages made from it are checked where their words stand.
        if name not in ("{}", HOLE)
    }
    assert "cluster" in named
    assert named <= set(extras)
