"""Pictures at the training resolution: resized once with an antialiasing filter, checked, and cached on disk."""

from __future__ import annotations

import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from PIL import Image

from models.data import MOST_CACHED_BYTES, cache_folder, unpacked
from models.data.parquet import ParquetPictures
from models.data.pictures import PICTURE_ERRORS
from models.data.sources import Chosen, Pictures, decoded, open_pictures
from suite.errors import SuiteError
from suite.files import digest, sha256_bytes, whole_folder, write_json
from suite.progress import progress

FILTER = "lanczos"
MOST_BROKEN = 0.02
FINGERPRINTED = 16


class Pixels(Protocol):
    """(N, S, S, 3) uint8 by rows, from a map of the disk or decoded when asked."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    def __len__(self) -> int: ...

    def __getitem__(self, rows: np.ndarray) -> np.ndarray: ...


class LazyImages:
    """Pixels of a set too large to cache: rows are decoded in threads; a broken picture's place is taken by the next."""

    def __init__(self, pictures: Pictures, size: int, workers: int) -> None:
        self.shape = (len(pictures.names), size, size, 3)
        self.broken: dict[str, str] = {}
        self._pictures, self._size = pictures, size
        self._pool = ThreadPoolExecutor(workers)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: np.ndarray) -> np.ndarray:
        return np.stack(list(self._pool.map(self._row, rows)))

    def _row(self, row: int) -> np.ndarray:
        most = max(3, int(MOST_BROKEN * len(self)))
        for index in range(row, row + most + 1):
            square, _, reason = _square(self._pictures, index % len(self), self._size)
            if square is not None:
                return square
            self.broken[self._pictures.names[index % len(self)]] = reason
        raise SuiteError(f"--data: {most} broken pictures in a row from {self._pictures.names[row]} on")


@dataclass(frozen=True)
class ImageArray:
    """Pictures ready for training.

    Attributes:
        pixels: (N, S, S, 3) uint8 by rows.
        labels: column name -> (N,) int64.
        broken: names of the pictures that could not be decoded, with the reason; they are left out.
        key: digest of the pictures, the size and the filter: what the cache calls it.
        notes: sentences for the person (how many were cropped or enlarged).
    """

    pixels: Pixels
    labels: dict[str, np.ndarray]
    broken: dict[str, str]
    key: str
    notes: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.pixels)

    def fingerprint(self) -> dict[str, Any]:
        """How many pictures, and a digest of the pixels of a few: the same for a copy elsewhere, another for other data."""
        rows = np.unique(np.linspace(0, len(self) - 1, min(len(self), FINGERPRINTED)).astype(np.int64))
        return {"count": len(self), "sample": sha256_bytes(np.ascontiguousarray(self.pixels[rows]).tobytes())}


@dataclass(frozen=True)
class Need:
    """What bringing a picture set to a size will write.

    Attributes:
        count: of pictures.
        bytes: still to be written below the cache folder.
        how: what is done with them.
    """

    count: int
    bytes: int
    how: Literal[
        "cached already",
        "resized once and cached",
        "decoded while training",
        "unpacked once and decoded while training",
    ]

    def __str__(self) -> str:
        return f"{self.count}, {self.how}" + (f", {self.bytes / 1e9:.2f} GB in {cache_folder()}" if self.bytes else "")


def disk_need(
    path: str | os.PathLike[str],
    size: int,
    domain: str | None = None,
    split: str | None = None,
    cache: Path | None = None,
    most_cached: float = MOST_CACHED_BYTES,
) -> Need:
    """What `prepare` with the same arguments will write."""
    plan = _plan(path, size, domain, split, cache, most_cached)
    count = len(plan.pictures.names)
    if plan.cached:
        done = (plan.place / "index.json").is_file()
        return Need(count, 0, "cached already") if done else Need(count, count * size**2 * 3, "resized once and cached")
    if plan.copied is None or (plan.copied / "index.json").is_file():
        return Need(count, 0, "decoded while training")
    return Need(count, _parquet(plan.pictures).total_bytes, "unpacked once and decoded while training")


@dataclass(frozen=True)
class _Plan:
    """Where the pictures will lie: cached at `place`, or decoded while training, from a copy at `copied` if any."""

    pictures: Pictures
    key: str
    cached: bool
    place: Path
    copied: Path | None


def _plan(
    path: str | os.PathLike[str],
    size: int,
    domain: str | None,
    split: str | None,
    cache: Path | None,
    most_cached: float,
) -> _Plan:
    pictures = open_pictures(path, domain, split)
    # The empty word stands where sets without a manifest were known by their place before they were by their pixels.
    key, home = digest(["", pictures.key, size, FILTER]), cache or cache_folder()
    whole = _source(pictures)
    large = isinstance(whole, ParquetPictures) and whole.group_bytes > unpacked.MOST_GROUP_BYTES
    copied = home / "unpacked" / digest(["", whole.key])[:32] if large else None
    cached = len(pictures.names) * size * size * 3 <= most_cached
    return _Plan(pictures, key, cached, home / "prepared" / f"{size}-{key[:32]}", copied)


