"""One writer a folder: a lock that the system drops with its process, however that ends."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from suite.errors import SuiteError

LOCK = "build.lock"


@contextmanager
def only_writer(folder: Path) -> Iterator[None]:
    """Hold `folder`'s lock. The file names the holder's process; it stays, the lock on it does not.

    Raises:
        SuiteError: another process holds it, or the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise SuiteError(f"OUT {folder}: {error.strerror}; give a folder that can be written") from None
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(handle, 32, 0).decode("ascii", "replace").strip() or "unknown"
            raise SuiteError(
                f"OUT {folder}: process {holder} is working on it; wait for it, or give another folder"
            ) from None
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(handle)
