"""Scale: a Dask cluster of two workers against the local pool of two, stages' costs, and near pairs among millions of hashes.

`python -m speed.scale [PART ...]` measures parts by name and puts their rows in the place of the earlier ones in
speed/results/scale.json; each row says on which machine and day it was measured. `python -m speed.run scale` measures all
but the long one, whose rows it keeps.
"""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
from PIL import Image

from aahq.config import Layout
from aahq.dedup.hamming import near_pairs
from aahq.ledger import Ledger
from aahq.pipeline import RUN, STAGES, open_build
from aahq.remove.releases import remembered_release
from aahq.stages import screen
from aahq.stages.dask_engine import choose_engine
from aahq.stages.engine import BATCH, Engine, run_batches
from speed.run import RESULTS, Row, machine, ratio
from suite.cli import run_script
from suite.errors import SuiteError, did_you_mean
from suite.files import write_json

T = TypeVar("T")
ART = Path(__file__).resolve().parents[2] / "shared" / "data" / "art"
PICTURES, SIDE, ROUNDS, DISTANCE = 96, 1024, 5, 8
# The whole ten million take a quarter of an hour of a quiet core; the work grows with the square where buckets are full.
SIZES = (1_000_000, 3_000_000)
TEN_MILLION = 10_000_000
KEPT = RESULTS / "scale.json"
# What docs/cluster.md advises for a worker: one thread for matrices, where each core has a worker; one memory arena, for the
# arrays of whole pictures are given back and taken again at every picture otherwise; no profile, a hundred samples a second.
WORKER = {
    "OMP_NUM_THREADS": "1",
    "MALLOC_ARENA_MAX": "1",
    "DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED": "False",
}


@dataclass(frozen=True)
class Measured(Row):
    """A row that says by which part, on which machine and on which day it was measured."""

    part: str = ""
    machine: str = ""
    day: str = ""


def rows() -> list[Measured]:
    """All parts, measured now; the long ones' rows as they were kept, where they were."""
    long = [row for row in _kept() if row.part in KEPT_PARTS]
    return [row for part in PARTS if part not in KEPT_PARTS for row in _measure(part)] + long


def _measure(part: str) -> Iterator[Measured]:
    here, day = machine(), datetime.now(UTC).date().isoformat()
    for row in PARTS[part]():
        yield Measured(**asdict(row), part=part, machine=here, day=day)


def _kept() -> list[Measured]:
    return [Measured(**row) for row in json.loads(KEPT.read_text())["rows"]] if KEPT.exists() else []


def main(wanted: list[str]) -> None:
    """Measure these parts (all without names) and put their rows in the place of the earlier ones."""
    for name in wanted:
        if name not in PARTS:
            raise SuiteError(f"bench scale: no {name!r}{did_you_mean(name, list(PARTS))}")
    for part in wanted or PARTS:
        print(f"== {part}", flush=True)
        new: list[Measured] = []
        for row in _measure(part):
            print(f"{row.what:60} {row.value:10.3g} {row.unit:14} {row.note}", flush=True)
            new.append(row)
            # At once: some parts take hours.
            _keep(part, new)


def _keep(part: str, new: list[Measured]) -> None:
    """Put rows in the place of the earlier ones of the same part and name."""
    names = {row.what for row in new}
    kept = _kept()
    by_part = {name: [row for row in kept if row.part == name] for name in PARTS}
    by_part[part] = [*new, *(row for row in by_part[part] if row.what not in names)]
    rows = [row for name in PARTS for row in by_part[name]]
    # Each row says where it was measured.
    write_json(
        KEPT, {"machine": "; ".join(sorted({row.machine for row in rows})), "rows": [asdict(row) for row in rows]}
    )


def stage_rows() -> list[Row]:
    """What a picture costs in each stage, and on the disk: docs/scale.md is computed from these."""
    with tempfile.TemporaryDirectory() as name:
        source, out = ART if ART.is_dir() else _painted(Path(name) / "painted"), Path(name) / "out"
        ask = {"source": "folder", "target": str(source)}
        made = []
        with open_build(out, source=ask, workers=1, create=True) as build:
            for stage in STAGES:
                start = time.process_time()
                RUN[stage](build)
                made.append((stage, time.process_time() - start))
            count = build.ledger.count("pictures")
        note = f"{count} pictures, faces of 1024 px, one process"
        seconds = [Row(f"stage {stage}", spent / count, "s of one core a picture", note=note) for stage, spent in made]
        disk = [
            Row(
                f"disk {kind}",
                sum(f.stat().st_size for f in path.rglob("*") if f.is_file()) / count / 1e6,
                "MB a picture",
            )
            for kind, path in (("pictures", out / "pictures"), ("faces", out / "faces"), ("release", out / "release"))
        ]
        return [*seconds, *disk]


def _painted(folder: Path) -> Path:
    from aahq.painted.portraits.paint import paint
    from aahq.painted.portraits.styles import style_seed

    folder.mkdir()
    for number in range(8):
        Image.fromarray(paint(number, style_seed("oil", number), 512).rgb).save(folder / f"{number}.png")
    return folder


