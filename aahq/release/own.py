"""Which files of a release's folder are the release's own, who may write there, and how one is taken away.

A folder is a release's where its `release.json` or its manifest says so, or `.unfinished` does: the list that a writer keeps
while it works, so that what a killed one left is known too. Own are the fixed names, and the pictures and shards that the
manifest, the checksums or that list name. Everything else is somebody else's: it is never touched.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

import pyarrow as pa
import pyarrow.parquet as pq

from aahq.release.schema import COLUMNS, LOADER_TABLE, MANIFEST, METADATA, OWN_FILES, SPLITS, SUMS, UNFINISHED
from aahq.release.tables import read_rows
from suite.errors import SuiteError
from suite.files import PART_SUFFIX, read_foreign_json
from suite.ownership import claim_folder, part_of, real
from suite.portable import locked_folder

IMAGES, SHARDS = "images", "shards"
# Of rows and of releases: both become names of files.
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,89}")
# Releases of before had no folder a split.
_PICTURE = re.compile(rf"{IMAGES}/((?:{'|'.join(SPLITS)})/)?(?P<folder>[^/]{{1,2}})/(?P<name>{NAME.pattern})\.png")
_TABLE = re.compile(rf"{IMAGES}/(?:{'|'.join(SPLITS)})/{re.escape(LOADER_TABLE)}")
_SHARD = re.compile(rf"{SHARDS}/{NAME.pattern}-\d{{5,}}\.tar")


def is_release(folder: Path) -> bool:
    """Whether a folder is a release's, finished or not."""
    return (folder / UNFINISHED).is_file() or has_card(folder / METADATA) or _has_manifest(folder / MANIFEST)


def has_card(path: Path) -> bool:
    """Whether a file is a `release.json` of this program."""
    try:
        card = read_foreign_json(path)
    except (OSError, ValueError):
        return False
    return isinstance(card, dict) and {"name", "recipe", "size", "form", "manifest_sha256"} <= card.keys()


def _has_manifest(path: Path) -> bool:
    try:
        return {"id", "file", "pixel_sha256", "phash", "domain"} <= set(pq.read_schema(path).names) & COLUMNS.keys()
    except (OSError, pa.ArrowException):
        return False


def claim_release(flag: str, folder: Path) -> None:
    """Refuse to write a release into a folder that holds something else; before any work.

    Raises:
        SuiteError: it does, it cannot be written, or its pictures would go through a link.
    """
    claim_folder(flag, folder, is_release, "of a release")
    for name in (IMAGES, SHARDS):
        if (folder / name).is_symlink():
            raise SuiteError(
                f"{flag} {folder}: {name} is a link; let the release's folder itself be one, or move it here"
            )


def own_files(root: Path) -> set[str]:
    """Relative paths of the pictures and shards that are there by this program's own word."""
    named: set[str] = set()
    for lines in (root / UNFINISHED, root / SUMS):
        if lines.is_file():
            with lines.open(encoding="utf-8", errors="replace") as listed:
                named.update(line.rstrip("\n").rpartition("  ")[2] for line in listed)
    with suppress(OSError, pa.ArrowException, KeyError):
        named.update(row["file"].partition("#")[0] for row in read_rows(root / MANIFEST, ("file",)))
    return {path for path in named if is_own_name(path)}


def is_own_name(path: str) -> bool:
    """Whether a relative path is one that a picture, a shard or a split's rows may have."""
    picture = _PICTURE.fullmatch(path)
    if picture is not None:
        return picture["name"][:2] == picture["folder"]
    return _SHARD.fullmatch(path) is not None or is_loader_table(path)


def is_loader_table(path: str) -> bool:
    """Whether a relative path is that of a split's rows beside its pictures."""
    return _TABLE.fullmatch(path) is not None


def foreign_files(root: Path, exact: bool = True) -> Iterator[str]:
    """Relative paths of what is there and not the release's own.

    Args:
        exact: a picture is own where the release names it; else any with a picture's name is (in a folder that only this
            program makes).
    """
    own = own_files(root) if exact else set()
    for path in _walk(root):
        known = path in own if exact else is_own_name(path)
        if not known and not _is_part(path, own, exact) and not _is_fixed(path):
            yield path


