"""The door of everything that people read in a terminal: nothing of what a file, a page or an artist is called can steer it."""

from __future__ import annotations

import json
import re
from typing import Any

import click

# Control characters of both sets (ECMA-48) but line feed and tab, what turns the direction of writing (Unicode UAX 9, 2.1-2.6),
# other ends of lines, and halves of characters, which no terminal can be sent.
_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


def clean(text: str) -> str:
    r"""`text` with every character that a terminal would obey, or could not be sent, as its escape (`\x1b`)."""
    return _UNSAFE.sub(lambda match: _escape(ord(match.group())), text)


def say(text: str, err: bool = False) -> None:
    """Print cleaned text, to standard output or error: what commands print, they print through this."""
    click.echo(clean(text), err=err)


def _escape(code: int) -> str:
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def say_json(value: Any, indent: int | None = None) -> None:
    """Print `value` as JSON in ASCII, which escapes whatever it holds; without `indent` on one line."""
    text = json.dumps(value, indent=indent, sort_keys=indent is not None, default=str)
    click.echo(text.replace("\x7f", "\\u007f"))
