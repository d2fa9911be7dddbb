"""Write a release from rows and pictures: a stream in, flat memory, and the manifest's name appears last of all."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np

from aahq.images.hashes import phash64, phash_hex, pixel_sha256
from aahq.release.own import NAME, OwnList, claim_release, only_release_writer
from aahq.release.schema import (
    CARD_FILES,
    COLUMNS,
    DEFAULTS,
    EXTRAS,
    FORMS,
    MANIFEST,
    METADATA,
    REJECT_COLUMNS,
    REJECTS,
    SCHEMA_VERSION,
    SIGNATURE,
    SPLITS,
    SUMS,
)
from aahq.release.store import SHARD_BYTES, FolderStore, NoStore, ShardStore, Store, decode_png, encode_png
from aahq.release.tables import TableWriter, table_writer
from aahq.release.version import EarlierRelease
from suite.errors import SuiteError, did_you_mean
from suite.files import canonical_json, sha256_bytes, sha256_file, whole_file, write_json, write_whole

Picture = np.ndarray | bytes | None


@dataclass(frozen=True)
class Written:
    """What `write` made: the folder, rows, pictures among them, rejects, and the manifest's digest."""

    folder: Path
    count: int
    pictures: int
    rejects: int
    manifest_sha256: str


def write(
    out: str | os.PathLike[str],
    rows: Iterable[tuple[Mapping[str, Any], Picture]],
    *,
    name: str,
    recipe: str,
    size: int,
    form: str = "folder",
    rejects: Iterable[Mapping[str, Any]] = (),
    shard_bytes: int = SHARD_BYTES,
    card: Mapping[str, Any] | None = None,
    extras: Mapping[str, bytes] | None = None,
    link_from: Path | None = None,
    follows: Path | None = None,
) -> Written:
    """Write a release into `out` from a stream of rows and pictures, holding a few thousand rows at most in memory.

    The same rows make the same bytes. An earlier release in `out` loses its manifest first, so that a folder with a
    manifest is always whole; its files that the new one does not have are removed at the end. A folder that holds anything
    but a release is refused (see `aahq.release.own`).

    Args:
        out: the release's folder.
        rows: (row, picture) in increasing order of `row["id"]`. A row needs `id`, `domain`, `split`, `source` and
            `license`; `COLUMNS` lists what else it may have. The picture is (H, W, 3) uint8 RGB, or PNG bytes, or
            None where only the link is given (the row then needs `sha256`, `pixel_sha256`, `phash`, `width`, `height`).
        name: the release's name, also of its shards: letters, digits, `.`, `_`, `-`.
        recipe: the alignment recipe's name, or how else the pictures came to be.
        size: the pictures' side in pixels.
        form: `folder`, `shards` or `links` (no pictures whatever the rows bring).
        rejects: rows of `REJECT_COLUMNS`, in the order in which they are to stand.
        shard_bytes: a shard is closed before it would grow beyond this.
        card: more entries for `release.json`; JSON values that do not change from run to run.
        extras: more files beside the manifest, by name (one of `EXTRAS`).
        link_from: another release with some of the same pictures, which are linked where that can be done.
        follows: the folder of the release that this one is the next version of; `out` itself where None.

    Raises:
        SuiteError: a folder, name or form that cannot be; or a row, and the folder then has no manifest.
    """
    if form not in FORMS:
        raise SuiteError(f"--form: no {form!r}{did_you_mean(form, FORMS)}")
    if not NAME.fullmatch(name):
        raise SuiteError(f"--name {name!r}: expected letters, digits, '.', '_' and '-', at most 90 of them")
    root = Path(out)
    claim_release("RELEASE", root)
    root.mkdir(parents=True, exist_ok=True)
    with only_release_writer(root), closing(OwnList(root)) as own, ExitStack() as stack:
        before = stack.enter_context(EarlierRelease(follows or root))
        signed = sha256_file(root / SUMS) if (root / SIGNATURE).is_file() and (root / SUMS).is_file() else None
        # What is left of an earlier release is none, from here on.
        (root / MANIFEST).unlink(missing_ok=True)
        # Called last of all, when manifest and checksums have their names.
        stack.push(lambda kind, error, trace: own.done() if kind is None else None)
        manifest_part = stack.enter_context(whole_file(root / MANIFEST))
        sums_part = stack.enter_context(whole_file(root / SUMS))
        sums = stack.enter_context(sums_part.open("w", encoding="utf-8", newline="\n"))
        store = _store(stack, root, form, shard_bytes, own, link_from)
        with table_writer(manifest_part, COLUMNS) as manifest:
            counts = _write_rows(rows, manifest, store, sums if form == "folder" else None, recipe)
            store.close()
        rejected = _write_rejects(root / REJECTS, rejects)
        digest = sha256_file(manifest_part)
        version = before.next_version(manifest_part, digest, form)
        metadata = {
            "version": version.text,
            **({"follows": version.follows} if version.follows else {}),
            **(card or {}),
            "count": counts.rows,
            "domains": sorted(counts.domains),
            "form": form,
            "manifest_sha256": digest,
            "name": name,
            "pictures": counts.pictures,
            "recipe": recipe,
            "rejects": rejected,
            "schema": SCHEMA_VERSION,
            "size": size,
            "splits": {split: counts.splits[split] for split in SPLITS},
            **({"shard_bytes": shard_bytes} if form == "shards" else {}),
        }
        shards = store.sums if form == "shards" else {}
        beside = _write_beside(root, manifest_part, metadata, shards, extras or {})
        for path, sha in sorted(store.sums.items()):
            sums.write(f"{sha}  {path}\n")
        for file in beside:
            sums.write(f"{sha256_file(root / file)}  {file}\n")
        sums.write(f"{digest}  {MANIFEST}\n")
        sums.flush()
        if signed != sha256_file(sums_part):
            # Somebody signed another set.
            (root / SIGNATURE).unlink(missing_ok=True)
    return Written(root, counts.rows, counts.pictures, rejected, digest)


