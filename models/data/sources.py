"""Where pictures lie: a release, a folder, a zip, tar shards or Parquet files, each read by position."""

from __future__ import annotations

import json
import os
from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np

from models.data.parquet import ParquetPictures
from models.data.pictures import SUFFIXES, decode_rgb
from models.data.plain import FolderPictures, PlainPictures, TarPictures, ZipPictures
from models.data.release import open_release
from suite.errors import SuiteError
from suite.files import digest


class Pictures(Protocol):
    """Encoded pictures by position. Reading is safe from several threads.

    Attributes:
        names: one per picture, in a fixed order; what messages call it.
        labels: column name -> (N,) int64, where the source knows them (a painted release's identity, style and family).
        key: digest of the pictures that the source holds, in their order.
    """

    names: list[str]
    labels: dict[str, np.ndarray]

    @property
    def key(self) -> str: ...

    def read(self, index: int) -> bytes:
        """The encoded bytes of picture `index`."""
        ...


def open_pictures(path: str | os.PathLike[str], domain: str | None = None, split: str | None = None) -> Pictures:
    """Open any local form of a picture set.

    Args:
        path: a release folder (or the folder that `aahq build` made it in), a folder of pictures, a `.zip`, a `.tar`,
            a folder of `.tar` shards, a `.parquet` or a folder of them.
        domain: for a release, keep only rows of this domain ("photo" or "art").
        split: of a release, and of photographs in any form (`models.data.splits`), keep only this split.

    Raises:
        SuiteError: nothing there, or nothing that is a picture.
    """
    pictures = open_whole(path, domain, split)
    if isinstance(pictures, PlainPictures) and domain == "photo" and split is not None:
        return _filled(Chosen(pictures, pictures.split_rows(split)), path, domain, split)
    return pictures


def open_whole(path: str | os.PathLike[str], domain: str | None = None, split: str | None = None) -> Pictures:
    """The same, save that photographs that are no release come whole."""
    place = Path(path)
    if not place.exists():
        raise SuiteError(f"--data {place}: no such file or folder")
    if any((folder / "release.json").is_file() for folder in (place, place / "release")):
        pictures: Pictures = ReleasePictures(place, domain, split)
    elif place.suffix == ".zip":
        pictures = ZipPictures(place)
    elif place.suffix == ".tar" or (place.is_dir() and any(place.glob("*.tar"))):
        pictures = TarPictures(place)
    elif place.suffix == ".parquet" or (place.is_dir() and any(place.glob("*.parquet"))):
        pictures = ParquetPictures(place)
    elif place.is_dir():
        pictures = FolderPictures(place)
    else:
        raise SuiteError(f"--data {place}: expected a release, a folder of pictures, a .zip, .tar shards or .parquet")
    return _filled(pictures, place, domain, split)


def _filled(pictures: Pictures, place: str | os.PathLike[str], domain: str | None, split: str | None) -> Pictures:
    if not pictures.names:
        kept = "".join(f", {key} {value}" for key, value in (("domain", domain), ("split", split)) if value)
        raise SuiteError(f"--data {place}: holds no pictures{kept}; known types: {' '.join(SUFFIXES)}")
    return pictures


class Chosen:
    """Some pictures of a set, in its order."""

    def __init__(self, pictures: Pictures, rows: np.ndarray) -> None:
        self.pictures, self.rows = pictures, rows
        self.names = [pictures.names[row] for row in rows]
        self.labels = {name: column[rows] for name, column in pictures.labels.items()}

    @cached_property
    def key(self) -> str:
        return digest(["chosen", self.pictures.key, self.rows.tolist()])

    def read(self, index: int) -> bytes:
        return self.pictures.read(int(self.rows[index]))


class ReleasePictures:
    """The rows of a release; painted portraits bring their known identity, style and style family as labels."""

    def __init__(self, folder: Path, domain: str | None, split: str | None) -> None:
        self._release = open_release(folder)
        manifest = self._release.manifest
        keep = np.ones(len(manifest), bool)
        for column, value in (("domain", domain), ("split", split)):
            if value is not None:
                keep &= (manifest[column] == value).to_numpy()
        self._rows = np.flatnonzero(keep)
        rows = manifest.iloc[self._rows]
        self.names = rows["id"].tolist()
        self.labels = _known_factors(rows["factors"].tolist())
        self.key = digest(["release", self._release.digest, domain, split])

    def read(self, index: int) -> bytes:
        return self._release.png(int(self._rows[index]))


def _known_factors(texts: list[str | None]) -> dict[str, np.ndarray]:
    if not texts or any(not text for text in texts):
        return {}
    factors = [json.loads(text) for text in texts if text]
    labels = {name: np.array([row[name] for row in factors], np.int64) for name in ("identity", "style")}
    families = {name: number for number, name in enumerate(sorted({row["style_name"] for row in factors}))}
    return labels | {"family": np.array([families[row["style_name"]] for row in factors], np.int64)}


def decoded(data: bytes) -> np.ndarray:
    """Encoded bytes -> (H, W, 3) uint8 RGB by the rules of `decode_rgb`; raises its PICTURE_ERRORS."""
    return np.asarray(decode_rgb(data))
