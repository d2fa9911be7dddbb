"""One set of plain photographs in every form that people keep FFHQ in."""

from __future__ import annotations

import io
import shutil
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image


def photographs(count: int = 200, size: int = 32, seed: int = 0) -> dict[int, bytes]:
    """Number -> PNG of a blurred random picture."""
    rng = np.random.default_rng(seed)
    out = {}
    for number in range(count):
        low = Image.fromarray(rng.integers(0, 256, (size // 4, size // 4, 3), dtype=np.uint8))
        buffer = io.BytesIO()
        low.resize((size, size), Image.Resampling.BICUBIC).save(buffer, "PNG")
        out[number] = buffer.getvalue()
    return out


def packed_anew(data: bytes) -> bytes:
    """The same pixels in other bytes, as packers write them."""
    buffer = io.BytesIO()
    Image.open(io.BytesIO(data)).save(buffer, "PNG", compress_level=0)
    return buffer.getvalue()


def folder(place: Path, pictures: dict[int, bytes]) -> Path:
    place.mkdir()
    for number, data in pictures.items():
        (place / f"{number:05d}.png").write_bytes(data)
    return place


def nested(place: Path, pictures: dict[int, bytes]) -> Path:
    for number, data in pictures.items():
        path = place / f"{number - number % 50:05d}" / f"{number:05d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return place


def zipped(place: Path, pictures: dict[int, bytes]) -> Path:
    """As StyleGAN2-ADA's packer does it: other names, other bytes."""
    path = place.with_suffix(".zip")
    with zipfile.ZipFile(path, "w") as archive:
        for number, data in reversed(pictures.items()):
            archive.writestr(f"{number // 100:05d}/img{number:08d}.png", packed_anew(data))
    return path


def shards(place: Path, pictures: dict[int, bytes]) -> Path:
    place.mkdir()
    for shard in range(3):
        with tarfile.open(place / f"{shard}.tar", "w") as archive:
            for number in list(pictures)[shard::3]:
                member = tarfile.TarInfo(f"{number}.png")
                member.size = len(pictures[number])
                archive.addfile(member, io.BytesIO(pictures[number]))
    return place


def parquet(place: Path, pictures: dict[int, bytes]) -> Path:
    path = place.with_suffix(".parquet")
    rows = [{"bytes": data, "path": None} for data in pictures.values()]
    pd.DataFrame({"image": rows}).to_parquet(path, row_group_size=64)
    return path


def repeated(place: Path, pictures: dict[int, bytes]) -> Path:
    """A copy that was copied into itself."""
    nested(place, pictures)
    shutil.copytree(place / "00000", place / "copy")
    return place


FORMS: dict[str, Callable[[Path, dict[int, bytes]], Path]] = {
    "folder": folder,
    "nested folder": nested,
    "zip": zipped,
    "tar": shards,
    "parquet": parquet,
    "repeated": repeated,
}
