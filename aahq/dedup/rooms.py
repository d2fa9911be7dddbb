"""One large job in parts: done in turn in this process, or by workers that open by its path what all parts share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import count
from pathlib import Path
from typing import IO, Any, Protocol, TypeVar

import numpy as np

from suite.errors import SuiteError
from suite.portable import take_room

J = TypeVar("J")
R = TypeVar("R")
SUFFIX = ".room"


class Each(Protocol):
    """Does `work` on every job; answers come in the jobs' order."""

    def __call__(self, work: Callable[[J], R], jobs: Iterable[J], /) -> Iterator[R]: ...


def in_turn(work: Callable[[J], R], jobs: Iterable[J], /) -> Iterator[R]:
    """One job after the other, in this process."""
    return map(work, jobs)


class Room:
    """An array that parts share: in memory, or in a file, which another process opens by its path.

    It is filled by `put` and read afterwards. A file's place on the disk is taken at once, and it is written, not mapped, while
    it is filled: a full disk is then an error before the work, where writing to mapped memory ends the process.
    """

    def __init__(self, dtype: Any, shape: tuple[int, ...], path: Path | None = None) -> None:
        self.dtype, self.shape, self.path = np.dtype(dtype), shape, path
        self._filling: IO[bytes] | None = None
        if path is not None:
            take_room(path, self.dtype.itemsize * int(np.prod(shape)))
            self._filling = path.open("r+b")

    def put(self, start: int, rows: np.ndarray) -> None:
        """Rows from number `start` on."""
        if self._filling is None:
            self.array[start : start + len(rows)] = rows
            return
        self._filling.seek(start * self.dtype.itemsize * int(np.prod(self.shape[1:])))
        self._filling.write(np.ascontiguousarray(rows, self.dtype).tobytes())

    @cached_property
    def array(self) -> np.ndarray:
        """The whole; nothing is put in a file any more.

        Raises:
            SuiteError: the file is gone, or shorter than it was.
        """
        if self.path is None:
            return np.zeros(self.shape, self.dtype)
        if self._filling is not None:
            self._filling.close()
            self._filling = None
        try:
            return np.asarray(np.memmap(self.path, self.dtype, "r", shape=self.shape))
        except (OSError, ValueError) as error:
            raise SuiteError(
                f"{self.path}: gone or cut short while it was in use ({error}); workers must see the build's folder under "
                "this path; run the same command again",
                1,
            ) from None

    def __getstate__(self) -> dict[str, Any]:
        if self.path is None:
            return self.__dict__
        if self._filling is not None:
            self._filling.flush()
        return {"dtype": self.dtype, "shape": self.shape, "path": self.path, "_filling": None}


@dataclass(frozen=True)
class Workshop:
    """Where parts are done.

    Attributes:
        each: does the parts.
        folder: where rooms are files; every worker sees it under this path. None: rooms stay in this process' memory.
    """

    each: Each = in_turn
    folder: Path | None = None
    _numbers: Iterator[int] = field(default_factory=count, repr=False)

    @property
    def here(self) -> bool:
        """Whether all is done in this process."""
        return self.each is in_turn

    def room(self, dtype: Any, shape: tuple[int, ...]) -> Room:
        """An empty room."""
        path = None if self.folder is None else self.folder / f"{next(self._numbers)}{SUFFIX}"
        return Room(dtype, shape, path)

    def share(self, values: np.ndarray) -> Room:
        """A room that holds these."""
        room = self.room(values.dtype, values.shape)
        room.put(0, values)
        return room


HERE = Workshop()


def blocks(count: int, size: int) -> Iterator[tuple[int, int]]:
    """Ranges of so many numbers that cover all."""
    return ((start, min(start + size, count)) for start in range(0, count, size))


def evenly(count: int, most: int) -> np.ndarray:
    """Up to so many numbers, evenly over all."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).astype(np.int64))
