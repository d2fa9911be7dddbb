"""How long a training step at 1024 px would wait for its pictures, in every form that people have, cold and warm.

The training's own loader runs, with its threads, order and mirroring; the step is a sleep as long as a GPU's, in which this
machine's processor is free, as it is while a GPU computes.
"""

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

from models.data.loader import InfiniteLoader
from models.data.prepared import ImageArray, prepare
from speed.run import Row, seconds

SIDE, COUNT, WORKERS = 1024, 24, 2
# A process of eight takes one photograph and one work a step (batch 8); a step at 1024 px of 0.3 s is a quick one.
STEP_SECONDS, STEPS, MOST_WAITING = 0.3, 8, 0.05
DOMAINS = ("photo", "art")


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
    """The waiting share of each form; the page cache dropped before each for "cold"."""
    pictures = [png(seed) for seed in range(COUNT)]
    size = f"{COUNT} PNG of {SIDE} px, {sum(map(len, pictures)) / COUNT / 1e6:.1f} MB each, {WORKERS} threads"
    out = []
    for name, write in FORMS.items():
        with tempfile.TemporaryDirectory() as place, large_groups():
            path = write(Path(place) / "set", pictures)
            read = prepare(path, SIDE, cache=Path(place) / "cache", workers=WORKERS, most_cached=0)
            for state in ("cold", "warm"):
                if state == "cold":
                    forget(Path(place))
                share = waiting_share(read)
                rate, work = flat_out(read)
                note = (
                    f"of a step of {STEP_SECONDS} s that takes one picture of each domain; decodes {rate:.1f} pictures/s "
                    f"flat out, {1000 * work:.0f} ms of CPU each"
                )
                met = share <= MOST_WAITING
                out.append(Row(f"{name}, {state}: {size}", 100 * share, "% waiting", "under 5", note, met))
    return out


def waiting_share(read: ImageArray) -> float:
    """Of the time of STEPS steps, the share that they wait for pictures; the first batch, before any step, is not counted."""
    streams = [InfiniteLoader(read, 1, seed) for seed, _ in enumerate(DOMAINS)]
    try:
        for stream in streams:
            stream.batch_at(0)
            stream.waited = 0.0
        for step in range(1, STEPS + 1):
            time.sleep(STEP_SECONDS)
            for stream in streams:
                stream.batch_at(step)
    finally:
        for stream in streams:
            stream.close()
    waited = sum(stream.waited for stream in streams)
    return waited / (waited + STEPS * STEP_SECONDS)


def flat_out(read: ImageArray) -> tuple[float, float]:
    """Pictures a second in random order with nothing between, and CPU seconds a picture."""
    order = np.random.default_rng(0).permutation(len(read)).reshape(-1, len(DOMAINS))
    before = time.process_time()
    took = seconds(lambda: [read.pixels[rows] for rows in order])
    return len(read) / took, (time.process_time() - before) / len(read)


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
