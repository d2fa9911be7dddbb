"""Sets of pictures that bring no manifest: a folder, a zip file, tar shards."""

from __future__ import annotations

import lzma
import os
import tarfile
import threading
import zipfile
import zlib
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from models.data import splits
from models.data.identity import identify, stamp_of
from models.data.pictures import is_picture_name
from suite.errors import SuiteError
from suite.files import digest
from suite.portable import BINARY, read_at


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
        return self._files[index].read_bytes()

    def stamp(self, index: int) -> str:
        return self._stamps[index]


class ZipPictures(PlainPictures):
    """The picture members of one zip file; each thread reads through a handle of its own."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._path, self._stamp = path, stamp_of(path.stat())
        self._local = threading.local()
        try:
            with zipfile.ZipFile(path) as archive:
                self.names = sorted({name for name in archive.namelist() if is_picture_name(name)})
        except (zipfile.BadZipFile, OSError, NotImplementedError) as error:
            raise SuiteError(f"--data {path}: not a whole zip file ({error})") from None

    def stamp(self, index: int) -> str:
        return self._stamp

    def read(self, index: int) -> bytes:
        if not hasattr(self._local, "archive"):
            self._local.archive = zipfile.ZipFile(self._path)
        try:
            data: bytes = self._local.archive.read(self.names[index])
        except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, RuntimeError) as error:
            raise OSError(f"a damaged, encrypted or unknown member ({error})") from None
        return data


class TarPictures(PlainPictures):
    """The picture members of tar shards, found once by offset and read without seeking a shared position."""

    def __init__(self, place: Path) -> None:
        super().__init__(place)
        shards = sorted(place.glob("*.tar")) if place.is_dir() else [place]
        self._spans: list[tuple[int, int, int]] = []
        self._shards = [os.open(shard, os.O_RDONLY | BINARY) for shard in shards]
        self._stamps = [stamp_of(os.fstat(shard)) for shard in self._shards]
        for number, shard in enumerate(shards):
            try:
                # Members of a compressed one could not be read by their place.
                with tarfile.open(shard, "r:") as archive:
                    for member in archive:
                        if member.isfile() and is_picture_name(member.name):
                            self._spans.append((number, member.offset_data, member.size))
                            self.names.append(f"{shard.name}#{member.name}")
            except (tarfile.TarError, OSError) as error:
                raise SuiteError(f"--data {shard}: not a whole, uncompressed tar file ({error})") from None

    def stamp(self, index: int) -> str:
        return self._stamps[self._spans[index][0]]

    def read(self, index: int) -> bytes:
        shard, offset, size = self._spans[index]
        return read_at(self._shards[shard], size, offset)

    def __del__(self) -> None:
        for handle in getattr(self, "_shards", ()):
            os.close(handle)
