"""Sync: another copy of a release loses what the release lost, by the new manifest or by its tombstones alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from aahq.release.schema import MANIFEST, REJECTS, SIGNATURE, SUMS
from aahq.release.sign import check_signed
from aahq.release.tables import read_rows
from aahq.remove.shrink import (
    SUPERSEDED,
    digest_of,
    extra_files,
    find_release,
    open_release,
    read_metadata,
    read_superseded,
    shrink,
)
from aahq.remove.tombstones import REMOVALS, Tombstones
from suite.errors import SuiteError
from suite.files import sha256_file, write_whole
from suite.ownership import refuse_overlap

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


def sync(copy: Path, source: Path, signers: Path | None = None) -> Synced:
    """Shrink a copy.

    Args:
        copy: a release's folder.
        source: the new release, its `manifest.parquet`, or `removals.json` (`tombstones.json` of a build serves as well).
        signers: whose signature the source must have (see `suite.signing.verify`); None asks for none.

    Raises:
        SuiteError: one of them is not what it should be, the source is not of the release that was copied, they overlap, or
            the source is not signed by one of the signers.
    """
    if signers is not None:
        check_signed(
            "--from", source if source.suffix == ".json" else find_release(source, "--from") / MANIFEST, signers
        )
    with open_release(copy) as root:
        if source.suffix == ".json":
            return _by_tombstones(root, source)
        new = find_release(source, "--from")
        refuse_overlap("RELEASE", root, "--from", new)
        return _by_manifest(root, new)


def _by_tombstones(root: Path, file: Path) -> Synced:
    if not file.is_file():
        raise SuiteError(f"--from {file}: no such file; expected removals.json or a new manifest.parquet")
    buried = Tombstones.read(file)
    before = digest_of(root)
    removed = sum(buried.buries_row(row) for row in read_rows(root / MANIFEST))
    left = sum(1 for _ in read_rows(root / MANIFEST)) - removed
    if not removed and not any(_reject_goes(buried, row) for row in _rejects(root)):
        return Synced(root, 0, left, 0, None, before)
    listed = read_superseded(root / SUPERSEDED) + ([before] if removed else [])
    written = shrink(
        root,
        lambda row: None if buried.buries_row(row) else row,
        lambda row: not _reject_goes(buried, row),
        extra_files(listed, buried),
    )
    return Synced(root, removed, left, 0, before if removed else None, written.manifest_sha256)


def _rejects(root: Path) -> Iterator[Row]:
    return read_rows(root / REJECTS) if (root / REJECTS).is_file() else iter(())


def _reject_goes(buried: Tombstones, row: Row) -> bool:
    same = dict.fromkeys(("sha256", "pixel_sha256", "response_sha256", "source_pixel_sha256", "source_phash", "phash"))
    return buried.buries_row({**same, **row})


def _by_manifest(root: Path, new: Path) -> Synced:
    before = digest_of(root)
    if before == digest_of(new):
        return Synced(root, 0, sum(1 for _ in _digests(root)), 0, None, before)
    found = _compare(_digests(root), _digests(new))
    listed = read_superseded(new / SUPERSEDED)
    if before not in listed:
        # Not what a removal began with: perhaps an older copy. Its rows say whether the two are one set, and the tombstones
        # what was taken out; rows that the new manifest lacks for another reason stay.
        if not found.stay or not (new / REMOVALS).is_file():
            raise SuiteError(
                f"--from {new}: does not supersede {root} (manifest {before[:16]}); give the release that works were taken "
                "out of since, or its removals.json"
            )
        return replace(_by_tombstones(root, new / REMOVALS), missing=found.unknown)
    rejects = {row["id"] for row in _rejects(new)}
    card = read_metadata(new)
    missing = found.unknown + found.changed
    written = shrink(
        root,
        lambda row: None if row["id"] in found.gone else row,
        lambda row: row["id"] in rejects,
        extra_files(listed, Tombstones.read(new / REMOVALS)),
        # Of several removals that it caught up with, the last one's; where it is that release now, and no part of it.
        {} if missing else {key: card[key] for key in ("version", "follows") if key in card},
    )
    if (new / SIGNATURE).is_file() and sha256_file(root / SUMS) == sha256_file(new / SUMS):
        # The copy is the new release again, so what was signed is what is here.
        write_whole(root / SIGNATURE, (new / SIGNATURE).read_bytes())
    return Synced(root, len(found.gone), found.stay, missing, before, written.manifest_sha256)


@dataclass
class _Compared:
    """A copy beside a new manifest.

    Attributes:
        gone: ids that only the copy has, or with another picture.
        changed: how many of them the new one has with another picture.
        stay: how many both have.
        unknown: how many only the new one has.
    """

    gone: set[str] = field(default_factory=set)
    changed: int = 0
    stay: int = 0
    unknown: int = 0


def _compare(here: Iterator[tuple[str, str]], new: Iterator[tuple[str, str]]) -> _Compared:
    """Walk through both manifests side by side: either may hold millions, and what differs is little."""
    out = _Compared()
    mine, theirs = next(here, None), next(new, None)
    while mine or theirs:
        if theirs is None or (mine and mine[0] < theirs[0]):
            assert mine is not None
            out.gone.add(mine[0])
            mine = next(here, None)
        elif mine is None or theirs[0] < mine[0]:
            out.unknown += 1
            theirs = next(new, None)
        else:
            if mine[1] == theirs[1]:
                out.stay += 1
            else:
                out.changed += 1
                out.gone.add(mine[0])
            mine, theirs = next(here, None), next(new, None)
    return out


def _digests(root: Path) -> Iterator[tuple[str, str]]:
    """(id, digest of the picture) of a release's rows, by rising id as every release has them.

    Raises:
        SuiteError: they do not rise.
    """
    last = ""
    for row in read_rows(root / MANIFEST, ("id", "sha256")):
        if row["id"] <= last:
            raise SuiteError(f"RELEASE {root}: its manifest names {row['id']!r} after {last!r}; get it again")
        last = row["id"]
        yield row["id"], row["sha256"]
