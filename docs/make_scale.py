"""`python docs/make_scale.py`: writes docs/scale.md from the measured rates in bench/results/scale.json."""

from __future__ import annotations

import json
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from suite.files import write_whole  # noqa: E402

SIZES = (33_000, 1_000_000, 100_000_000)
# Asked of one host: robots.txt once, then page, picture's header and picture, at one request a second.
REQUESTS, PER_SECOND, HOSTS = 3, 1.0, (1, 1000)
# What may be paid for a core for an hour and a gigabyte for a month; put your own in.
CORE_HOUR, GB_MONTH = 0.04, 0.02
CORES = {33_000: 2, 1_000_000: 32, 100_000_000: 1000}


def main() -> None:
    """Write the page."""
    kept = json.loads((HERE.parent / "bench" / "results" / "scale.json").read_text())
    rows = {row["what"]: row for row in kept["rows"]}
    stages = {what.removeprefix("stage "): row["value"] for what, row in rows.items() if what.startswith("stage ")}
    disk = {what.removeprefix("disk "): row["value"] for what, row in rows.items() if what.startswith("disk ")}
    whole = {name: stages[name] for name in ("screen", "faces", "align")}
    each = sum(whole.values())
    lines = [
        "# What it costs to make AAHQ larger",
        "",
        f"Computed by `python docs/make_scale.py` from rates measured on {kept['machine']} (`bench/bench_scale.py`), with "
        f"{CORE_HOUR} a core and hour and {GB_MONTH} a gigabyte and month, in the currency of your choice: assumptions, and "
        "constants at the top of the script. Everything beyond the measured sizes is multiplied, not measured.",
        "",
        "## A picture",
        "",
        "| stage | seconds of one core |",
        "|---|---:|",
        *(f"| {name} | {value:.3f} |" for name, value in stages.items() if name != "review"),
        "",
        f"On the disk: {disk['pictures']:.2f} MB of the source's picture, {disk['faces']:.2f} MB of aligned face "
        "at 1024 pixels, and as much again for the release (`--form links` needs none).",
        "",
        "## A set",
        "",
        "| pictures | core hours (screen, faces, align) | cores | hours | disk | computing | disk a month |",
        "|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for size in SIZES:
        hours = each * size / 3600
        terabytes = sum(disk.values()) * size / 1e6
        lines.append(
            f"| {size:,} | {hours:,.0f} | {CORES[size]:,} | {hours / CORES[size]:,.1f} | {terabytes:,.2f} TB | "
            f"{hours * CORE_HOUR:,.2f} | {1000 * terabytes * GB_MONTH:,.2f} |"
        )
    lines += [
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
    lines += [
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
            elsewhere = "" if row["machine"] == kept["machine"] else f", {row['machine']}"
            lines.append(
                f"| {what.partition('among ')[2]} | {row['value']:,.0f} | {row['day']}{elsewhere} | {row['note']} |"
            )
    lines += [
        "",
        "`python -m bench.bench_scale ten-million` measures the join of ten million. "
        "Beyond that the join has to be cut into ranges and spread, which this program does not do: what 100 "
        "million cost above is without it. "
        "The dedup stage also compares embeddings, every one with every one: that is fine for a "
        "set of AAHQ's size (tens of thousands) and is the first thing to replace by an index when a million faces are wanted.",
        "",
        "## On a cluster",
        "",
        "`aahq build OUT --scheduler tcp://HOST:8786` sends screen, faces and align to a Dask cluster whose workers see OUT "
        "under the same path. A worker that dies costs its tasks in flight, which others do again; the release is the "
        "same, byte for byte.",
    ]
    for what, row in rows.items():
        if "Dask" in what:
            lines.append(f"Measured: {what}: {row['value']:.2f} x ({row['note']}).")
    write_whole(HERE / "scale.md", "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
