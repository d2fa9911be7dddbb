"""What is printed cannot steer a terminal, and everything is printed through one door."""

from __future__ import annotations

import ast
import json
import unicodedata
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from suite.cli import SuiteGroup, emit, json_option
from suite.errors import SuiteError
from suite.terminal import clean, say, say_json

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("suite", "ops", "models", "baselines", "benchmark", "aahq")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b]0;owned\x07\x1b[2J", "\\x1b]0;owned\\x07\\x1b[2J"),
        ("\x9b31m", "\\x9b31m"),
        ("a\rb\bc", "a\\x0db\\x08c"),
        ("gpj.\u202egnp.exe", "gpj.\\u202egnp.exe"),
        ("b\udcfccher", "b\\udcfccher"),
        ("one\ntwo\tthree", "one\ntwo\tthree"),
        ("Ωé肖🖼", "Ωé肖🖼"),
    ],
)
def test_what_a_terminal_would_obey_is_shown_instead(text: str, shown: str) -> None:
    assert clean(text) == shown


@given(text=st.text(st.characters(codec=None), max_size=60))
def test_nothing_unsafe_is_left_and_what_is_clean_stays(text: str) -> None:
    done = clean(text)
    assert not [c for c in done if unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") and c not in "\n\t"]
    assert not set(done) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c")
    assert clean(done) == done
    done.encode()


@click.command()
@click.argument("name")
@json_option
def greet(name: str, as_json: bool) -> None:
    if name == "bad\x1b[2J":
        raise SuiteError(f"{name}: no such\x1b]0;x\x07 artist")
    emit({"name": name}, f"hello {name}", as_json)


def test_commands_print_errors_text_and_json_cleanly() -> None:
    group = SuiteGroup("top", commands={"greet": greet})
    for words in (
        ["greet", "x\x1b[31m\x7f"],
        ["greet", "bad\x1b[2J"],
        ["greet", "x\x1b[31m\x7f", "--json"],
        ["\x1b[2Jx"],
    ):
        done = CliRunner().invoke(group, words)
        assert not [c for c in done.output if unicodedata.category(c) == "Cc" and c != "\n"], words
    assert json.loads(CliRunner().invoke(group, ["greet", "x\x1b\x7fé\udcfc", "--json"]).output) == {
        "name": "x\x1b\x7fé\udcfc"
    }


def test_both_doors(capsys: pytest.CaptureFixture[str]) -> None:
    say("\x1b", err=True)
    say_json({"a\x9b": "\x7f"})
    out, err = capsys.readouterr()
    assert (out, err) == ('{"a\\u009b": "\\u007f"}\n', "\\x1b\n")


def test_nothing_is_printed_past_the_door() -> None:
    doors = {ROOT / "suite" / "terminal.py"}
    past = []
    for path in (file for room in ROOMS for file in (ROOT / room).rglob("*.py") if file not in doors):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                name = ast.unparse(node.func)
                if name in ("print", "click.echo", "click.secho", "sys.stdout.write", "sys.stderr.write", "tqdm.write"):
                    past.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert past == []
