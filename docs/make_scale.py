"""`python docs/make_scale.py`: writes docs/scale.md from the measured rates in speed/results/scale.json."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from suite.files import write_whole  # noqa: E402

SIZES = (33_000, 1_000_000, 100_000_000)
# Asked of one host, as of ArtStation: the work's record, its page and its picture, at one request a second.
REQUESTS, PER_SECOND, HOSTS = 3, 1.0, (1, 1000)
# What may be paid for a core for an hour and a gigabyte for a month; put your own in.
CORE_HOUR, GB_MONTH = 0.04, 0.02
Rows = dict[str, dict[str, Any]]
CORES = {33_000: 2, 1_000_000: 32, 100_000_000: 1000}


def main() -> None:
    """Write the page."""
    kept = json.loads((HERE.parent / "speed" / "results" / "scale.json").read_text())
    rows = {row["what"]: row for row in kept["rows"]}
    stages, disk = named(rows, "stage "), named(rows, "disk ")
    lines = [
        "# What it costs to make AAHQ larger",
        "",
        f"Computed by `python docs/make_scale.py` from rates measured on {kept['machine']} (`speed/scale.py`), with "
        f"{CORE_HOUR} a core and hour and {GB_MONTH} a gigabyte and month, in the currency of your choice: assumptions, and "
        "constants at the top of the script. Everything beyond the measured sizes is multiplied, not measured.",
        *picture(stages, disk),
        *a_set(sum(stages[name] for name in ("screen", "faces", "align")), sum(disk.values())),
        *crawl(),
        *dedup(rows, kept["machine"]),
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
        "`python -m speed.scale ten-million` measures the join of ten million. "
        "Beyond that the join has to be cut into ranges and spread, which this program does not do: what 100 "
        "million cost above is without it.",
        "",
        "Descriptors are compared in 256 dimensions and one more number, the length left out, which makes the product an upper "
        "bound of the cosine: up to 60,000 faces every pair within the threshold is found. Beyond, FAISS' k-means cuts the set "
        "into lists (`pip install 'aahq-blendgan[dedup]'`) and each face looks through the 48 nearest; on planted copies that "
        "finds at least 0.99 of what all with all find, which a test holds. Pairs stay in the ledger: faces that are added are "
        "compared with all, and a set that has not changed is not clustered again.",
    ]


def large(rows: Rows) -> list[str]:
    """What the stages that see the whole set take at several sizes, and how that grows."""
    steps: dict[str, dict[int, dict[str, Any]]] = {}
    for what, row in rows.items():
        step, at, size = what.rpartition(" at ")
        if at and row["part"] in ("large", "million", "million-rows"):
            steps.setdefault(step, {})[int(size.replace(",", ""))] = row
    sizes = sorted({size for found in steps.values() for size in found})
    if not sizes:
        return []
    lines = [
        "",
        "## What grows faster than the set",
        "",
        "Over a ledger made for it (`speed/synthetic.py`: rows and descriptors with one planted copy in twenty, no files), in "
        "seconds of one core; the exponent is that of the last two sizes, and 1 is linear. `python -m speed.scale million` "
        "measures a million.",
        "",
        f"| step | {' | '.join(f'{size:,} faces' for size in sizes)} | exponent | memory at the largest |",
        f"|---|{'---:|' * len(sizes)}---:|---:|",
    ]
    for step, found in steps.items():
        known = [size for size in sizes if size in found]
        peak = found[known[-1]]["note"].partition(";")[0].removeprefix("peak ")
        values = " | ".join(f"{found[size]['value']:,.1f}" if size in found else "" for size in sizes)
        lines.append(f"| {step} | {values} | {_exponent(found, known)} | {peak} |")
    return lines


def _exponent(found: dict[int, dict[str, Any]], known: list[int]) -> str:
    """Of the growth between the last two sizes; nothing where a time is too short to tell."""
    if len(known) < 2 or found[known[-2]]["value"] < 0.05:
        return ""
    small, big = known[-2:]
    return f"{math.log(found[big]['value'] / found[small]['value']) / math.log(big / small):.2f}"


def gives_way() -> list[str]:
    """Which part ends at which size, and what would carry it then."""
    return [
        "",
        "## What gives way first",
        "",
        "| from | part | why | what carries it then |",
        "|---|---|---|---|",
        "| 60,000 faces | comparing all descriptors with all | the square of the count | lists (above) |",
        "| some 300,000 | the review page | the browser is sent every row's id and reason | pages asked from the ledger |",
        "| some millions | removal, and the ledger's VACUUM | every candidate is read, the database is written anew | "
        "columns and indexes for names and addresses |",
        "| 10 million | one process that joins hashes and clusters | 1.5 GB and a quarter of an hour at ten million | "
        "ranges of hashes and lists as tasks of the cluster |",
        "| 100 million | one ledger, one writer | one process writes some thousand rows a second | a ledger a source, "
        "the manifest as a partitioned data set |",
        "",
        "The last two columns' larger sizes are reckoned from the rates above; nothing beyond the sizes in the tables was run.",
    ]


def cluster(rows: Rows) -> list[str]:
    """What a cluster changes."""
    return [
        "",
        "## On a cluster",
        "",
        "`aahq build OUT --scheduler tcp://HOST:8786` sends screen, faces and align to a Dask cluster whose workers see OUT "
        "under the same path. A worker that dies costs its tasks in flight, which others do again; the release is the "
        "same, byte for byte.",
        *(f"Measured: {what}: {row['value']:.2f} x ({row['note']})." for what, row in rows.items() if "Dask" in what),
    ]


if __name__ == "__main__":
    main()
