"""`python docs/make_scale.py`: writes docs/scale.md from the measured rates in speed/results/scale.json."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from aahq.dedup.embedding import WIDTH  # noqa: E402
from aahq.dedup.search import DIMENSIONS  # noqa: E402
from suite.files import write_whole  # noqa: E402

SIZES = (33_000, 1_000_000, 100_000_000)
# Asked of one host, as of ArtStation: the work's record, its page and its picture, at one request a second.
REQUESTS, PER_SECOND, HOSTS = 3, 1.0, (1, 1000)
# What may be paid for a core for an hour and a gigabyte for a month; put your own in.
CORE_HOUR, GB_MONTH = 0.04, 0.02
Rows = dict[str, dict[str, Any]]
CORES = {33_000: 2, 1_000_000: 32, 100_000_000: 1000}
DEDUP_SIZES = (1_000_000, 10_000_000, 100_000_000)
# Of dedup's columns (tracemalloc, 3,000 synthetic faces), of the ledger, and of a manifest (5,000 painted faces): bytes a face;
# a row group of 4,096 rows takes some 8 kB of the manifest's footer.
FACE_BYTES, LEDGER_BYTES, MANIFEST_BYTES, FOOTER_BYTES = 650, 6570, 845, 8000


def main() -> None:
    """Write the page."""
    kept = json.loads((HERE.parent / "speed" / "results" / "scale.json").read_text())
    rows = {row["what"]: row for row in kept["rows"]}
    stages, disk = named(rows, "stage "), named(rows, "disk ")
    here = rows["stage screen"]["machine"]
    lines = [
        "# What it costs to make AAHQ larger",
        "",
        f"Computed by `python docs/make_scale.py` from rates measured on {here} (`speed/scale.py`), with "
        f"{CORE_HOUR} a core and hour and {GB_MONTH} a gigabyte and month, in the currency of your choice: assumptions, and "
        "constants at the top of the script. Everything beyond the measured sizes is multiplied, not measured.",
        *picture(stages, disk),
        *a_set(sum(stages[name] for name in ("screen", "faces", "align")), sum(disk.values())),
        *crawl(),
        *dedup(rows, here),
        *large(rows),
        *gives_way(),
        *cluster(rows),
    ]
    write_whole(HERE / "scale.md", "\n".join(lines) + "\n")


def named(rows: Rows, prefix: str) -> dict[str, float]:
    """The values of the rows whose name starts so, by the rest of it."""
    return {what.removeprefix(prefix): row["value"] for what, row in rows.items() if what.startswith(prefix)}


def picture(stages: dict[str, float], disk: dict[str, float]) -> list[str]:
    """What one picture takes."""
    return [
        "",
        "## A picture",
        "",
        "| stage | seconds of one core |",
        "|---|---:|",
        *(f"| {name} | {value:.3f} |" for name, value in stages.items() if name not in ("review", "dedup")),
        "",
        f"On the disk: {disk['pictures']:.2f} MB of the source's picture, {disk['faces']:.2f} MB of aligned face "
        "at 1024 pixels, and as much again for the release (`--form links` needs none).",
    ]


def a_set(seconds: float, megabytes: float) -> list[str]:
    """Core hours, disk and money of whole sets, from a picture's."""
    lines = [
        "",
        "## A set",
        "",
        "| pictures | core hours (screen, faces, align) | cores | hours | disk | computing | disk a month |",
        "|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for size in SIZES:
        hours, terabytes = seconds * size / 3600, megabytes * size / 1e6
        lines.append(
            f"| {size:,} | {hours:,.0f} | {CORES[size]:,} | {hours / CORES[size]:,.1f} | {terabytes:,.2f} TB | "
            f"{hours * CORE_HOUR:,.2f} | {1000 * terabytes * GB_MONTH:,.2f} |"
        )
    return lines


def crawl() -> list[str]:
    """What politeness takes."""
    lines = [
        "",
        "## The crawl is the long part",
        "",
        f"Politeness costs more time than computing: {REQUESTS} requests a picture, {PER_SECOND:g} a second to one host. "
        "A faster crawl needs more hosts, not more machines.",
        "",
        "| pictures | all from one host | spread over 1,000 hosts |",
        "|---:|---:|---:|",
    ]
    for size in SIZES:
        days = [size * REQUESTS / PER_SECOND / 86400 / hosts for hosts in HOSTS]
        lines.append(f"| {size:,} | {days[0]:,.1f} days | {days[1]:,.3f} days |")
    return lines


def dedup(rows: Rows, machine: str) -> list[str]:
    """What the one stage that sees everything takes."""
    lines = [
        "",
        "## Dedup sees the whole set",
        "",
        "All near pairs of perceptual hashes are found exactly, on one core:",
        "",
        "| hashes | seconds of one core | measured | |",
        "|---|---:|---|---|",
    ]
    for what, row in rows.items():
        if what.startswith("all pairs"):
            elsewhere = "" if row["machine"] == machine else f", {row['machine']}"
            lines.append(
                f"| {what.partition('among ')[2]} | {row['value']:,.0f} | {row['day']}{elsewhere} | {row['note']} |"
            )
    return [
        *lines,
        "",
        "`python -m speed.scale ten-million` measures the join of ten million.",
        "",
        "Descriptors are compared in 256 dimensions and one more number, the length left out, which makes the product an upper "
        "bound of the cosine: up to 60,000 faces every pair within the threshold is found. Beyond, FAISS' k-means cuts the set "
        "into lists (`pip install 'aahq-blendgan[dedup]'`) and each face looks through the 48 nearest; on planted copies that "
        "finds at least 0.99 of what all with all find, which a test holds. Pairs stay in the ledger: faces that are added are "
        "compared with all, and a set that has not changed is not clustered again.",
        "",
        "From 20,000 faces on, buckets of hashes, blocks of descriptors and components are tasks of `--workers` or of the "
        "cluster of `--scheduler`; tests hold that they find what one process finds, also when one of two workers is killed on "
        "the way. The process that asks copies descriptors out of the ledger, makes the lists' centres and writes the answer "
        "alone: that part does not shrink with more cores. Reckoned, not run, from the largest size measured: hashes by the "
        "square of their number, all else by its power 1.5, since lists grow by the root in number and in length.",
        "",
        "| faces | core hours, hashes | core hours, all else at most | shared in OUT | columns of the asking process |",
        "|---:|---:|---:|---:|---:|",
        *_reckoned(rows),
    ]


def _shared_bytes() -> int:
    """float16 descriptors, coordinates and the length left out, straight and mirrored, and a place in a list."""
    return 2 * WIDTH + 2 * 2 * (DIMENSIONS + 1) + 8


def _reckoned(rows: Rows) -> list[str]:
    joined = rows["all pairs within 8 among 10 M hashes"]["value"] / 3600
    known = {int(what[9:].replace(",", "")): row["value"] for what, row in rows.items() if what.startswith("dedup at ")}
    largest = max(known)
    lines = []
    for size in DEDUP_SIZES:
        hashes, rest = joined * (size / 1e7) ** 2, known[largest] / 3600 * (size / largest) ** 1.5
        lines.append(
            f"| {size:,} | {hashes:,.1f} | {rest:,.1f} | "
            f"{size * _shared_bytes() / 1e9:,.0f} GB | {size * FACE_BYTES / 1e9:,.1f} GB |"
        )
    return lines


def large(rows: Rows) -> list[str]:
    """What the stages that see the whole set take at several sizes, and how that grows."""
    steps: dict[str, dict[int, dict[str, Any]]] = {}
    for what, row in rows.items():
        step, at, size = what.rpartition(" at ")
        if at and row["part"] in ("large", "million", "million-rows"):
            steps.setdefault(step, {})[int(size.replace(",", ""))] = row
    sizes = sorted({size for by_size in steps.values() for size in by_size})
    if not sizes:
        return []
    where = sorted({f"{row['machine']}, {row['day']}" for found in steps.values() for row in found.values()})
    lines = [
        "",
        "## What grows faster than the set",
        "",
        "Over builds made for it (`speed/synthetic.py`: rows, descriptors with one planted copy in twenty, faces of 16 pixels; "
        "the release in shards), each step in a process of its own beside other work, in seconds of one core; the exponent is "
        f"that of the last two sizes, and 1 is linear. Measured on {'; '.join(where)}. `python -m speed.scale million` "
        "measures all of it at a million, `million-rows` what needs neither descriptors nor a release.",
        "",
        f"| step | {' | '.join(f'{size:,} faces' for size in sizes)} | exponent | memory at the largest |",
        f"|---|{'---:|' * len(sizes)}---:|---:|",
    ]
    for step, by_size in steps.items():
        known = [size for size in sizes if size in by_size]
        peak = by_size[known[-1]]["note"].partition(";")[0].removeprefix("peak ")
        values = " | ".join(f"{by_size[size]['value']:,.1f}" if size in by_size else "" for size in sizes)
        lines.append(f"| {step} | {values} | {_exponent(by_size, known)} | {peak} |")
    # Two removals by `aahq remove` from the ledger of a million rows, beside other work on that machine, 2026-11-27.
    return [
        *lines,
        "",
        "A removal reads the ledger's file once, 2.3 GB at a million rows without descriptors: by the clock it took 25 s at "
        "first and 5 s when the file was in memory.",
    ]


def _exponent(by_size: dict[int, dict[str, Any]], known: list[int]) -> str:
    """Of the growth between the last two sizes; nothing where a time is too short to tell."""
    if len(known) < 2 or by_size[known[-2]]["value"] < 0.05:
        return ""
    small, big = known[-2:]
    return f"{math.log(by_size[big]['value'] / by_size[small]['value']) / math.log(big / small):.2f}"


def gives_way() -> list[str]:
    """Which part ends at which size, and what would carry it then."""
    return [
        "",
        "## What gives way first",
        "",
        "| from | part | why | what carries it then |",
        "|---|---|---|---|",
        "| 60,000 faces | comparing all descriptors with all | the square of the count | lists (above) |",
        "| some 100,000 | removal from a release | the release is written anew (above) | writing anew the shards alone that "
        "held the work |",
        "| 10 million | removal | the ledger's file is read once, to overwrite what SQLite left of deleted rows | noting which "
        "pages changed |",
        "| 10 million | the review page | the names of all faces are in memory | a list a state, read when it is shown |",
        "| 20,000 faces | all of dedup in one process | its seconds | tasks of local workers or of the cluster (above) |",
        f"| 100 million | the process that asks for dedup | {1e8 * FACE_BYTES / 1e9:,.0f} GB of columns | a machine of that "
        "memory; nothing here parts them |",
        f"| 100 million | one ledger, one writer | {1e8 * LEDGER_BYTES / 1e9:,.0f} GB of SQLite; one process writes some "
        "thousand rows a second | a build a source, each with its ledger and release; copies between them are not found then |",
        f"| 100 million | one manifest | {1e8 * MANIFEST_BYTES / 1e9:,.0f} GB, which data tools read by row groups and "
        f"training takes whole; {1e8 / 4096 * FOOTER_BYTES / 1e6:,.0f} MB of footer come first | a release a source; a "
        "release has one file |",
        "",
        "The last two columns' larger sizes are reckoned from the rates above; nothing beyond the sizes in the tables was run.",
    ]


def cluster(rows: Rows) -> list[str]:
    """What a cluster changes."""
    return [
        "",
        "## On a cluster",
        "",
        "`aahq build OUT --scheduler tcp://HOST:8786` sends screen, faces, align and the parts of dedup to a Dask cluster "
        "whose workers see OUT under the same path. A worker that dies costs its tasks in flight, which others do again; the "
        "release is the same, byte for byte. A worker with other code is refused by name.",
        *(f"Measured: {what}: {row['value']:.2f} x ({row['note']})." for what, row in rows.items() if "Dask" in what),
    ]


if __name__ == "__main__":
    main()
