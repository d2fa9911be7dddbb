"""Disks fill up, go read-only and rot: each of these ends a command with one line that says what to do."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from suite.errors import SuiteError

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_REFUSED = (errno.EROFS, errno.EACCES, errno.EPERM)
_AGAIN = "run the same command again to go on: what was done stands"


@contextmanager
def disk_faults(out: Path) -> Iterator[None]:
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
        else:
            raise
        raise SuiteError(f"OUT {out}: the ledger says: {text}; {fix}", 1) from None
