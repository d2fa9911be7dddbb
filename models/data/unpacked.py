"""Pictures that lie in large Parquet row groups, copied once into one file that is read in any order."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from models.data.parquet import ParquetPictures
from suite.errors import SuiteError
from suite.files import whole_folder, write_json
from suite.portable import BINARY, read_at
from suite.progress import progress

# A group of a few pictures is read as fast as one of them.
MOST_GROUP_BYTES = 16e6


def out_of_order(pictures: ParquetPictures, place: Path, label: str) -> UnpackedPictures:
    """The copy of `pictures` in the folder `place`, made now unless it is there.

    Raises:
        SuiteError: the disk has no room for the copy.
    """
    if not (place / "index.json").is_file():
        _copy(pictures, place, label)
    return UnpackedPictures(place, pictures)


class UnpackedPictures:
    """The copy; `names`, `labels` and `key` are those of the Parquet files. A row that could not be read is empty."""

    def __init__(self, place: Path, pictures: ParquetPictures) -> None:
        self.names, self.labels, self.key = pictures.names, pictures.labels, pictures.key
        index: dict[str, Any] = json.loads((place / "index.json").read_text())
        self._ends = np.array(index["ends"], np.int64)
        self._file = os.open(place / "pictures.bin", os.O_RDONLY | BINARY)

    def read(self, index: int) -> bytes:
        start = int(self._ends[index - 1]) if index else 0
        return read_at(self._file, int(self._ends[index]) - start, start)

    def __del__(self) -> None:
        os.close(self._file)


def _copy(pictures: ParquetPictures, place: Path, label: str) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    needed, free = pictures.total_bytes, shutil.disk_usage(place.parent).free
    if needed > free:
        raise SuiteError(
            f"--data {label}: row groups of {pictures.group_bytes / 1e6:.0f} MB cannot be read in random order, and a copy "
            f"in {place.parent} needs {needed / 1e9:.1f} GB, {free / 1e9:.1f} GB free; set AAHQ_CACHE to a larger disk, or "
            f"write the Parquet files with row groups of at most {MOST_GROUP_BYTES / 1e6:.0f} MB"
        )
    with whole_folder(place, "index.json") as part:
        ends, end = [], 0
        with (part / "pictures.bin").open("wb") as out:
            for index in progress(range(len(pictures.names)), "unpack Parquet", len(pictures.names), "picture"):
                try:
                    data = pictures.read(index)
                except OSError:
                    data = b""
                out.write(data)
                end += len(data)
                ends.append(end)
        write_json(part / "index.json", {"ends": ends})
