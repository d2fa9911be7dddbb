"""Reading pictures of 1024 px for training, in random order, from every form that people have, cold and warm."""

from __future__ import annotations

import io
import os
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image

from models.data.prepared import prepare
from speed.run import Row, seconds

SIDE, COUNT, WORKERS = 1024, 24, 2
# A process of eight takes one photograph and one work a step (batch 8); a step at 1024 px of 0.3 s is a quick one.
STEP_SECONDS, A_STEP = 0.3, 2


def png(seed: int) -> bytes:
    """A picture whose PNG is as large as FFHQ's are, about 1.3 MB: smooth colours under the grain of a camera."""
    generator = np.random.default_rng(seed)
    smooth = Image.fromarray(generator.integers(0, 256, (16, 16, 3), np.uint8)).resize(
        (SIDE, SIDE), Image.Resampling.BICUBIC
    )
    grain = generator.normal(0, 1.5, (SIDE, SIDE, 3))
    out = io.BytesIO()
    Image.fromarray((np.asarray(smooth) + grain).clip(0, 255).astype(np.uint8)).save(out, "PNG")
    return out.getvalue()


def folder(place: Path, pictures: list[bytes]) -> Path:
    place.mkdir()
    for number, data in enumerate(pictures):
        (place / f"{number:05d}.png").write_bytes(data)
    return place


def zipped(place: Path, pictures: list[bytes]) -> Path:
    with zipfile.ZipFile(place.with_suffix(".zip"), "w") as archive:
        for number, data in enumerate(pictures):
            archive.writestr(f"{number:05d}.png", data)
    return place.with_suffix(".zip")


def tarred(place: Path, pictures: list[bytes]) -> Path:
    with tarfile.open(place.with_suffix(".tar"), "w") as archive:
        for number, data in enumerate(pictures):
            member = tarfile.TarInfo(f"{number:05d}.png")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return place.with_suffix(".tar")


def parquet(place: Path, pictures: list[bytes], group: int) -> Path:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"image": pictures}), place.with_suffix(".parquet"), row_group_size=group)
    return place.with_suffix(".parquet")


FORMS: dict[str, Callable[[Path, list[bytes]], Path]] = {
    "folder": folder,
    "zip": zipped,
    "tar": tarred,
    "Parquet, 4 pictures a row group": lambda place, pictures: parquet(place, pictures, 4),
    "Parquet, one row group, unpacked": lambda place, pictures: parquet(place, pictures, len(pictures)),
}


def rows() -> list[Row]:
    """Pictures a second of two threads, decoded, in random order; the page cache dropped before each for "cold"."""
    pictures = [png(seed) for seed in range(COUNT)]
    size = f"{COUNT} PNG of {SIDE} px, {sum(map(len, pictures)) / COUNT / 1e6:.1f} MB each, {WORKERS} threads"
    order = np.random.default_rng(0).permutation(COUNT)
    needed = A_STEP / STEP_SECONDS
    out = []
    for name, write in FORMS.items():
        with tempfile.TemporaryDirectory() as place, large_groups():
            path = write(Path(place) / "set", pictures)
            read = prepare(path, SIDE, cache=Path(place) / "cache", workers=WORKERS, most_cached=0).pixels
            for state in ("cold", "warm"):
                if state == "cold":
                    forget(Path(place))
                before = time.process_time()
                rate = COUNT / seconds(lambda: [read[rows] for rows in order.reshape(-1, A_STEP)])  # noqa: B023
                work = (time.process_time() - before) / COUNT
                aim = f"at least {needed:.1f}: {A_STEP} in a step of {STEP_SECONDS} s, made ahead"
                note = f"{1000 * work:.0f} ms of CPU a picture"
                out.append(Row(f"{name}, {state}: {size}", rate, "pictures/s", aim, note, rate >= needed))
    return out


@contextmanager
def large_groups() -> Iterator[None]:
    """Let a row group of this bench's few pictures count as a large one."""
    from models.data import unpacked

    before, unpacked.MOST_GROUP_BYTES = unpacked.MOST_GROUP_BYTES, 8e6
    try:
        yield
    finally:
        unpacked.MOST_GROUP_BYTES = before


def forget(place: Path) -> None:
    """Write out every file below `place` and take it out of the system's page cache."""
    for path in place.rglob("*"):
        if path.is_file():
            handle = os.open(path, os.O_RDONLY)
            os.fsync(handle)
            os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(handle)
