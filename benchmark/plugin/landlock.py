"""Linux's Landlock for the process that calls it: which folders it may read, which it may write. The standard library alone.

https://docs.kernel.org/userspace-api/landlock.html (numbers and bits from there). Needs no rights; holds for every thread and
process that is started afterwards, and cannot be undone.
"""

from __future__ import annotations

import ctypes
import os
import platform
from collections.abc import Iterable

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
ASK_VERSION, PATH_BENEATH, NO_NEW_PRIVILEGES = 1, 1, 38
EXECUTE, WRITE_FILE, READ_FILE, READ_DIR, TRUNCATE, IOCTL_DEV = 1 << 0, 1 << 1, 1 << 2, 1 << 3, 1 << 14, 1 << 15
# Rights by the version that brought them: 13 of the first, then renaming across folders, truncating, device controls.
BY_VERSION = {1: (1 << 13) - 1, 2: 1 << 13, 3: TRUNCATE, 5: IOCTL_DEV}
READ = EXECUTE | READ_FILE | READ_DIR
OF_FILES = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV
TCP_SINCE, TCP = 4, 0b11
# Abstract sockets and signals of processes outside.
SCOPES_SINCE, SCOPES = 6, 0b11


class _Rules(ctypes.Structure):
    _fields_ = (("fs", ctypes.c_uint64), ("net", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


class _Beneath(ctypes.Structure):
    _pack_ = 1
    _layout_ = "ms"
    _fields_ = (("allowed", ctypes.c_uint64), ("folder", ctypes.c_int32))


def _call(number: int, *arguments: object) -> int:
    answer = ctypes.CDLL(None, use_errno=True).syscall(number, *arguments)
    if answer < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return int(answer)


def version() -> int:
    """Of the kernel's Landlock; 0 where there is none."""
    if platform.system() != "Linux":
        return 0
    try:
        return _call(CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(ASK_VERSION))
    except OSError:
        return 0


def restrict(readable: Iterable[str], writable: Iterable[str]) -> list[str]:
    """Shut this process off from everything else; returns what is enforced, in words; empty where there is no Landlock.

    Args:
        readable: folders and files that may be read and executed; those that are not there are passed over.
        writable: folders and devices that may be read and written.

    Raises:
        OSError: the kernel refuses.
    """
    known = version()
    if not known:
        return []
    every = sum(bits for since, bits in BY_VERSION.items() if since <= known)
    rules = _Rules(every, TCP if known >= TCP_SINCE else 0, SCOPES if known >= SCOPES_SINCE else 0)
    # An older kernel takes a shorter structure.
    size = 8 if known < TCP_SINCE else 16 if known < SCOPES_SINCE else 24
    handle = _call(CREATE_RULESET, ctypes.byref(rules), ctypes.c_size_t(size), ctypes.c_uint32(0))
    try:
        for paths, rights in ((readable, READ), (writable, every)):
            for path in paths:
                _allow(handle, path, rights & every)
        ctypes.CDLL(None, use_errno=True).prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0)
        _call(RESTRICT_SELF, ctypes.c_int(handle), ctypes.c_uint32(0))
    finally:
        os.close(handle)
    held = ["files"]
    if known >= TCP_SINCE:
        held.append("TCP")
    return held + (["signals"] if known >= SCOPES_SINCE else [])


def _allow(handle: int, path: str, rights: int) -> None:
    try:
        place = os.open(path, os.O_PATH)
    except OSError:
        return
    try:
        beneath = _Beneath(rights if os.path.isdir(path) else rights & OF_FILES, place)
        _call(ADD_RULE, ctypes.c_int(handle), ctypes.c_int(PATH_BENEATH), ctypes.byref(beneath), ctypes.c_uint32(0))
    finally:
        os.close(place)