def _walk(root: Path) -> Iterator[str]:
    """Relative paths of every file and link, in order; folders only where they are empty of names of ours or links."""
    for folder, folders, files in os.walk(root):
        inside = os.path.relpath(folder, root)
        links = [name for name in folders if os.path.islink(os.path.join(folder, name))]
        folders[:] = sorted(set(folders) - set(links))
        yield from sorted(os.path.normpath(os.path.join(inside, name)) for name in (*files, *links))


def _is_fixed(path: str) -> bool:
    return path == UNFINISHED or (path in OWN_FILES and path not in (IMAGES, SHARDS))


def _is_part(path: str, own: set[str], exact: bool) -> bool:
    """Whether a file is one of ours that was not finished."""
    folder, _, name = path.rpartition("/")
    whole = part_of(name)
    if not folder:
        return whole is not None and whole in (*OWN_FILES, UNFINISHED)
    if whole is not None and (folder == SHARDS or is_loader_table(f"{folder}/{whole}")):
        return is_own_name(f"{folder}/{whole}")
    if name.startswith(".") and name.endswith(PART_SUFFIX):
        picture = f"{folder}/{name[1 : -len(PART_SUFFIX)]}.png"
        return picture in own if exact else is_own_name(picture)
    return False


def refuse_foreign(root: Path) -> None:
    """A file of the person's own in the release would be lost, or show what is taken out.

    Raises:
        SuiteError: there is one.
    """
    for path in foreign_files(root):
        raise SuiteError(
            f"RELEASE {root}: {path} is not part of the release and may show what is to go; move it elsewhere"
        )


class OwnList:
    """The list of a writer at work: what is own here, before the file is there."""

    def __init__(self, root: Path) -> None:
        """Begin with what an earlier release, or a killed writer, left in `root`; parts of files that it left go."""
        self.root = root
        self.before = own_files(root)
        self.kept: set[str] = set()
        # Appended to what a killed writer left, so that at no moment there is less; unbuffered: what is not in the list when
        # the process is killed is not in the folder either. The list marks the folder as a release's from its first moment.
        self._out: IO[bytes] = (root / UNFINISHED).open("ab", buffering=0)
        self._out.write(("\n" + "".join(f"{path}\n" for path in sorted(self.before))).encode())
        os.fsync(self._out.fileno())
        for path in [path for path in _walk(root) if _is_part(path, self.before, exact=True)]:
            (root / path).unlink(missing_ok=True)

    def add(self, path: str) -> None:
        """A file will be written, and stays when all is done.

        Raises:
            SuiteError: there is one.
        """
        self.kept.add(path)
        if path in self.before:
            return
        if os.path.lexists(self.root / path):
            raise SuiteError(f"RELEASE {self.root}: {path} is there and not the release's own; move it elsewhere")
        self._out.write(f"{path}\n".encode())

    def close(self) -> None:
        """Writing has ended, for good or not."""
        self._out.close()

    def done(self) -> None:
        """The release is whole: what was there before and was not written again goes."""
        for path in self.before - self.kept:
            (self.root / path).unlink(missing_ok=True)
        for name in (IMAGES, SHARDS):
            remove_empty(self.root / name)
        (self.root / UNFINISHED).unlink()


def take_away(root: Path, keep_folder: bool = False) -> None:
    """Remove a release's files and its folder, where nothing else is in it.

    Raises:
        SuiteError: it is not one, or holds something else too.
    """
    if not is_release(root) and any(root.iterdir()):
        raise SuiteError(f"{root}: is in the way and no release's; move it elsewhere")
    for path in foreign_files(root, exact=False):
        raise SuiteError(f"{root}: {path} is not part of the release; move it elsewhere")
    marker = {MANIFEST, METADATA, UNFINISHED}
    for path in sorted(_walk(root), key=lambda path: path in marker):
        (root / path).unlink(missing_ok=True)
    for name in (IMAGES, SHARDS):
        remove_empty(root / name)
    if not keep_folder:
        root.rmdir()


def remove_empty(place: Path) -> None:
    """Remove a folder of pictures, and the folders in it, where they hold nothing."""
    if place.is_dir() and not place.is_symlink():
        for inner, _, _ in os.walk(place, topdown=False):
            with suppress(OSError):
                os.rmdir(inner)


@contextmanager
def only_release_writer(root: Path, flag: str = "RELEASE") -> Iterator[None]:
    """Hold a release's folder: no other process changes it meanwhile.

    Raises:
        SuiteError: another one does.
    """
    with locked_folder(real(root)) as held:
        if not held:
            raise SuiteError(f"{flag} {root}: another process is changing it; wait for it")
        yield
