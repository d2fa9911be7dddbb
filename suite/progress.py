"""The one way to report progress: a bar with rate and remaining time on standard error, or nothing."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any, TypeVar

from tqdm import tqdm

T = TypeVar("T")
_quiet = False


def set_quiet(quiet: bool) -> None:
    """Turn bars off for this process (`--json`, tests)."""
    global _quiet
    _quiet = quiet


def progress(items: Iterable[T] | None = None, what: str = "", total: int | None = None, unit: str = "it") -> tqdm[Any]:
    """A progress bar over `items` (or, without items, one to `update(n)` by hand).

    Off a terminal it prints a line every 10 seconds at most, so that logs stay readable.
    """
    to_log = not sys.stderr.isatty()
    return tqdm(
        items,
        desc=what,
        total=total,
        unit=unit,
        disable=_quiet,
        dynamic_ncols=not to_log,
        mininterval=10.0 if to_log else 0.1,
        file=sys.stderr,
        leave=True,
    )
