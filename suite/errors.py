"""The one way to fail: a single line that names what was given and how to mend it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class SuiteError(Exception):
    """A mistake that the person can mend. The message is one line; command lines print it and exit with `exit_code`.

    Args:
        message: one line that names the flag, file or row and what is expected instead.
        exit_code: the process's exit status. 2 is bad input; a room may reserve others and documents them.
    """

    def __init__(self, message: str, exit_code: int = 2) -> None:
        super().__init__(" ".join(message.split()))
        self.exit_code = exit_code


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`"; did you mean 'x'?"` for the nearest of `known`, else the list of what is known."""
    names = list(known)
    near = difflib.get_close_matches(word, names, n=1)
    return f"; did you mean {near[0]!r}?" if near else f"; known: {', '.join(names)}"
