"""Records to and from files: strict bounded JSON in, canonical JSON out, written whole."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

from pydantic import ValidationError

from benchmark.run.record import SCHEMA, Record
from suite.errors import SuiteError
from suite.files import canonical_json, write_json
from suite.ownership import claim_file
from suite.profiles import first_fault

MAX_BYTES = 1 << 20


def _no_constant(text: str) -> float:
    raise SuiteError(f"record: {text} is not a number; measured numbers are finite")


def parse(data: bytes | str, name: str = "record") -> Record:
    """A record from JSON, checked; nothing in it is executed or trusted.

    Raises:
        SuiteError: one line that names the field.
    """
    raw = data.encode() if isinstance(data, str) else data
    if len(raw) > MAX_BYTES:
        raise SuiteError(f"{name}: {len(raw)} bytes; a record has at most {MAX_BYTES}")
    try:
        content = json.loads(raw, parse_constant=_no_constant)
    except RecursionError:
        raise SuiteError(f"{name}: nested too deeply") from None
    except ValueError as error:
        raise SuiteError(f"{name}: not JSON ({error})") from None
    if not isinstance(content, dict):
        raise SuiteError(f"{name}: expected one JSON object, got {type(content).__name__}")
    if content.get("schema_version") != SCHEMA:
        raise SuiteError(f"{name}: schema_version: {content.get('schema_version')!r}; this suite reads {SCHEMA}")
    try:
        return Record.model_validate(content)
    except ValidationError as error:
        where, why = first_fault(error)
        raise SuiteError(f"{name}: {where or 'record'}: {why}") from None


def read(path: str | Path) -> Record:
    """The record in a file. The size is checked before the file is read."""
    path = Path(path)
    try:
        size = path.stat().st_size
    except OSError as error:
        raise SuiteError(f"{path}: {error.strerror}") from None
    if size > MAX_BYTES:
        raise SuiteError(f"{path}: {size} bytes; a record has at most {MAX_BYTES}")
    return parse(path.read_bytes(), str(path))


def claim_record(path: str | Path, flag: str = "--out") -> None:
    """Refuse a place for a record where something else is. Raises SuiteError."""

    def is_record(there: Path) -> bool:
        with suppress(SuiteError):
            return bool(read(there))
        return False

    claim_file(flag, path, is_record)


def write(path: str | Path, record: Record, own_place: bool = False) -> None:
    """Write a record as indented canonical JSON, atomically; what was written reads back.

    Args:
        own_place: it is a reproduction's own, where a damaged record or one of an older schema is measured again.

    Raises:
        SuiteError: a file is there that is no record.
    """
    if not own_place:
        claim_record(path)
    content = record.content()
    parse(canonical_json(content), str(path))
    write_json(path, content)


def read_all(folder: str | Path) -> list[Record]:
    """Every `*.json` in a folder, sorted by file name."""
    return [read(path) for path in sorted(Path(folder).glob("*.json"))]