def cluster_rows() -> list[Row]:
    """The screen stage's own work (decode, hash) over the same pictures, both engines warm, in turn."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = _pictures(folder)
        with _cluster(folder) as address, choose_engine(None, address) as dask, choose_engine(2) as local:
            times, ours, theirs = ratio(
                partial(_screen, dask, folder, files), partial(_screen, local, folder, files), ROUNDS
            )
    note = f"local pool of 2: {len(files) / theirs:.1f} pictures/s; Dask: {len(files) / ours:.1f}; in turn, both warm"
    what = f"screen {len(files)} pictures of {SIDE} px: Dask with two workers over the local pool of two"
    return [
        Row(what, times, "x", "at least 0.9", note, times >= 0.9),
        Row("  pictures screened a second, two local processes", len(files) / theirs, "pictures/s"),
    ]


def _pictures(folder: Path) -> list[dict[str, str]]:
    rng = np.random.default_rng(0)
    made = []
    for number in range(PICTURES):
        rough = Image.fromarray(rng.integers(0, 256, (32, 32, 3), dtype=np.uint8))
        rough.resize((SIDE, SIDE), Image.Resampling.BICUBIC).save(folder / f"{number}.jpg", quality=90)
        made.append({"id": str(number), "file": f"{number}.jpg"})
    return made


def _screen(engine: Engine, folder: Path, files: list[dict[str, str]]) -> None:
    done: list[object] = []
    batches = [files[first : first + BATCH] for first in range(0, len(files), BATCH)]
    run_batches(engine, batches, partial(screen._work, folder), done.extend)
    assert len(done) == len(files)


@contextmanager
def _cluster(folder: Path) -> Iterator[str]:
    """A scheduler and two workers as processes of their own, as on a cluster."""
    started: list[subprocess.Popen[bytes]] = []

    def start(name: str, what: str, *words: str) -> str:
        log = folder / f"{name}.log"
        with log.open("wb") as out:
            command = [sys.executable, "-m", f"distributed.cli.{words[0]}", *words[1:], "--no-dashboard"]
            started.append(subprocess.Popen(command, stdout=out, stderr=out, env={**os.environ, **WORKER}))
        for _ in range(1200):
            if match := re.search(what, log.read_text()):
                return match.group(0)
            time.sleep(0.1)
        raise RuntimeError(log.read_text())

    try:
        address = start("s", r"tcp://127\.0\.0\.1:\d+", "dask_scheduler", "--host", "127.0.0.1", "--port", "0")
        for number in range(2):
            start(f"w{number}", "Registered to", "dask_worker", address, "--nthreads", "1", "--no-nanny")
        yield address
    finally:
        for process in started:
            process.kill()
            process.wait()


def dedup_rows(sizes: tuple[int, ...]) -> list[Row]:
    """Processor seconds and memory of the join at these sizes, each in a process of its own."""
    out = []
    for size in sizes:
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            clock, processor, peak, pairs, missed = pool.apply(_join, (size,))
        what = f"all pairs within {DISTANCE} among {size / 1e6:g} M hashes"
        whole = size == TEN_MILLION
        out += [
            Row(
                what,
                processor,
                "s of one core",
                "under 900" if whole else "",
                f"{pairs} pairs, {missed} of the planted ones missed; {clock:.0f} s by the clock",
                processor < 900 if whole else None,
            ),
            Row("  peak memory", peak, "MB", "under 6144" if whole else "", "", peak < 6144 if whole else None),
        ]
    return out


def _join(size: int) -> tuple[float, float, float, int, int]:
    rng = np.random.default_rng(1)
    hashes = rng.integers(0, 2**64, size, dtype=np.uint64)
    planted = size // 100
    flips = np.bitwise_or.reduce(np.uint64(1) << rng.integers(0, 64, (planted, DISTANCE), dtype=np.uint64), axis=1)
    hashes[size // 2 : size // 2 + planted] = hashes[:planted] ^ flips
    clock, processor = time.perf_counter(), time.process_time()
    pairs, _ = near_pairs(hashes, DISTANCE)
    took = time.perf_counter() - clock, time.process_time() - processor
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    joined = set((pairs[:, 0] * size + pairs[:, 1]).tolist())
    missed = sum(n * size + size // 2 + n not in joined for n in range(planted))
    return *took, peak, len(pairs), missed


def large_rows(sizes: tuple[int, ...], embed: bool = True) -> Iterator[Row]:
    """What the stages that see the whole set take of that many faces, each step in a process of its own.

    Args:
        sizes: of the sets.
        embed: with descriptors and a release; without, what reads the ledger alone.
    """
    for size in sizes:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name) / "build"
            _alone(_make, folder, size, embed)
            for what in STEPS if embed else OF_LEDGER:
                found = _alone(_measured, what, folder)
                note = f"peak {found.peak:,.0f} MB; {found.clock:,.1f} s by the clock; {found.answer}"
                yield Row(f"{what} at {size:,}", found.processor, "s of one core", note=note)


def _alone(work: Callable[..., T], *given: object) -> T:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(work, given)


def _make(out: Path, size: int, embed: bool) -> None:
    """The set: of aligned faces, or of kept ones where nothing is to be compared."""
    from aahq.remove.forget import overwrite_deleted
    from speed.synthetic import make_ledger
    from suite.progress import set_quiet

    set_quiet(True)
    make_ledger(out, size, state="aligned" if embed else "kept", embed=embed)
    with Ledger(out) as ledger:
        overwrite_deleted(ledger)


@dataclass(frozen=True)
class Spent:
    """What a step took: processor seconds (its children's too), seconds by the clock, its process' peak in MB."""

    processor: float
    clock: float
    peak: float
    answer: str


def _measured(what: str, out: Path) -> Spent:
    from suite.progress import set_quiet

    set_quiet(True)
    step = STEPS[what]
    # Modules that it imports are no part of it.
    step(None)
    before, start = os.times(), time.perf_counter()
    answer = step(out)
    clock, after = time.perf_counter() - start, os.times()
    processor = sum(after[:4]) - sum(before[:4])
    return Spent(processor, clock, _peak(), str(answer)[:120])


def _peak() -> float:
    """MB that this process held at most. `ru_maxrss` would also count what its parent held when it started it."""
    with contextlib.suppress(OSError):
        found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
        if found:
            return int(found[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _dedup(out: Path | None) -> object:
    from aahq.stages import dedup

    if out is None:
        return None
    with Ledger(out) as ledger:
        return dedup.run(ledger).notes


def _quality(out: Path | None) -> object:
    from aahq.stages import quality

    if out is None:
        return None
    with Ledger(out) as ledger:
        return quality.run(ledger).kept


def _first_sheet(out: Path | None) -> object:
    """All that the server does before the page is there, and the page's first answer."""
    from aahq.review.app import Session
    from aahq.review.pictures import FIRST_SHEET

    if out is None:
        return None
    session = Session(out, "bench")
    shown = session.first_ids[:FIRST_SHEET]
    session.pictures.make_first(session.catalog.page(shown))
    told = session.told(session.views.add(session.first_ids), "bench")
    session.window(shown, "bench")
    session.pictures.close()
    session.log.close()
    return told["count"]


def _report(out: Path | None) -> object:
    from aahq.report import write_report

    if out is None:
        return None
    with Ledger(out) as ledger:
        return write_report(ledger).stat().st_size


def _remove(artist: str, out: Path | None) -> object:
    """As `aahq remove` does it."""
    from aahq.open_folder import open_folder
    from aahq.remove.remove import Wanted, remove

    if out is None:
        return None
    with open_folder(out) as ledger:
        return remove(ledger, Wanted(artists=(artist,))).faces


def _release(out: Path | None) -> object:
    from aahq.consent.optouts import OptOuts
    from aahq.stages import release

    if out is None:
        return None
    with Ledger(out) as ledger, remembered_release(ledger, out / "release", Layout(form="shards")):
        made = release.run(ledger, name="bench", size=16, domain="art", optouts=OptOuts(), form="shards")
    shutil.copytree(out / "release", out.parent / "copy")
    return made.count


def _verify(out: Path | None) -> object:
    from aahq.release.verify import verify

    return None if out is None else verify(out / "release").effective


def _cards(out: Path | None) -> object:
    from aahq.release.cards.update import update_cards

    return None if out is None else len(update_cards(out / "release", out.parent / "cards"))


def _map(out: Path | None) -> object:
    import sklearn.manifold  # noqa: F401

    from aahq.style_map import style_map

    return None if out is None else len(style_map(out / "release")[1])


def _sync(out: Path | None) -> object:
    from aahq.remove.sync import sync

    return None if out is None else sync(out.parent / "copy", out / "release").removed


# In the order in which they are taken; a step that is given no folder only imports what it needs.
STEPS: dict[str, Callable[[Path | None], object]] = {
    "dedup": _dedup,
    "dedup of nothing new": _dedup,
    "quality": _quality,
    "review page's first sheet": _first_sheet,
    "report": _report,
    "removal of one artist": partial(_remove, "artist 77"),
    "release, in shards": _release,
    "verify": _verify,
    "cards": _cards,
    "style map": _map,
    "removal of one artist with a release": partial(_remove, "artist 78"),
    "sync of a copy": _sync,
}
# What needs neither descriptors nor files.
OF_LEDGER = ("review page's first sheet", "removal of one artist", "report", "quality")
LONG = "ten-million"
LARGE, LARGE_SIZES = "large", (10_000, 100_000)
# Too long to be measured with the others.
KEPT_PARTS = (LONG, LARGE, "million", "million-rows")
PARTS: dict[str, Callable[[], Iterable[Row]]] = {
    "cluster": cluster_rows,
    "stages": stage_rows,
    "dedup": partial(dedup_rows, SIZES),
    LONG: partial(dedup_rows, (TEN_MILLION,)),
    LARGE: partial(large_rows, LARGE_SIZES),
    "million": partial(large_rows, (1_000_000,)),
    "million-rows": partial(large_rows, (1_000_000,), embed=False),
}

if __name__ == "__main__":
    run_script(main)
