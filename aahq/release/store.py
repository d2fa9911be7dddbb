"""Where a release's pictures lie: one file each, or tar shards whose bytes depend on the pictures alone."""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, NamedTuple, Protocol

import numpy as np
from PIL import Image

from suite.files import PART_SUFFIX, sha256_file, whole_file
from suite.portable import sync_disks

SHARD_BYTES = 1 << 30
# Of a face in a release: 8192 px square.
PIXELS_MAX = 1 << 26
# Level 3 makes 1024 px faces 5 % larger than level 6 in less than half of its time; a constant keeps bytes the same.
COMPRESS_LEVEL = 3


class Place(NamedTuple):
    """Where a picture was put: the manifest's `file` and `offset`."""

    file: str
    offset: int


class Store(Protocol):
    """Takes pictures in the order of their ids; `sums` gives path -> SHA-256 of the files made, when closed."""

    sums: dict[str, str]

    def put(self, id: str, png: bytes, sha256: str) -> Place: ...

    def close(self) -> None: ...


class FolderStore:
    """`images/<first two characters of the id>/<id>.png`.

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

    def put(self, id: str, png: bytes, sha256: str) -> Place:
        file = f"images/{id[:2]}/{id}.png"
        path = self.root / file
        self.announce(file)
        if self.link_from is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            # Some file systems have no links; the bytes are written then.
            with suppress(OSError):
                os.link(self.link_from / file, path)
        if not (path.is_file() and path.stat().st_size == len(png) and sha256_file(path) == sha256):
            path.parent.mkdir(parents=True, exist_ok=True)
            part = path.with_name(f".{id}{PART_SUFFIX}")
            part.write_bytes(png)
            part.replace(path)
        return Place(file, 0)

    def close(self) -> None:
        """Everything written reaches the disk."""
        sync_disks()


class ShardStore(AbstractContextManager["ShardStore"]):
    """`shards/<name>-00000.tar` and on: plain tar with names, sizes and nothing that time or machine could change."""

    def __init__(self, root: Path, announce: Callable[[str], None], name: str, shard_bytes: int = SHARD_BYTES) -> None:
        self.root, self.announce = root, announce
        self.name = name
        self.shard_bytes = shard_bytes
        self.sums: dict[str, str] = {}
        self._number = -1
        self._open: ExitStack | None = None
        self._part = Path()
        self._tar: tarfile.TarFile | None = None

    def put(self, id: str, png: bytes, sha256: str) -> Place:
        if self._tar is None or self._tar.offset + len(png) > self.shard_bytes:
            self._next()
        assert self._tar is not None
        member = tarfile.TarInfo(f"{id}.png")
        member.size = len(png)
        offset = self._tar.offset + tarfile.BLOCKSIZE
        self._tar.addfile(member, io.BytesIO(png))
        # TarFile remembers every member that it wrote; a shard may hold a million.
        self._tar.getmembers().clear()
        return Place(f"{self._file()}#{member.name}", offset)

    def _file(self) -> str:
        return f"shards/{self.name}-{self._number:05}.tar"

    def _next(self) -> None:
        self.close()
        self._number += 1
        self._open = ExitStack()
        self.announce(self._file())
        self._part = self._open.enter_context(whole_file(self.root / self._file()))
        self._tar = self._open.enter_context(tarfile.TarFile(self._part, "w", format=tarfile.USTAR_FORMAT))

    def close(self) -> None:
        if self._tar is None or self._open is None:
            return
        self._tar.close()
        self.sums[self._file()] = sha256_file(self._part)
        self._open.close()
        self._tar = self._open = None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._open is not None:
            self._open.__exit__(kind, error, trace)
            self._tar = self._open = None


class NoStore:
    """Links only: no picture is kept."""

    def __init__(self) -> None:
        self.sums: dict[str, str] = {}

    def put(self, id: str, png: bytes, sha256: str) -> Place:
        return Place("", 0)

    def close(self) -> None:
        """Nothing is open."""


class Pictures:
    """Reads pictures by the manifest's place, keeping the shard of the last one open."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._name = ""
        self._file: BinaryIO | None = None

    def __enter__(self) -> Pictures:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
        self._file = None

    def read(self, file: str, offset: int, size: int) -> bytes | None:
        """The bytes there, fewer where the file ends early; None where there is no file."""
        name, _, member = file.partition("#")
        if not member:
            path = self.root / name
            # One byte more than promised shows a file that has grown.
            return _read(path, size + 1) if path.is_file() else None
        if name != self._name:
            self._close()
            self._name = name
            if (self.root / name).is_file():
                self._file = (self.root / name).open("rb")
        if self._file is None:
            return None
        return _read_at(self._file, offset, size)


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
