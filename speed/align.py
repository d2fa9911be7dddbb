"""Alignment: bit-identical to the straightforward recipe, pictures per second of one core, and peak memory."""

from __future__ import annotations

import multiprocessing
import resource
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from aahq.faces.align import align
from aahq.faces.find import FaceFinder
from speed.ffhq_recipe import straightforward_align
from speed.run import Row

PICTURES = Path(__file__).resolve().parents[2] / "shared" / "data"
Work = tuple[str, np.ndarray, np.ndarray]


def pictures() -> list[Work]:
    """Name, pixels and landmarks of the real pictures' largest faces; three made ones on a clone without them."""
    finder, out = FaceFinder(), []
    for path in sorted([*PICTURES.glob("faces/*"), *PICTURES.glob("art/*")]):
        with Image.open(path) as image:
            rgb = np.array(image.convert("RGB"))
        out += [(path.stem, rgb, face.landmarks) for face in finder.find(rgb)[:1]]
    return out or made_pictures()


def made_pictures() -> list[Work]:
    """Noise round which a face's four points lie: inside, across a corner, and filling the picture."""
    rng = np.random.default_rng(5)
    rgb = np.kron(rng.integers(0, 256, (64, 64, 3), dtype=np.uint8), np.ones((16, 16, 1), dtype=np.uint8))
    at = np.array([[-60.0, 0], [60, 4], [-45, 130], [45, 132]])
    places = {
        "inside": at + np.array([512, 460]),
        "corner": at + np.array([900, 120]),
        "filling": at * 2 + np.array([512, 460]),
    }
    return [(name, rgb, points) for name, points in places.items()]


def rows() -> list[Row]:
    work = pictures()
    ratios, ours, other, same = [], 0.0, 0.0, 0
    align(work[0][1], work[0][2])
    for _, rgb, points in work:
        mine, a = cpu_seconds(lambda: align(rgb, points))  # noqa: B023
        theirs, b = cpu_seconds(lambda: straightforward_align(rgb, points))  # noqa: B023
        ratios.append(theirs / mine)
        ours, other, same = ours + mine, other + theirs, same + int(np.array_equal(a, b))
    largest = max(work, key=lambda item: item[1].size)
    memory = {name: peak_megabytes(name, largest) for name in ("ours", "straightforward")}
    n = len(work)
    recipe = "the Pillow/SciPy recipe, one picture each in turn, CPU seconds of one core"
    return [
        Row(f"align {n} real pictures, 1024 px: identical bytes", same, f"of {n}", f"{n}", "the same", same == n),
        Row(f"align {n} real pictures, 1024 px", other / ours, "x faster", "at least 3", recipe, other / ours >= 3),
        Row("  slowest picture's ratio", min(ratios), "x faster", "", f"median {statistics.median(ratios):.1f}"),
        Row("  pictures per second and core", n / ours, "pictures/s", "", f"straightforward: {n / other:.2f}"),
        Row(
            "  peak memory above the loaded program, largest picture",
            memory["ours"],
            "MB",
            f"{memory['straightforward']:.0f}",
            f"straightforward; {largest[0]}, {largest[1].shape[1]} px wide",
            memory["ours"] <= memory["straightforward"],
        ),
    ]


def cpu_seconds(work: Callable[[], np.ndarray]) -> tuple[float, np.ndarray]:
    """Processor seconds of one call and what it returned."""
    start = time.process_time()
    value = work()
    return time.process_time() - start, value


def peak_megabytes(name: str, work: Work) -> float:
    """How far one call raises the peak of a process of its own, in which a small call has loaded everything."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        return pool.apply(_peak, (name, work))


def _peak(name: str, work: Work) -> float:
    call = {"ours": align, "straightforward": straightforward_align}[name]
    made = made_pictures()[0]
    call(made[1][:256, :256], made[2] * 0.25, 64, 128)
    before = _high_water()
    call(work[1], work[2])
    return (_high_water() - before) / 1024


def _high_water() -> int:
    """Peak resident kB of this program alone (`ru_maxrss` begins at the peak of the process that started it)."""
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(next(line for line in status.read_text().splitlines() if line.startswith("VmHWM")).split()[1])
