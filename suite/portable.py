"""Differences of Linux, macOS and Windows: locks, reads at a place, names on the disk, processors.

On Linux and macOS these are flock, pread and fsync of folders. On Windows a lock is a byte far behind a file's end, and a
name is on the disk when the file is. What POSIX alone has is asked for here and nowhere else (`tests/suite/test_portable.py`).
"""

from __future__ import annotations

import hashlib
import importlib
import os
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

try:
    import fcntl as _fcntl

    _posix: Any = _fcntl
except ImportError:
    _posix = None

# Flags of os.open: bytes as they are (Windows would change line ends); and no link, pipe or device is waited for.
BINARY: int = getattr(os, "O_BINARY", 0)
PLAIN: int = BINARY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
# Where Windows locks a byte: a lock there keeps others from reading what it covers.
_FAR = 1 << 30
_one_reader = threading.Lock()


def lock(handle: int) -> bool:
    """Lock an open file for this process until it is closed; False where another process holds it.

    Raises:
        OSError: the file system has no locks.
    """
    try:
        if _posix is not None:
            _posix.flock(handle, _posix.LOCK_EX | _posix.LOCK_NB)
        else:
            windows: Any = importlib.import_module("msvcrt")
            os.lseek(handle, _FAR, os.SEEK_SET)
            windows.locking(handle, windows.LK_NBLCK, 1)
    except (BlockingIOError, PermissionError):
        return False
    return True


@contextmanager
def locked_folder(folder: Path) -> Iterator[bool]:
    """Hold a folder's lock; yields False where another process holds it. Nothing is written into the folder.

    Raises:
        OSError: no such folder, or a file system without locks.
    """
    handle = os.open(folder, os.O_RDONLY) if _posix is not None else os.open(_stand_in(folder), os.O_RDWR | os.O_CREAT)
    try:
        yield lock(handle)
    finally:
        os.close(handle)


def _stand_in(folder: Path) -> Path:
    """A file outside for a folder that cannot be opened as one, the same for every process of this machine."""
    name = hashlib.sha256(os.fsencode(os.path.realpath(folder, strict=True))).hexdigest()[:32]
    return Path(tempfile.gettempdir()) / f"aahq-{name}.lock"


def read_at(handle: int, size: int, offset: int) -> bytes:
    """`size` bytes of an open file from `offset`, whichever threads read it at once."""
    if hasattr(os, "pread"):
        return os.pread(handle, size, offset)
    with _one_reader:
        os.lseek(handle, offset, os.SEEK_SET)
        return os.read(handle, size)


def take_room(path: Path, size: int) -> None:
    """Make a file of `size` zero bytes whose room on the disk is taken, where the system can be asked for that.

    Raises:
        OSError: the disk has not so much.
    """
    with path.open("wb") as file:
        file.truncate(size)
        if hasattr(os, "posix_fallocate") and size:
            try:
                os.posix_fallocate(file.fileno(), 0, size)
            except OSError as error:
                raise OSError(error.errno, error.strerror, str(path)) from None


def sync_folder(folder: Path) -> None:
    """New names in a folder outlive a power cut from here on."""
    if _posix is None:
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_disks() -> None:
    """Everything written reaches the disk, where the system can be asked for all at once."""
    if hasattr(os, "sync"):
        os.sync()


def processors() -> int:
    """Processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def memory_bytes() -> int:
    """All memory of this machine; 0 where the system does not say."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return 0


def give_way(amount: int) -> None:
    """Lower this process's claim to the processors, where there is such a thing."""
    if hasattr(os, "nice"):
        os.nice(amount)


def end_session(process: subprocess.Popen[Any]) -> None:
    """Kill a process that leads a session of its own, with all that it started; where there are no sessions, itself alone."""
    try:
        os.killpg(process.pid, 9)
    except (OSError, AttributeError):
        process.kill()
