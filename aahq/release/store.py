"""Where a release's pictures lie: one file each, or tar shards whose bytes depend on the pictures alone."""

from __future__ import annotations

import io
import os
import tarfile
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, NamedTuple, Protocol

import numpy as np
from PIL import Image

from aahq.release.schema import LOADER_COLUMNS, LOADER_TABLE, SPLITS
from aahq.release.tables import TableWriter, table_writer
from suite.errors import SuiteError
from suite.files import PART_SUFFIX, canonical_json, sha256_file, whole_file
from suite.portable import sync_disks

SHARD_BYTES = 1 << 30
# Of a face in a release: 8192 px square.
PIXELS_MAX = 1 << 26
# Level 3 makes 1024 px faces 5 % larger than level 6 in less than half of its time; a constant keeps bytes the same.
COMPRESS_LEVEL = 3
Row = dict[str, Any]


class Place(NamedTuple):
    """Where a picture was put: the manifest's `file` and `offset`."""

    file: str
    offset: int


class Store(Protocol):
    """Takes rows with pictures in the order of their ids; `sums` gives path -> SHA-256 of the files made, when closed.

    Pictures of a release's split lie together, with their rows beside them, in the two forms that others' loaders read:
    Hugging Face's `datasets` both, and whatever reads WebDataset the shards.
    """

    sums: dict[str, str]

    def put(self, row: Row, png: bytes) -> Place: ...

    def close(self) -> None: ...


class FolderStore(AbstractContextManager["FolderStore"]):
    """`images/<split>/<first two characters of the id>/<id>.png`, and the rows in `images/<split>/metadata.parquet`.

    Thousands of small files are not flushed one by one: `close` flushes them all before the manifest gets its name,
    and until then no reader takes the folder for a release.

    Args:
        root: the release's folder.
        announce: told of each file before it is written.
        link_from: another release, whose pictures are linked where they are the same.
    """

    def __init__(self, root: Path, announce: Callable[[str], None], link_from: Path | None = None) -> None:
        self.root, self.announce, self.link_from = root, announce, link_from
        self.sums: dict[str, str] = {}
        self._stack = ExitStack()
        self._tables: dict[str, tuple[Path, TableWriter]] = {}

    def put(self, row: Row, png: bytes) -> Place:
        id, split = row["id"], row["split"]
        inside = f"{id[:2]}/{id}.png"
        file = f"images/{split}/{inside}"
        path = self.root / file
        self.announce(file)
        if self.link_from is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            # Some file systems have no links; the bytes are written then.
            with suppress(OSError):
                os.link(self.link_from / file, path)
        if not (path.is_file() and path.stat().st_size == len(png) and sha256_file(path) == row["sha256"]):
            path.parent.mkdir(parents=True, exist_ok=True)
            part = path.with_name(f".{id}{PART_SUFFIX}")
            part.write_bytes(png)
            part.replace(path)
        self._table(split).add({"file_name": inside, **_loaded(row)})
        return Place(file, 0)

    def _table(self, split: str) -> TableWriter:
        if split not in self._tables:
            file = f"images/{split}/{LOADER_TABLE}"
            self.announce(file)
            part = self._stack.enter_context(whole_file(self.root / file))
            self._tables[split] = part, self._stack.enter_context(table_writer(part, LOADER_COLUMNS))
        return self._tables[split][1]

    def close(self) -> None:
        """Everything written reaches the disk."""
        for split, (part, table) in self._tables.items():
            table.close()
            self.sums[f"images/{split}/{LOADER_TABLE}"] = sha256_file(part)
        self._tables = {}
        self._stack.close()
        sync_disks()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)


class _Shard:
    """One tar file at work, which gets its name when it is closed.

    Args:
        path: where it will be.
    """

    def __init__(self, path: Path) -> None:
        self.stack = ExitStack()
        self.part = self.stack.enter_context(whole_file(path))
        self.tar = self.stack.enter_context(tarfile.TarFile(self.part, "w", format=tarfile.USTAR_FORMAT))

    def add(self, name: str, data: bytes) -> int:
        """Append a file; returns the offset of its bytes."""
        member = tarfile.TarInfo(name)
        member.size = len(data)
        offset = self.tar.offset + tarfile.BLOCKSIZE
        self.tar.addfile(member, io.BytesIO(data))
        # TarFile remembers every member that it wrote; a shard may hold a million.
        self.tar.getmembers().clear()
        return offset

    def close(self) -> str:
        """Finish it; returns its SHA-256."""
        self.tar.close()
        digest = sha256_file(self.part)
        self.stack.close()
        return digest


