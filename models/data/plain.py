"""Sets of pictures that bring no manifest: a folder, a zip file, tar shards."""

from __future__ import annotations

import io
import os
import tarfile
import threading
import zipfile
import zlib
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from models.data import splits
from models.data.identity import identify, stamp_of
from models.data.pictures import is_picture_name
from suite.errors import SuiteError
from suite.files import digest, open_file, read_bytes
from suite.pictures.decode import DecodeLimits
from suite.portable import BINARY, read_at

# Of one encoded picture; a larger one would not be decoded.
MOST_BYTES = DecodeLimits().max_bytes
# Of a tar's header, whose names and notes are read at once.
HEADER_BYTES = 1 << 20


class PlainPictures:
    """A set that brings no manifest: it is what its pixels say, wherever and in whatever form it lies.

    Attributes:
        place: where it lies.
    """

    def __init__(self, place: Path) -> None:
        self.place = place
        self.names: list[str] = []
        self.labels: dict[str, np.ndarray] = {}

    def read(self, index: int) -> bytes:
        """The encoded bytes of picture `index`."""
        raise NotImplementedError

    def stamp(self, index: int) -> str:
        """What the file that picture `index` lies in looked like when the set was opened."""
        raise NotImplementedError

    @cached_property
    def members(self) -> pd.DataFrame:
        """One row per picture: its digests and its size (`models.data.identity`); found once and kept."""
        return identify(self, self.place)

    @cached_property
    def key(self) -> str:
        return digest(["pixels", self.members["pixel_sha256"].tolist()])

    def split_rows(self, split: str) -> np.ndarray:
        """Numbers of the photographs of a split, rising."""
        return np.flatnonzero(splits.of(self.members, self.place).parts == split)


class FolderPictures(PlainPictures):
    """Every picture file below a folder, in the order of its relative path."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        files = sorted(path for path in folder.rglob("*") if is_picture_name(path.name) and path.is_file())
        self._files = files
        self._stamps = [stamp_of(path.stat()) for path in files]
        self.names = [path.relative_to(folder).as_posix() for path in files]

    def read(self, index: int) -> bytes:
        return read_bytes(self._files[index], MOST_BYTES)

    def stamp(self, index: int) -> str:
        return self._stamps[index]


class ZipPictures(PlainPictures):
    """The picture members of one zip file; each thread reads through a handle of its own."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._path, self._stamp = path, stamp_of(path.stat())
        self._local = threading.local()
        try:
            with open_file(path) as source, zipfile.ZipFile(source) as archive:
                self.names = sorted({name for name in archive.namelist() if is_picture_name(name)})
        except (zipfile.BadZipFile, OSError, NotImplementedError, ValueError) as error:
            raise SuiteError(f"--data {path}: not a whole zip file ({error})") from None

    def stamp(self, index: int) -> str:
        return self._stamp

    def read(self, index: int) -> bytes:
        if not hasattr(self._local, "archive"):
            self._local.archive = zipfile.ZipFile(self._path)
        member = self._local.archive.getinfo(self.names[index])
        refuse_huge(member.file_size)
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            # The other forms are unpacked whole before anything tells how large they are.
            raise OSError("a member that is neither stored nor deflated; pack the zip anew")
        try:
            with self._local.archive.open(member) as source:
                # A member that unpacks to more than it says ends here, and its checksum tells.
                data: bytes = source.read(member.file_size)
        except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, ValueError) as error:
            raise OSError(f"a damaged, encrypted or unknown member ({error})") from None
        return data


def refuse_huge(size: int) -> None:
    """Raise OSError for a picture of more bytes than would be decoded."""
    if not 0 <= size <= MOST_BYTES:
        raise OSError(f"{size} bytes, where a picture has at most {MOST_BYTES}")


class TarPictures(PlainPictures):
    """The picture members of tar shards, found once by offset and read without seeking a shared position."""

    def __init__(self, place: Path) -> None:
        super().__init__(place)
        shards = sorted(place.glob("*.tar")) if place.is_dir() else [place]
        self._spans: list[tuple[int, int, int]] = []
        self._shards: list[int] = []
        self._stamps: list[str] = []
        for number, shard in enumerate(shards):
            try:
                for member in _tar_members(shard):
                    self._spans.append((number, member.offset_data, member.size))
                    self.names.append(f"{shard.name}#{member.name}")
                self._shards.append(os.open(shard, os.O_RDONLY | BINARY))
            except (tarfile.TarError, OSError, ValueError) as error:
                raise SuiteError(f"--data {shard}: not a whole, uncompressed tar file ({error})") from None
            self._stamps.append(stamp_of(os.fstat(self._shards[-1])))

    def stamp(self, index: int) -> str:
        return self._stamps[self._spans[index][0]]

    def read(self, index: int) -> bytes:
        shard, offset, size = self._spans[index]
        refuse_huge(size)
        return read_at(self._shards[shard], size, offset)

    def __del__(self) -> None:
        for handle in getattr(self, "_shards", ()):
            os.close(handle)


class _Headers(io.BufferedReader):
    """A tar file of which nothing but headers is read: no single one may fill the memory."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or not 0 <= size <= HEADER_BYTES:
            raise tarfile.ReadError(f"a header of {size} bytes")
        return super().read(size)


def _tar_members(shard: Path) -> Iterator[tarfile.TarInfo]:
    open_file(shard).close()
    # Members of a compressed one could not be read by their place.
    with _Headers(io.FileIO(shard)) as source, tarfile.open(fileobj=source, mode="r:") as archive:
        while (member := archive.next()) is not None:
            # A size below zero leads back to the member itself; headers for all members are copied into each.
            if member.size < 0:
                raise tarfile.ReadError(f"{member.name[:80]!r} has {member.size} bytes")
            archive.members.clear()  # type: ignore[attr-defined]
            if member.isfile() and is_picture_name(member.name):
                yield member
