"""A release's version, by what became of the one before it: Croissant's rule over Semantic Versioning.

MAJOR where rows were changed or taken out, MINOR where rows were only added, PATCH where the same rows are packed in another
way (Croissant 1.1, "Dataset Versioning": https://github.com/mlcommons/croissant/blob/main/docs/croissant-spec-1.1.md).
"""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Any, NamedTuple

import pyarrow as pa

from aahq.release.schema import MANIFEST, METADATA
from aahq.release.tables import read_rows

FIRST = "1.0.0"
_VERSION = re.compile(r"(\d+)\.(\d+)\.(\d+)")
# How a row's picture is packed; whether there is one counts.
_PACKED = frozenset(("file", "offset", "bytes", "sha256"))
Row = dict[str, Any]


class Version(NamedTuple):
    """`MAJOR.MINOR.PATCH`, and the manifest's digest of the version before, where there was one."""

    text: str
    follows: str | None


class EarlierRelease:
    """What a release's folder held before: opened before it is written over, closed at the end.

    Args:
        root: a folder; one without a release is the first version's.
    """

    def __init__(self, root: Path) -> None:
        self.card: dict[str, Any] = {}
        self._manifest: IO[bytes] | None = None
        with suppress(OSError, ValueError, RecursionError):
            card = json.loads((root / METADATA).read_bytes())
            if isinstance(card, dict) and isinstance(card.get("manifest_sha256"), str):
                self.card = card
        with suppress(OSError):
            # Unlinked by the writer, the file stays readable until it is closed; Windows unlinks no open file.
            self._manifest = (root / MANIFEST).open("rb") if os.name == "posix" else _copy(root / MANIFEST)

    def __enter__(self) -> EarlierRelease:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._manifest is not None:
            self._manifest.close()

    def next_version(self, manifest: Path, digest: str, form: str) -> Version:
        """The version of a release with this manifest (and its digest) in this form."""
        if not self.card:
            return Version(FIRST, None)
        match = _VERSION.fullmatch(str(self.card.get("version", FIRST)))
        # One of before stated the first version, whatever was in it.
        major, minor, patch = map(int, match.groups() if match else FIRST.split("."))
        before = self.card["manifest_sha256"]
        if before == digest and self.card.get("form") == form:
            return Version(f"{major}.{minor}.{patch}", self.card.get("follows"))
        change = self._change(manifest)
        if change == "packed":
            return Version(f"{major}.{minor}.{patch + 1}", before)
        return Version(f"{major}.{minor + 1}.0" if change == "added" else f"{major + 1}.0.0", before)

    def _change(self, manifest: Path) -> str:
        """`packed`, `added` or `changed`; the last also where the old manifest is lost, which a killed writer leaves so."""
        if self._manifest is None:
            return "changed"
        try:
            return _compare(read_rows(self._manifest), read_rows(manifest))
        except (OSError, ValueError, KeyError, pa.ArrowException):
            return "changed"


def _copy(path: Path) -> IO[bytes]:
    copy = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the release
    with path.open("rb") as source:
        shutil.copyfileobj(source, copy)
    return copy


def _compare(old: Iterator[Row], new: Iterator[Row]) -> str:
    """Both by rising id."""
    added = False
    for row in old:
        for other in new:
            if other["id"] == row["id"]:
                break
            added = True
        else:
            return "changed"
        if any(other.get(name) != value for name, value in row.items() if name not in _PACKED):
            return "changed"
        if bool(other["file"]) != bool(row["file"]):
            return "changed"
        added |= not other.keys() <= row.keys()
    return "added" if added or next(new, None) is not None else "packed"