def _source(pictures: Pictures) -> Pictures:
    """The set that pictures were chosen from, or they themselves."""
    return pictures.pictures if isinstance(pictures, Chosen) else pictures


def _parquet(pictures: Pictures) -> ParquetPictures:
    source = _source(pictures)
    assert isinstance(source, ParquetPictures)
    return source


def prepare(
    path: str | os.PathLike[str],
    size: int,
    domain: str | None = None,
    split: str | None = None,
    cache: Path | None = None,
    workers: int = 2,
    most_cached: float = MOST_CACHED_BYTES,
) -> ImageArray:
    """Open any local picture set and bring it to `size` x `size`, once: a second call maps the cached pixels.

    A picture that is not square is cropped about its centre. A few broken pictures (up to 2 %) are named and left out.
    A set that would take more than `most_cached` bytes is decoded while training instead; the encoded pictures of large
    Parquet row groups are copied once for that.

    Raises:
        SuiteError: no pictures, or too many broken ones.
    """
    plan = _plan(path, size, domain, split, cache, most_cached)
    if not plan.cached:
        pictures = plan.pictures
        if plan.copied is not None:
            copy = unpacked.out_of_order(_parquet(pictures), plan.copied, str(path))
            pictures = Chosen(copy, pictures.rows) if isinstance(pictures, Chosen) else copy
        lazy = LazyImages(pictures, size, workers)
        return ImageArray(
            lazy, pictures.labels, lazy.broken, plan.key, ["pictures are decoded while training, not cached"]
        )
    if not (plan.place / "index.json").is_file():
        _fill(plan.place, plan.pictures, size, workers, str(path))
    return _opened(plan.place, plan.pictures, plan.key)


def _fill(place: Path, pictures: Pictures, size: int, workers: int, label: str) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    count = len(pictures.names)
    needed, free = count * size * size * 3, shutil.disk_usage(place.parent).free
    if needed > free:
        raise SuiteError(
            f"--data {label}: {needed / 1e9:.1f} GB needed for {count} pictures at {size} px in {place.parent}, "
            f"{free / 1e9:.1f} GB free; set AAHQ_CACHE to a larger disk"
        )
    with whole_folder(place, "index.json") as part:
        pixels = np.lib.format.open_memmap(part / "pixels.npy", mode="w+", dtype=np.uint8, shape=(count, size, size, 3))
        kept: list[int] = []
        broken: dict[int, str] = {}
        cropped = enlarged = 0
        with ThreadPoolExecutor(workers) as pool:
            results = pool.map(lambda index: _square(pictures, index, size), range(count))
            for number, (square, shape, reason) in enumerate(progress(results, f"prepare {size} px", count, "picture")):
                if square is None:
                    broken[number] = reason
                    continue
                pixels[len(kept)] = square
                kept.append(number)
                cropped += shape[0] != shape[1]
                enlarged += min(shape) < size
        if not kept or len(broken) > max(3, MOST_BROKEN * count):
            first, reason = next(iter(broken.items()))
            raise SuiteError(
                f"--data {label}: {len(broken)} of {count} pictures are broken, e.g. {pictures.names[first]}: {reason}"
            )
        pixels.flush()
        # By number: a copy of the set may call them otherwise.
        index = {"kept": kept, "broken": list(broken.items()), "cropped": cropped, "enlarged": enlarged}
        write_json(part / "index.json", index)


def _square(pictures: Pictures, index: int, size: int) -> tuple[np.ndarray | None, tuple[int, int], str]:
    try:
        rgb = decoded(pictures.read(index))
    except PICTURE_ERRORS as error:
        return None, (0, 0), " ".join(str(error).split())[:200]
    return squared(rgb, size), (rgb.shape[0], rgb.shape[1]), ""


def squared(rgb: np.ndarray, size: int) -> np.ndarray:
    """(H, W, 3) uint8 -> (size, size, 3): the central square, resized with an antialiasing filter."""
    height, width = rgb.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    rgb = rgb[top : top + side, left : left + side]
    return rgb if side == size else np.asarray(Image.fromarray(rgb).resize((size, size), Image.Resampling.LANCZOS))


def _opened(place: Path, pictures: Pictures, key: str) -> ImageArray:
    import json

    index: dict[str, Any] = json.loads((place / "index.json").read_text())
    kept = np.array(index["kept"], np.int64)
    pixels = np.load(place / "pixels.npy", mmap_mode="r")[: len(kept)]
    labels = {name: column[kept] for name, column in pictures.labels.items()}
    damaged = index["broken"]
    broken = damaged if isinstance(damaged, dict) else {pictures.names[number]: reason for number, reason in damaged}
    notes = [f"left out: {name} ({reason})" for name, reason in broken.items()]
    if index["cropped"]:
        notes.append(f"{index['cropped']} pictures were not square and were cropped about their centre")
    if index["enlarged"]:
        notes.append(f"{index['enlarged']} pictures were smaller than {pixels.shape[1]} px and were enlarged")
    return ImageArray(pixels, labels, broken, key, notes)