class ShardStore(AbstractContextManager["ShardStore"]):
    """`shards/<split>-00000.tar` and on: of each face `<id>.png` and its row, `<id>.json`, which is a WebDataset.

    Plain tar with names, sizes and nothing that time or machine could change.
    """

    def __init__(self, root: Path, announce: Callable[[str], None], shard_bytes: int = SHARD_BYTES) -> None:
        self.root, self.announce = root, announce
        self.shard_bytes = shard_bytes
        self.sums: dict[str, str] = {}
        self._numbers: Counter[str] = Counter()
        self._open: dict[str, _Shard] = {}

    def put(self, row: Row, png: bytes) -> Place:
        id, split = row["id"], row["split"]
        if "." in id:
            raise SuiteError(
                f"release row {id!r}: in shards an id has no '.', where readers cut a name; use --form folder"
            )
        # Readers infer a column's type from the first rows, where nothing is no type.
        text = canonical_json({name: "" if value is None else value for name, value in _loaded(row).items()}).encode()
        shard = self._open.get(split)
        if shard is None or shard.tar.offset + len(png) + len(text) > self.shard_bytes:
            shard = self._next(split)
        offset = shard.add(f"{id}.png", png)
        shard.add(f"{id}.json", text)
        return Place(f"{self._file(split)}#{id}.png", offset)

    def _file(self, split: str) -> str:
        return f"shards/{split}-{self._numbers[split] - 1:05}.tar"

    def _next(self, split: str) -> _Shard:
        self._finish(split)
        self._numbers[split] += 1
        self.announce(self._file(split))
        self._open[split] = _Shard(self.root / self._file(split))
        return self._open[split]

    def _finish(self, split: str) -> None:
        if split in self._open:
            self.sums[self._file(split)] = self._open.pop(split).close()

    def close(self) -> None:
        for split in tuple(self._open):
            self._finish(split)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for shard in self._open.values():
            shard.stack.__exit__(kind, error, trace)
        self._open = {}


def _loaded(row: Row) -> dict[str, Any]:
    """The row as others' loaders get it: it lies beside its picture, and needs no place."""
    return {name: row[name] for name in LOADER_COLUMNS if name in row}


class NoStore:
    """Links only: no picture is kept."""

    def __init__(self) -> None:
        self.sums: dict[str, str] = {}

    def put(self, row: Row, png: bytes) -> Place:
        return Place("", 0)

    def close(self) -> None:
        """Nothing is open."""


class Pictures:
    """Reads pictures by the manifest's place, keeping the shards of the last ones open."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._open: dict[str, BinaryIO] = {}

    def __enter__(self) -> Pictures:
        return self

    def __exit__(self, *_: object) -> None:
        for file in self._open.values():
            file.close()
        self._open = {}

    def read(self, file: str, offset: int, size: int) -> bytes | None:
        """The bytes there, fewer where the file ends early; None where there is no file."""
        name, _, member = file.partition("#")
        if not member:
            path = self.root / name
            # One byte more than promised shows a file that has grown.
            return _read(path, size + 1) if path.is_file() else None
        if name not in self._open:
            if not (self.root / name).is_file():
                return None
            # One of each split is at work at a time.
            if len(self._open) == len(SPLITS):
                self._open.pop(next(iter(self._open))).close()
            self._open[name] = (self.root / name).open("rb")
        return _read_at(self._open[name], offset, size)


def _read(path: Path, size: int) -> bytes:
    with path.open("rb") as source:
        return _read_at(source, 0, size)


def _read_at(source: BinaryIO, offset: int, size: int) -> bytes:
    """At most what the file has: place and size are from the manifest, and Python takes the memory before it reads."""
    left = os.fstat(source.fileno()).st_size - offset
    if offset < 0 or size < 0 or left <= 0:
        return b""
    source.seek(offset)
    return source.read(min(size, left))


def encode_png(rgb: np.ndarray) -> bytes:
    """(H, W, 3) uint8 RGB -> PNG bytes without metadata; the same pixels are always the same bytes (with one zlib)."""
    if rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3:
        raise ValueError(f"expected (H, W, 3) uint8, got {rgb.shape} {rgb.dtype}")
    out = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(rgb)).save(out, "PNG", compress_level=COMPRESS_LEVEL)
    return out.getvalue()


def decode_png(data: bytes) -> np.ndarray:
    """PNG bytes of a release -> (H, W, 3) uint8 RGB.

    Raises:
        OSError, SyntaxError: the bytes are no whole PNG picture (Pillow's own errors).
    """
    with Image.open(io.BytesIO(data), formats=("PNG",)) as picture:
        if picture.width * picture.height > PIXELS_MAX:
            raise OSError(f"{picture.width} x {picture.height} px, more than any face")
        return np.asarray(picture.convert("RGB"))