@dataclass
class _Counts:
    """What went into a manifest."""

    rows: int = 0
    pictures: int = 0
    splits: Counter[str] = field(default_factory=Counter)
    domains: set[str] = field(default_factory=set)


def _store(stack: ExitStack, root: Path, form: str, shard_bytes: int, own: OwnList, link_from: Path | None) -> Store:
    if form == "shards":
        return stack.enter_context(ShardStore(root, own.add, shard_bytes))
    return stack.enter_context(FolderStore(root, own.add, link_from)) if form == "folder" else NoStore()


def complete_row(row: Mapping[str, Any], picture: Picture, recipe: str) -> tuple[dict[str, Any], bytes | None]:
    """Check a row and fill in what follows from its picture."""
    full: dict[str, Any] = {**DEFAULTS, "recipe": recipe, **row, "file": "", "offset": 0}
    name = full.get("id", "")
    if unknown := full.keys() - COLUMNS.keys():
        raise SuiteError(f"release row {name!r}: no column {sorted(unknown)[0]!r}")
    if not NAME.fullmatch(name):
        raise SuiteError(f"release row {name!r}: id must be letters, digits, '.', '_' and '-', at most 90 of them")
    png = encode_png(picture) if isinstance(picture, np.ndarray) else picture
    if png is not None:
        full["sha256"] = full.get("sha256") or sha256_bytes(png)
        full["bytes"] = len(png)
        if not all(full.get(key) for key in ("pixel_sha256", "phash", "width", "height")):
            rgb = picture if isinstance(picture, np.ndarray) else decode_png(png)
            full |= {"pixel_sha256": pixel_sha256(rgb), "phash": phash64(rgb)}
            full["height"], full["width"] = rgb.shape[:2]
    full.setdefault("bytes", 0)
    full["cluster"] = full.get("cluster") or name
    if isinstance(full.get("phash"), int):
        full["phash"] = phash_hex(full["phash"])
    for column in ("landmarks", "factors", "tags", "consent", "quality"):
        if full[column] is not None and not isinstance(full[column], str):
            full[column] = canonical_json(full[column])
    missing = [column for column in COLUMNS if full.get(column) is None and not COLUMNS[column].nullable]
    if missing:
        raise SuiteError(f"release row {name!r}: {missing[0]!r} is missing")
    if full["domain"] not in ("art", "photo") or full["split"] not in SPLITS:
        raise SuiteError(f"release row {name!r}: domain {full['domain']!r}, split {full['split']!r} are not known")
    return full, png


def _write_rows(
    rows: Iterable[tuple[Mapping[str, Any], Picture]],
    manifest: TableWriter,
    store: Store,
    sums: IO[str] | None,
    recipe: str,
) -> _Counts:
    counts, last = _Counts(), ""
    for row, picture in rows:
        full, png = complete_row(row, picture, recipe)
        if full["id"] <= last:
            raise SuiteError(f"release: row {full['id']!r} after {last!r}; ids must be unique and increasing")
        last = full["id"]
        if png is not None:
            full["file"], full["offset"] = store.put(full, png)
            if sums is not None:
                sums.write(f"{full['sha256']}  {full['file']}\n")
        manifest.add({column: full[column] for column in COLUMNS})
        counts.rows += 1
        counts.pictures += bool(full["file"])
        counts.splits[full["split"]] += 1
        counts.domains.add(full["domain"])
    return counts


def _write_rejects(path: Path, rejects: Iterable[Mapping[str, Any]]) -> int:
    """Their table; returns how many there are."""
    with whole_file(path) as part, table_writer(part, REJECT_COLUMNS) as table:
        for reject in rejects:
            table.add({column: str(reject.get(column) or "") for column in REJECT_COLUMNS})
    return table.count


def _write_beside(
    root: Path, manifest: Path, metadata: dict[str, Any], shards: dict[str, str], extras: Mapping[str, bytes]
) -> list[str]:
    """`release.json`, the cards and the extras; those of an earlier release that this one lacks are removed.

    Returns:
        The names of the files that stand beside the manifest, as the sums list them.
    """
    # The cards read releases, and so stand above this file.
    from aahq.release.cards import make_cards

    write_json(root / METADATA, metadata)
    beside = {**extras, **make_cards(root, manifest, metadata, shards)}
    for file in (*EXTRAS, *CARD_FILES):
        if file in beside:
            write_whole(root / file, beside[file])
        else:
            (root / file).unlink(missing_ok=True)
    return [REJECTS, METADATA, *sorted(beside)]
