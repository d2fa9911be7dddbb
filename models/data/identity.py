"""Identity of a picture set without a manifest: digests of its pictures' pixels, computed once, cached with the files' stamps.

A folder, zip, tar or Parquet of the same pictures, copied, packed anew or touched, holds the same pixels: it is the same set.
Kept digests are used while a member's file has the same device, inode, size, time of change and time of status change. A
program may put an old time of change back (`touch -r`, `rsync -t`); the time of status change is the system's own, so that a
file of the same size and time of change with other pixels is read again. A file that changed within `SETTLED` of being read is
not trusted either, as clocks of file systems are coarse. Whoever reads a picture for a score compares its pixels again.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

import numpy as np
import pandas as pd

from models.data import cache_folder
from models.data.pictures import PICTURE_ERRORS, decode_rgb
from suite.files import digest, sha256_bytes, whole_file
from suite.progress import progress

# FAT keeps times to two seconds; others are finer.
SETTLED = 2_000_000_000
FORMAT = 1
AT_ONCE = 256
COLUMNS = ("name", "stamp", "read_ns", "pixel_sha256", "pixel_md5", "file_md5", "width", "height", "fault")


class Members(Protocol):
    """Encoded pictures by position; `stamp` says what the file that a member lies in looked like."""

    names: list[str]

    def read(self, index: int) -> bytes: ...

    def stamp(self, index: int) -> str: ...


def stamp_of(status: os.stat_result) -> str:
    """What a file looked like; a change of its bytes changes this, unless the file system's clock is too coarse to tell."""
    fields = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    return " ".join(map(str, fields))


def pixel_sha256(rgb: np.ndarray) -> str:
    """Hex SHA-256 of a picture's (H, W, 3) uint8 RGB bytes by rows, its size before them: a release's column of this name."""
    height, width = rgb.shape[:2]
    return sha256_bytes(f"rgb8 {height} {width}\n".encode() + np.ascontiguousarray(rgb).tobytes())


def identify(members: Members, place: Path, workers: int | None = None) -> pd.DataFrame:
    """One row per member, in order: its digests and its size; kept ones where its file is as it was.

    A member that is no whole picture has the digest of its bytes as `pixel_sha256`, no width, and a `fault`.

    Args:
        place: where the set lies; what is kept is kept under this path.
        workers: threads that decode; as many as processors (at most 16) where None.
    """
    path = _kept_at(place)
    kept = _usable(path)
    stamps = [members.stamp(index) for index in range(len(members.names))]
    rows: list[tuple[object, ...] | None] = [kept.get(key) for key in zip(members.names, stamps)]
    wanted = [index for index, row in enumerate(rows) if row is None]
    if wanted:
        for index, facts in zip(wanted, _read(members, wanted, workers)):
            rows[index] = (members.names[index], stamps[index], *facts)
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    if wanted:
        with whole_file(path) as part:
            table.to_parquet(part)
    return table


def forget(place: Path) -> None:
    """Drop what is kept of a set: a picture turned out to be another than it says."""
    _kept_at(place).unlink(missing_ok=True)


def _kept_at(place: Path) -> Path:
    return cache_folder() / "identity" / f"{digest([FORMAT, str(place.resolve())])[:32]}.parquet"


def _usable(path: Path) -> dict[tuple[str, str], tuple[object, ...]]:
    """(name, stamp) -> row of what is kept and may be trusted; nothing where the file is damaged."""
    try:
        table = pd.read_parquet(path)
    except (OSError, ValueError):
        return {}
    if tuple(table.columns) != COLUMNS:
        return {}
    changed = np.array([max(map(int, stamp.split(" ")[3:])) for stamp in table["stamp"]], np.int64)
    settled = table[changed + SETTLED < table["read_ns"].to_numpy()]
    return {(row[0], row[1]): row for row in settled.itertuples(index=False, name=None)}


def _read(members: Members, wanted: Sequence[int], workers: int | None) -> Iterator[tuple[object, ...]]:
    count = workers or min(16, os.cpu_count() or 1)
    with ThreadPoolExecutor(count) as pool:
        for start in progress(range(0, len(wanted), AT_ONCE), "identify pictures", -(-len(wanted) // AT_ONCE), "block"):
            yield from pool.map(lambda index: _row(members, index), wanted[start : start + AT_ONCE])


def _row(members: Members, index: int) -> tuple[object, ...]:
    begun = time.time_ns()
    data = b""
    try:
        data = members.read(index)
        rgb = np.asarray(decode_rgb(data))
    except PICTURE_ERRORS as error:
        return begun, sha256_bytes(data), "", _md5(data), 0, 0, " ".join(str(error).split())[:200]
    height, width = rgb.shape[:2]
    return begun, pixel_sha256(rgb), _md5(np.ascontiguousarray(rgb).tobytes()), _md5(data), width, height, ""


def _md5(data: bytes) -> str:
    # The published list of FFHQ has these; nothing is trusted for them alone.
    return hashlib.md5(data, usedforsecurity=False).hexdigest()
