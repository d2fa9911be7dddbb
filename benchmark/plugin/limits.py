"""What a method in a process of its own may take and touch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Limits:
    """Bounds of a method that is no part of this suite.

    Attributes:
        seconds: for one answer, and for loading.
        gigabytes: of memory that it may write to, on the CPU.
        readable: files and folders beside Python, its package and its weights.
        secret: what it must not ask for: a method that does is refused, whether or not it gets it.
    """

    seconds: float = 600.0
    gigabytes: float = 16.0
    readable: tuple[Path, ...] = ()
    secret: tuple[Path, ...] = ()
