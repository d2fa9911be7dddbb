"""Verify a release: missing, changed and extra files."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aahq.release.own import is_loader_table
from aahq.release.schema import (
    CARD_FILES,
    COLUMNS,
    EXTRAS,
    MANIFEST,
    METADATA,
    REJECTS,
    SCHEMA_VERSION,
    SIGNATURE,
    SUMS,
    UNFINISHED,
)
from aahq.release.store import Pictures
from aahq.release.tables import read_rows
from suite import signing
from suite.errors import SuiteError
from suite.files import PART_SUFFIX, read_foreign_json, sha256_file
from suite.progress import progress

# Problems of one kind that are listed by name; all are counted.
LISTED = 100


@dataclass
class Verdict:
    """What `verify` found.

    Attributes:
        rows: rows of the manifest.
        links: rows that are links only by design.
        effective: rows whose picture is there and is what the manifest says: the exact N of a benchmark.
        missing, changed, extra: paths (of a shard's picture: `shards/x.tar#id.png`), the first hundred of each.
        counts: how many of each in all.
        manifest_sha256: names exactly this set.
        signed_by: name and fingerprint of who signed it, where the signature was asked for and is good.
    """

    rows: int = 0
    links: int = 0
    effective: int = 0
    missing: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    extra: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=lambda: {"missing": 0, "changed": 0, "extra": 0})
    manifest_sha256: str = ""
    signed_by: str = ""

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not any(self.counts.values())

    def add(self, kind: str, path: str) -> None:
        """Record a problem."""
        self.counts[kind] += 1
        if self.counts[kind] <= LISTED:
            getattr(self, kind).append(path)

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        listed = {kind: getattr(self, kind) for kind in self.counts}
        return {
            "ok": self.ok,
            "rows": self.rows,
            "links": self.links,
            "effective": self.effective,
            "counts": self.counts,
            "manifest_sha256": self.manifest_sha256,
            "signed_by": self.signed_by,
            **listed,
        }


def verify(root: Path, signers: Path | None = None) -> Verdict:
    """Read every byte of the release in `root` and compare it with the manifest and the checksums.

    Args:
        root: the release's folder.
        signers: whose signature over the checksums it must have (see `suite.signing.verify`); None asks for none.

    Raises:
        SuiteError: there is no release, its manifest cannot be read, or it has no good signature by one of the signers.
    """
    manifest = root / MANIFEST
    if not manifest.is_file():
        raise SuiteError(f"RELEASE {root}: no {MANIFEST}; expected a finished release's folder")
    verdict = Verdict(manifest_sha256=sha256_file(manifest))
    if signers is not None:
        signer = signing.verify(root / SUMS, signers)
        verdict.signed_by = f"{signer.name} {signer.fingerprint}"
    _check_card(root, verdict)
    expected = {MANIFEST, REJECTS, METADATA, SUMS}
    if (root / SUMS).is_file():
        # A release of before had no cards and no rows beside its pictures, and most have no removals.
        optional = {*EXTRAS, *CARD_FILES}
        expected |= {path for _, path in sums_of(root) if path in optional or is_loader_table(path)}
    shards: set[str] = set()
    try:
        rows = progress(read_rows(manifest), "verify", verdict.rows or None, "faces")
        verdict.rows = 0
        with Pictures(root) as pictures:
            for row in rows:
                _check_row(row, pictures, verdict, shards)
    except (OSError, ValueError, KeyError) as error:
        raise SuiteError(f"RELEASE {manifest}: not readable ({error}); get it again", 1) from None
    _check_sums(root, expected | shards, verdict)
    _find_extra(root, expected | {SIGNATURE} | shards, verdict)
    return verdict


def _check_card(root: Path, verdict: Verdict) -> None:
    if not (root / METADATA).is_file():
        verdict.add("missing", METADATA)
        return
    try:
        card = read_foreign_json(root / METADATA)
        verdict.rows = int(card["count"])
        same = card["manifest_sha256"] == verdict.manifest_sha256
    except (ValueError, KeyError, TypeError):
        verdict.add("changed", METADATA)
        return
    if card.get("schema") != SCHEMA_VERSION:
        raise SuiteError(f"RELEASE {root}: schema {card.get('schema')!r}; this program reads {SCHEMA_VERSION}")
    if not same:
        verdict.add("changed", MANIFEST)


def _check_row(row: dict[str, Any], pictures: Pictures, verdict: Verdict, shards: set[str]) -> None:
    if missing := COLUMNS.keys() - row.keys():
        raise KeyError(f"no column {sorted(missing)[0]}")
    verdict.rows += 1
    file = row["file"]
    if not file:
        verdict.links += 1
        return
    if file.startswith("/") or ".." in Path(file).parts:
        raise ValueError(f"{file!r} lies outside of the release")
    if "#" in file:
        shards.add(file.split("#")[0])
    data = pictures.read(file, row["offset"], row["bytes"])
    if data is None:
        verdict.add("missing", file)
    elif hashlib.sha256(data).hexdigest() != row["sha256"]:
        verdict.add("changed", file)
    else:
        verdict.effective += 1


def sums_of(root: Path) -> Iterator[tuple[str, str]]:
    """(digest, path) of each line of a release's checksums."""
    with (root / SUMS).open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            digest, _, path = line.rstrip("\n").partition("  ")
            yield digest, path


def _check_sums(root: Path, wanted: set[str], verdict: Verdict) -> None:
    """Everything but pictures in a folder, which their rows have covered."""
    if not (root / SUMS).is_file():
        verdict.add("missing", SUMS)
        return
    listed = {SUMS}
    for digest, path in sums_of(root):
        if path not in wanted:
            continue
        listed.add(path)
        if not (root / path).is_file():
            verdict.add("missing", path)
        elif path not in verdict.changed and sha256_file(root / path) != digest:
            verdict.add("changed", path)
    for path in sorted(wanted - listed):
        verdict.add("changed" if (root / path).is_file() else "missing", path)


def _find_extra(root: Path, known: set[str], verdict: Verdict) -> None:
    """Files that no row and no checksum names; half-written parts of a writer at work are none."""
    named = {UNFINISHED, *(path for _, path in sums_of(root))} if (root / SUMS).is_file() else {UNFINISHED}
    for place, folders, files in os.walk(root):
        folders.sort()
        for path in (Path(place, name) for name in sorted(files)):
            relative = path.relative_to(root).as_posix()
            if relative not in known and relative not in named and path.suffix != PART_SUFFIX and path.is_file():
                verdict.add("extra", relative)
