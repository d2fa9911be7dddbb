"""Where pictures lie: a release, a folder, a zip, tar shards or Parquet files, each read by position."""

from __future__ import annotations

import json
import lzma
import os
import tarfile
import threading
import zipfile
import zlib
from collections import deque
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd

from models.data import splits
from models.data.identity import identify, stamp_of
from models.data.pictures import SUFFIXES, decode_rgb, is_picture_name
from models.data.release import open_release
from suite.errors import SuiteError
from suite.files import digest
from suite.portable import BINARY, read_at


class Pictures(Protocol):
    """Encoded pictures by position. Reading is safe from several threads.

    Attributes:
        names: one a picture, in a fixed order; what messages call it.
        labels: column name -> (N,) int64, where the source knows them (a painted release's identity, style and family).
        key: digest of the pictures that the source holds, in their order.
    """

    names: list[str]
    labels: dict[str, np.ndarray]

    @property
    def key(self) -> str: ...

    def read(self, index: int) -> bytes:
        """The encoded bytes of picture `index`."""
        ...


def open_pictures(path: str | os.PathLike[str], domain: str | None = None, split: str | None = None) -> Pictures:
    """Open any local form of a picture set.

    Args:
        path: a release folder (or the folder that `aahq build` made it in), a folder of pictures, a `.zip`, a `.tar`,
            a folder of `.tar` shards, a `.parquet` or a folder of them.
        domain: for a release, keep only rows of this domain ("photo" or "art").
        split: of a release, and of photographs in any form (`models.data.splits`), keep only this split.

    Raises:
        SuiteError: nothing there, or nothing that is a picture.
    """
    found = open_whole(path, domain, split)
    if isinstance(found, PlainPictures) and domain == "photo" and split is not None:
        return _filled(Chosen(found, found.split_rows(split)), path, domain, split)
    return found


def open_whole(path: str | os.PathLike[str], domain: str | None = None, split: str | None = None) -> Pictures:
    """The same, save that photographs that are no release come whole."""
    place = Path(path)
    if not place.exists():
        raise SuiteError(f"--data {place}: no such file or folder")
    if any((folder / "release.json").is_file() for folder in (place, place / "release")):
        found: Pictures = ReleasePictures(place, domain, split)
    elif place.suffix == ".zip":
        found = ZipPictures(place)
    elif place.suffix == ".tar" or (place.is_dir() and any(place.glob("*.tar"))):
        found = TarPictures(place)
    elif place.suffix == ".parquet" or (place.is_dir() and any(place.glob("*.parquet"))):
        found = ParquetPictures(place)
    elif place.is_dir():
        found = FolderPictures(place)
    else:
        raise SuiteError(f"--data {place}: expected a release, a folder of pictures, a .zip, .tar shards or .parquet")
    return _filled(found, place, domain, split)


def _filled(found: Pictures, place: str | os.PathLike[str], domain: str | None, split: str | None) -> Pictures:
    if not found.names:
        kept = "".join(f", {key} {value}" for key, value in (("domain", domain), ("split", split)) if value)
        raise SuiteError(f"--data {place}: holds no pictures{kept}; known types: {' '.join(SUFFIXES)}")
    return found


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
        """One row a picture: its digests and its size (`models.data.identity`); found once and kept."""
        return identify(self, self.place)

    @cached_property
    def key(self) -> str:
        return digest(["pixels", self.members["pixel_sha256"].tolist()])

    def split_rows(self, split: str) -> np.ndarray:
        """Numbers of the photographs of a split, rising."""
        return np.flatnonzero(splits.of(self.members, self.place).parts == split)


class Chosen:
    """Some pictures of a set, in its order."""

    def __init__(self, pictures: Pictures, rows: np.ndarray) -> None:
        self.pictures, self.rows = pictures, rows
        self.names = [pictures.names[row] for row in rows]
        self.labels = {name: column[rows] for name, column in pictures.labels.items()}

    @cached_property
    def key(self) -> str:
        return digest(["chosen", self.pictures.key, self.rows.tolist()])

    def read(self, index: int) -> bytes:
        return self.pictures.read(int(self.rows[index]))


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


