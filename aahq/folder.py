"""A build's folder: exclusive lock, disk errors in one line, content-addressed file names."""

from __future__ import annotations

import errno
import os
import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from aahq.ledger import LOCKED
from suite import portable
from suite.errors import SuiteError

LOCK = "build.lock"
# Nothing, or the number of the process that held it last.
_OURS = re.compile(rb"\d{0,20}\n?")
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_REFUSED = (errno.EROFS, errno.EACCES, errno.EPERM)
_AGAIN = "run the same command again to go on: what was done stands"


class FolderBusyError(SuiteError):
    """Another process works in the folder."""


@contextmanager
def exclusive_lock(folder: Path) -> Iterator[bool]:
    """Hold `folder`'s lock. The file names the holder's process, until its work ends well; the file stays, the lock does not.

    Yields whether the holder before was killed, or ended by an error.

    Raises:
        FolderBusyError: another process holds it.
        SuiteError: the folder cannot be written, or the lock's name is another file's.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | portable.BINARY, 0o644)
    except OSError as error:
        raise SuiteError(f"OUT {folder}: {error.strerror}; give a folder that can be written") from None
    try:
        if not portable.lock(handle):
            holder = portable.read_at(handle, 32, 0).decode("ascii", "replace").strip() or "unknown"
            raise FolderBusyError(
                f"OUT {folder}: process {holder} is working on it; wait for it, or give another folder"
            )
        before = portable.read_at(handle, 64, 0)
        if not _OURS.fullmatch(before):
            raise SuiteError(f"OUT {folder}: its {LOCK} is another program's file; give another folder")
        os.ftruncate(handle, 0)
        os.lseek(handle, 0, os.SEEK_SET)
        os.write(handle, f"{os.getpid()}\n".encode())
        yield bool(before)
        os.ftruncate(handle, 0)
    finally:
        os.close(handle)


@contextmanager
def explain_disk_errors(out: Path) -> Iterator[None]:
    """Turn what the disk under `out` does into one line.

    Raises:
        SuiteError: exit code 1; the disk is full, may not be written, fails, or the ledger is damaged.
    """
    try:
        yield
    except OSError as error:
        where = f"{error.strerror} ({error.filename})" if error.filename else str(error.strerror)
        if error.errno in _FULL:
            raise SuiteError(f"OUT {out}: {where}; free some space and {_AGAIN}", 1) from None
        if error.errno in _REFUSED:
            raise SuiteError(f"OUT {out}: {where}; make it writable and {_AGAIN}", 1) from None
        if error.errno == errno.EIO:
            raise SuiteError(
                f"OUT {out}: {where}; the disk fails: copy the folder to another one, and {_AGAIN}", 1
            ) from None
        raise
    except sqlite3.DatabaseError as error:
        text = str(error)
        if "malformed" in text or "not a database" in text:
            fix = (
                "it is damaged: restore a copy, or move it away and build again (fetched pictures are found by digest)"
            )
        elif "full" in text or "I/O" in text:
            fix = f"free some space and {_AGAIN}"
        elif "readonly" in text:
            fix = f"make it writable and {_AGAIN}"
        elif "locked" in text:
            raise SuiteError(f"OUT {out}: {LOCKED}", 1) from None
        else:
            raise
        raise SuiteError(f"OUT {out}: the ledger says: {text}; {fix}", 1) from None


def content_path(kind: str, digest: str, suffix: str) -> str:
    """Relative path of a file named by its content: `<kind>/<2 hex>/<digest><suffix>`."""
    return f"{kind}/{digest[:2]}/{digest}{suffix}"
