"""A path that exists is whole: write beside, flush, rename. Digests of bytes, files and values."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import secrets
import shutil
import stat
import tempfile
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import Any

PART_SUFFIX = ".part"
# Of JSON from outside. A museum's list of all its works has half a million numbers.
NESTED_MAX, VALUES_MAX, FOREIGN_MAX = 200_000, 1_000_000, 8 * 2**20
# Of lists and settings that a person writes.
LIST_MAX, TOML_MAX = 64 * 2**20, 4 * 2**20
_HALF = re.compile("[\ud800-\udfff]")


def cache_home() -> Path:
    """Where everything that can be had again is kept: `~/.cache/aahq`, XDG_CACHE_HOME honoured."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "aahq"


@contextmanager
def whole_file(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on a clean exit it becomes `path` in one rename, else it is removed.

    The bytes reach the disk before the name does, so a crash leaves the old file or the new one, never a part of one.
    """
    target = Path(path)
    if target.exists() and not target.is_file():
        raise OSError(errno.EINVAL, "Is a folder, a pipe or a device; expected a file", str(target))
    target.parent.mkdir(parents=True, exist_ok=True)
    # The limit of names is one of bytes, and a letter may take four.
    short = os.fsdecode(os.fsencode(target.name)[:100].decode("utf-8", "ignore").encode())
    part = target.parent / f".{short}.{secrets.token_hex(4)}{PART_SUFFIX}"
    # With the mode of any new file: asking for the umask means setting it, which every thread would feel.
    os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    try:
        yield part
        with part.open("rb") as done:
            os.fsync(done.fileno())
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def whole_folder(place: Path, sign: str) -> Iterator[Path]:
    """Yield a temporary folder beside `place` that becomes `place` in one rename; `sign` is the file that shows it whole.

    Where another process was faster, its folder stays: both were to hold the same.
    """
    part = Path(tempfile.mkdtemp(prefix=f".{place.name}.", dir=place.parent))
    try:
        yield part
        try:
            part.rename(place)
        except OSError:
            if not (place / sign).is_file():
                raise
    finally:
        shutil.rmtree(part, ignore_errors=True)


def write_whole(path: str | os.PathLike[str], data: bytes | str) -> None:
    """Write `data` (text as UTF-8) to `path` atomically."""
    with whole_file(path) as part:
        part.write_bytes(data.encode() if isinstance(data, str) else data)


def open_file(path: str | os.PathLike[str]) -> BufferedReader:
    """A file to read; OSError as `open`, and for a named pipe, which may never give a byte (`<(command)` of a shell does)."""
    if stat.S_ISFIFO(os.stat(path).st_mode) and not os.path.realpath(path).startswith("/proc/"):
        raise OSError(errno.EINVAL, "Is a named pipe; expected a file", str(path))
    return open(path, "rb")


def read_bytes(path: str | os.PathLike[str], most: int) -> bytes:
    """A file of at most `most` bytes.

    Raises:
        OSError: as `open_file`, or the file is larger.
    """
    with open_file(path) as source:
        status = os.fstat(source.fileno())
        size = status.st_size if stat.S_ISREG(status.st_mode) else most
        # One more than there are, as a file may grow and a device has no end.
        data = source.read(size + 1) if size <= most else b""
    if size > most or len(data) > most:
        raise OSError(errno.EFBIG, f"More than {most / 2**20:.3g} MiB, larger than any such file", str(path))
    return data


def read_text(path: str | os.PathLike[str], most: int = LIST_MAX) -> str:
    """A UTF-8 text that a person wrote, without the mark that some editors put before it.

    Raises:
        OSError, UnicodeDecodeError: as `read_bytes`, or the text is in another encoding.
    """
    return read_bytes(path, most).decode("utf-8-sig")


def read_toml(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The settings in a TOML file.

    Raises:
        OSError, ValueError: as `read_text` and `parse_toml`.
    """
    return parse_toml(read_text(path, TOML_MAX))


def parse_toml(text: str) -> dict[str, Any]:
    """The settings in a TOML text, at whatever depth; ValueError where it is none."""
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def canonical_json(value: Any, indent: int | None = None) -> str:
    """JSON with sorted keys and no NaN: the same value is always the same text.

    Names of files that are no UTF-8 (`os.fsdecode` makes half characters of them) are kept, as escapes.
    """
    separators = (",", ":") if indent is None else None
    text = json.dumps(value, sort_keys=True, indent=indent, separators=separators, allow_nan=False, ensure_ascii=False)
    return _HALF.sub(lambda half: f"\\u{ord(half[0]):04x}", text)


def foreign_json(data: bytes, parse_constant: Callable[[str], Any] | None = None, values: int = VALUES_MAX) -> Any:
    """JSON of a stranger, whose memory stays of the order of 100 MiB: an empty list takes thirty times its text.

    Raises:
        ValueError: no JSON, nested too deeply, or of more lists or values than any that is read here.
    """
    if sum(map(data.count, (b"[", b"{"))) > NESTED_MAX or data.count(b",") > values:
        raise ValueError(f"more than {NESTED_MAX} lists or {values} values")
    try:
        return json.loads(data, parse_constant=parse_constant)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def read_foreign_json(path: str | os.PathLike[str], most: int = FOREIGN_MAX) -> Any:
    """The JSON in a stranger's file of at most that many bytes.

    Raises:
        OSError, ValueError: as `foreign_json`, or the file is larger.
    """
    return foreign_json(read_bytes(path, most), values=max(VALUES_MAX, most // 64))


def write_json(path: str | os.PathLike[str], value: Any) -> None:
    """Write `value` as indented canonical JSON, atomically."""
    write_whole(path, canonical_json(value, indent=2) + "\n")


def sha256_bytes(data: bytes) -> str:
    """Hex SHA-256 of `data`."""
    return hashlib.sha256(data).hexdigest()


def sha256_file(path: str | os.PathLike[str]) -> str:
    """Hex SHA-256 of a file's bytes, read in blocks."""
    with open_file(path) as source:
        return hashlib.file_digest(source, "sha256").hexdigest()


def digest(value: Any) -> str:
    """Hex SHA-256 of a JSON-able value's canonical form."""
    return sha256_bytes(canonical_json(value).encode())