class ReleasePictures:
    """The rows of a release; painted portraits bring their known identity, style and style family as labels."""

    def __init__(self, folder: Path, domain: str | None, split: str | None) -> None:
        self._release = open_release(folder)
        manifest = self._release.manifest
        keep = np.ones(len(manifest), bool)
        for column, value in (("domain", domain), ("split", split)):
            if value is not None:
                keep &= (manifest[column] == value).to_numpy()
        self._rows = np.flatnonzero(keep)
        rows = manifest.iloc[self._rows]
        self.names = rows["id"].tolist()
        self.labels = _known_factors(rows["factors"].tolist())
        self.key = digest(["release", self._release.digest, domain, split])

    def read(self, index: int) -> bytes:
        return self._release.png(int(self._rows[index]))


def _known_factors(texts: list[str | None]) -> dict[str, np.ndarray]:
    if not texts or any(not text for text in texts):
        return {}
    factors = [json.loads(text) for text in texts if text]
    labels = {name: np.array([row[name] for row in factors], np.int64) for name in ("identity", "style")}
    families = {name: number for number, name in enumerate(sorted({row["style_name"] for row in factors}))}
    return labels | {"family": np.array([families[row["style_name"]] for row in factors], np.int64)}


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


class ParquetPictures(PlainPictures):
    """Rows of Parquet files whose first picture column holds bytes, or a struct with a `bytes` field.

    A row comes with all pictures of its row group. `group_bytes`, the largest group's size on disk, says what a picture out of
    order costs; `models.data.unpacked` is the way round it.
    """

    def __init__(self, place: Path) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        super().__init__(place)
        self._files = sorted(place.glob("*.parquet")) if place.is_dir() else [place]
        self._where: list[tuple[int, int, int]] = []
        self._columns: list[str] = []
        self._last: deque[tuple[tuple[int, int], list[bytes]]] = deque(maxlen=2)
        self._lock = threading.Lock()
        self._stamps = [stamp_of(path.stat()) for path in self._files]
        self.group_bytes = self.total_bytes = 0
        for number, path in enumerate(self._files):
            try:
                source = pq.ParquetFile(path)
            except (pa.ArrowException, OSError) as error:
                raise SuiteError(f"--data {path}: not a whole Parquet file ({error})") from None
            self._columns.append(_picture_column(source.schema_arrow, path))
            given = _given_names(source, self._columns[-1])
            for group in range(source.num_row_groups):
                size = source.metadata.row_group(group).total_byte_size
                self.group_bytes, self.total_bytes = max(self.group_bytes, size), self.total_bytes + size
                for row in range(source.metadata.row_group(group).num_rows):
                    self._where.append((number, group, row))
                    own = next(given, None)
                    self.names.append(f"{path.name}#{own or f'{group}.{row}'}")

    def stamp(self, index: int) -> str:
        return self._stamps[self._where[index][0]]

    def read(self, index: int) -> bytes:
        number, group, row = self._where[index]
        with self._lock:
            # Two groups are kept: threads that read in order stand on both sides of a border.
            for place, rows in self._last:
                if place == (number, group):
                    return rows[row]
            self._last.append(((number, group), list(self._group(number, group))))
            return self._last[-1][1][row]

    def _group(self, number: int, group: int) -> Iterator[bytes]:
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            table = pq.ParquetFile(self._files[number]).read_row_group(group, columns=[self._columns[number]])
        except pa.ArrowException as error:
            raise OSError(f"a damaged row group ({error})") from None
        for value in table.column(0).to_pylist():
            yield (value["bytes"] if isinstance(value, dict) else value) or b""


def _given_names(source: Any, column: str) -> Iterator[str | None]:
    """The names that a struct of pictures carries in its field `path`, row by row; nothing where it has none."""
    import pyarrow as pa

    kind = source.schema_arrow.field(column).type
    if not pa.types.is_struct(kind) or kind.get_field_index("path") < 0:
        return
    if not pa.types.is_string(kind.field("path").type) and not pa.types.is_large_string(kind.field("path").type):
        return
    try:
        for batch in source.iter_batches(columns=[f"{column}.path"]):
            yield from (row and row["path"] for row in batch.column(0).to_pylist())
    except pa.ArrowException:
        # A damaged row group is said of its pictures.
        return


def _picture_column(schema: object, path: Path) -> str:
    import pyarrow as pa

    for field in schema:  # type: ignore[attr-defined]
        kind = field.type
        if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
            return str(field.name)
        if pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0:
            return str(field.name)
    raise SuiteError(f"--data {path}: no column of picture bytes; known forms: binary, struct with a `bytes` field")


def decoded(data: bytes) -> np.ndarray:
    """Encoded bytes -> (H, W, 3) uint8 RGB by the rules of `decode_rgb`; raises its PICTURE_ERRORS."""
    return np.asarray(decode_rgb(data))
