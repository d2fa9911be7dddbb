"""The seed that inputs are drawn from: public, or kept in a file by the maintainer so that nobody can tune to the draw."""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from suite.errors import SuiteError
from suite.files import digest, read_bytes

SHORTEST, LONGEST = 32, 1 << 16


@dataclass(frozen=True)
class Seed:
    """What a draw comes from.

    Attributes:
        value: feeds every hash of the draw.
        hidden: whether only `public` may be written anywhere.
    """

    value: str
    hidden: bool = False

    @property
    def public(self) -> str:
        """What records and inputs say of the seed: itself, or `hidden:` and its digest."""
        return f"hidden:{digest(self.value)[:16]}" if self.hidden else self.value


def kept_seed(path: Path) -> Seed:
    """The hidden seed in a file.

    Raises:
        SuiteError: no such file, or a seed so short that its digest would give it away.
    """
    try:
        text = read_bytes(path, LONGEST).decode("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SuiteError(f"--hidden-seed {path}: {error}; make one with 'aahq-bench inputs --new-seed'") from None
    if len(text) < SHORTEST:
        raise SuiteError(f"--hidden-seed {path}: {len(text)} characters can be guessed; expected at least {SHORTEST}")
    return Seed(text, hidden=True)


def new_seed(path: Path) -> Seed:
    """Make a hidden seed in a new file that only its owner reads.

    Raises:
        SuiteError: the file is there already.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise SuiteError(
            f"--new-seed {path}: is there already; use it with --hidden-seed, or name a new file"
        ) from None
    with os.fdopen(handle, "w") as file:
        file.write(secrets.token_hex(32) + "\n")
    return kept_seed(path)
