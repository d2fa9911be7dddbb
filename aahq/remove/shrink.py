"""A release becomes a smaller one: written beside from its own files, then put in its place by renaming.

Nobody ever finds half of either: a process killed at any moment leaves the old release or the new one, and the next
call ends what was begun. In the form `folder` the pictures are linked, not copied; shards are written anew, so
they need their size once more while it lasts.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from aahq.release.own import only_release_writer, refuse_foreign, take_away
from aahq.release.schema import MANIFEST, METADATA, REJECTS
from aahq.release.store import Pictures
from aahq.release.tables import read_rows
from aahq.release.write import Written, write
from aahq.remove.tombstones import REMOVALS, TOMBSTONES, Tombstones
from suite.errors import SuiteError
from suite.files import canonical_json, read_foreign_json, sha256_file
from suite.ownership import real

SUPERSEDED = "superseded.json"
Row = dict[str, Any]
# The row as it is to stand in the smaller release, or None where it goes.
Change = Callable[[Row], Row | None]


def find_release(folder: Path, flag: str = "RELEASE") -> Path:
    """The release's folder, given that folder, the build's folder around it, or its manifest. Changes nothing.

    Raises:
        SuiteError: there is none.
    """
    for root in _roots(folder):
        if (root / MANIFEST).is_file():
            return root
    for root in _roots(folder):
        if any(place.exists() for place in _beside(root)):
            raise SuiteError(
                f"{flag} {root}: a removal was stopped half-way; run 'aahq remove' or 'aahq sync' again to end it"
            )
    raise SuiteError(f"{flag} {folder}: no {MANIFEST} there; expected the folder of a finished release")


@contextmanager
def open_release(folder: Path, flag: str = "RELEASE") -> Iterator[Path]:
    """The same for one who will change it: the place itself behind every link, locked, and whole after a killed call.

    Raises:
        SuiteError: there is none, another process changes it, or it holds files that are not its own.
    """
    for root in _roots(folder):
        settle(real(root))
    root = real(find_release(folder, flag))
    with only_release_writer(root, flag):
        refuse_foreign(root)
        yield root


def _roots(folder: Path) -> tuple[Path, ...]:
    return folder, folder / "release", folder.parent if folder.name == MANIFEST else folder


def read_metadata(root: Path) -> dict[str, Any]:
    """A release's `release.json`.

    Raises:
        SuiteError: it is not there, or is no card.
    """
    try:
        card = read_foreign_json(root / METADATA)
        if not isinstance(card, dict) or not {"name", "recipe", "size", "form"} <= card.keys():
            raise ValueError("name, recipe, size or form is missing")
    except (OSError, ValueError) as error:
        raise SuiteError(f"RELEASE {root / METADATA}: {error}; get it again, or run 'aahq release'") from None
    return card


def read_superseded(path: Path) -> list[str]:
    """The manifests' digests that a `superseded.json` lists, oldest first; none where there is no such file."""
    if not path.is_file():
        return []
    try:
        return [str(entry["manifest_sha256"]) for entry in read_foreign_json(path)["superseded"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SuiteError(f"{path}: not readable ({error}); restore it from a copy") from None


def superseded_json(digests: Sequence[str]) -> bytes:
    """The file that names manifests which must not be used any more, because works were taken out since."""
    value = {
        "superseded": [{"manifest_sha256": digest, "why": "works were removed on request"} for digest in digests],
        "note": "Use the manifest of this folder. Shrink other copies by: aahq sync COPY --from removals.json",
    }
    return (canonical_json(value, indent=2) + "\n").encode()


def extra_files(superseded: Sequence[str], tombstones: Tombstones) -> dict[str, bytes]:
    """What a release carries beside its pictures once something was taken out; nothing before."""
    out = {}
    if superseded:
        out[SUPERSEDED] = superseded_json(superseded)
    if tombstones:
        out[REMOVALS] = (canonical_json(tombstones.as_dict(), indent=2) + "\n").encode()
    return out


def kept_extras(folder: Path) -> dict[str, bytes]:
    """`extra_files` of a build's folder: what every release of it carries from its first removal on."""
    return extra_files(read_superseded(folder / SUPERSEDED), Tombstones.read(folder / TOMBSTONES))


def refuse_fixed(root: Path) -> None:
    """Refuse a release whose folder cannot be put in another one's place, before anything is taken out.

    Raises:
        SuiteError: a disk is mounted there, or the folder around it may not be written.
    """
    if os.path.ismount(root) or not os.access(root.parent, os.W_OK | os.X_OK):
        why = "a disk is mounted there" if os.path.ismount(root) else f"{root.parent} may not be written"
        raise SuiteError(
            f"RELEASE {root}: cannot be rewritten, {why}; move the release into a folder of a disk that can"
        )


def shrink(
    root: Path,
    change: Change,
    rejects: Callable[[Row], bool],
    extras: Mapping[str, bytes],
    told: Mapping[str, Any] | None = None,
) -> Written:
    """Rewrite the release in `root`, which the caller holds (`open_release`).

    Args:
        root: a release's folder, as it is behind all links.
        change: what becomes of each row of the manifest.
        rejects: whether a row of `rejects.parquet` stays.
        extras: files beside the pictures: see `extra_files`.
        told: entries of `release.json` that are known already: the version of the release that it becomes.

    Raises:
        SuiteError: the release lost pictures of its own, or cannot be put in its place.
    """
    refuse_fixed(root)
    card = read_metadata(root)
    fresh, old = _beside(root)
    with Pictures(root) as pictures:

        def rows() -> Iterator[tuple[Row, bytes | None]]:
            for row in read_rows(root / MANIFEST):
                changed = change(row)
                if changed is None:
                    continue
                png = _png(root, pictures, row)
                yield {key: value for key, value in changed.items() if key not in ("file", "offset")}, png

        computed = (
            "count",
            "domains",
            "manifest_sha256",
            "pictures",
            "rejects",
            "schema",
            "splits",
            "version",
            "follows",
        )
        kept = {key: value for key, value in card.items() if key not in (*computed, "form", "name", "recipe", "size")}
        limit = {"shard_bytes": card["shard_bytes"]} if "shard_bytes" in card else {}
        written = write(
            fresh,
            rows(),
            name=card["name"],
            recipe=card["recipe"],
            size=card["size"],
            form=card["form"],
            rejects=(row for row in read_rows(root / REJECTS) if rejects(row)) if (root / REJECTS).is_file() else (),
            card={**kept, **(told or {})},
            extras=extras,
            link_from=root,
            follows=root,
            **limit,
        )
    os.rename(root, old)
    os.rename(fresh, root)
    take_away(old)
    return Written(root, written.count, written.pictures, written.rejects, written.manifest_sha256)


def digest_of(root: Path) -> str:
    """SHA-256 of the release's manifest, which names exactly that set."""
    return sha256_file(root / MANIFEST)


def _png(root: Path, pictures: Pictures, row: Row) -> bytes | None:
    if not row["file"]:
        return None
    data = pictures.read(row["file"], row["offset"], row["bytes"])
    if data is None or len(data) != row["bytes"]:
        raise SuiteError(f"RELEASE {root}: {row['file']} is missing or cut; 'aahq verify {root}' lists what is", 1)
    return data


def _beside(root: Path) -> tuple[Path, Path]:
    place = real(root)
    return place.with_name(f".{place.name}.smaller"), place.with_name(f".{place.name}.larger")


def settle(root: Path) -> None:
    """End what a killed call began; only for one who may change the release."""
    fresh, old = _beside(root)
    if not root.exists() and old.exists():
        # The new one was whole before the old one moved.
        os.rename(fresh if fresh.exists() else old, root)
    for path in (old, fresh):
        if path.exists():
            with only_release_writer(path):
                take_away(path)
