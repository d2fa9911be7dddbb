"""Sync: another copy of a release loses what the release lost, by the new manifest or by its tombstones alone."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aahq.release.schema import MANIFEST, REJECTS
from aahq.release.tables import read_rows
from aahq.remove.shrink import SUPERSEDED, digest_of, extra_files, find_release, read_superseded, shrink
from aahq.remove.tombstones import REMOVALS, Tombstones
from suite.errors import SuiteError

Row = dict[str, Any]


@dataclass(frozen=True)
class Synced:
    """What became of a copy.

    Attributes:
        folder: the copy.
        removed, left: rows that went and rows that are there now.
        missing: rows of the new manifest that the copy never had; sync only ever takes away.
        superseded: the copy's former manifest; None where nothing had to change.
        manifest_sha256: the manifest now.
    """

    folder: Path
    removed: int
    left: int
    missing: int
    superseded: str | None
    manifest_sha256: str


def sync(copy: Path, source: Path) -> Synced:
    """Shrink a copy.

    Args:
        copy: a release's folder.
        source: the new release, its `manifest.parquet`, or `removals.json` (`tombstones.json` of a build serves as well).

    Raises:
        SuiteError: one of them is not what it should be.
    """
    root = find_release(copy)
    if source.suffix == ".json":
        return _by_tombstones(root, source)
    return _by_manifest(root, find_release(source, "--from"))


def _by_tombstones(root: Path, file: Path) -> Synced:
    if not file.is_file():
        raise SuiteError(f"--from {file}: no such file; expected removals.json or a new manifest.parquet")
    buried = Tombstones.read(file)
    before = digest_of(root)
    removed = sum(buried.buries_row(row) for row in read_rows(root / MANIFEST))
    left = sum(1 for _ in read_rows(root / MANIFEST)) - removed
    if not removed and not any(_reject_goes(buried, row) for row in read_rows(root / REJECTS)):
        return Synced(root, 0, left, 0, None, before)
    listed = read_superseded(root / SUPERSEDED) + ([before] if removed else [])
    written = shrink(
        root,
        lambda row: None if buried.buries_row(row) else row,
        lambda row: not _reject_goes(buried, row),
        extra_files(listed, buried),
    )
    return Synced(root, removed, left, 0, before if removed else None, written.manifest_sha256)


def _reject_goes(buried: Tombstones, row: Row) -> bool:
    same = dict.fromkeys(("sha256", "pixel_sha256", "response_sha256", "source_pixel_sha256", "source_phash", "phash"))
    return buried.buries_row({**same, **row})


def _by_manifest(root: Path, new: Path) -> Synced:
    before = digest_of(root)
    if before == digest_of(new):
        return Synced(root, 0, sum(1 for _ in read_rows(root / MANIFEST)), 0, None, before)
    wanted = {row["id"]: row["sha256"] for row in read_rows(new / MANIFEST)}
    here = {row["id"]: row["sha256"] for row in read_rows(root / MANIFEST)}
    stay = {id for id, digest in here.items() if wanted.get(id) == digest}
    listed = read_superseded(new / SUPERSEDED)
    rejects = {row["id"] for row in read_rows(new / REJECTS)} if (new / REJECTS).is_file() else set()
    written = shrink(
        root,
        lambda row: row if row["id"] in stay else None,
        lambda row: row["id"] in rejects,
        extra_files(listed if before in listed else [*listed, before], Tombstones.read(new / REMOVALS)),
    )
    missing = len(wanted.keys() - stay)
    return Synced(root, len(here) - len(stay), len(stay), missing, before, written.manifest_sha256)
