"""`aahq demo`: every stage on the embedded gallery."""

from __future__ import annotations

from pathlib import Path

import click

from aahq.commands.shared import line, workers_option
from suite.cli import emit, json_option
from suite.params import Count
from suite.terminal import say


@click.command()
@click.argument("folder", type=click.Path(path_type=Path), default="demo")
@click.option("--count", type=Count(8), default=60, show_default=True, help="Works in the gallery.")
@click.option(
    "--size", type=click.IntRange(64, 1024), default=256, show_default=True, help="Side of the faces, pixels."
)
@click.option("--seed", type=int, default=0, show_default=True, help="Another seed, another gallery.")
@workers_option
@json_option
def command(folder: Path, count: int, size: int, seed: int, workers: int | None, as_json: bool) -> None:
    """Build a dataset in FOLDER end to end from the embedded gallery, offline: painted works served on this machine.

    Ends with what was kept, what was dropped and why, and the address of a report with pictures. An earlier demo in
    FOLDER is replaced; a folder that holds anything else is left alone.

    \b
    Example:
      aahq demo
    """
    from aahq.demo import run_demo

    demo = run_demo(folder, count, size, seed, workers, lambda stats: None if as_json else say(line(stats)))
    lines = ["", f"{demo.kept} faces kept of {demo.pictures} pictures on {count} works; dropped:", ""]
    lines += [f"{row['count']:6}  {row['reason']:16} {row['meaning']}" for row in demo.dropped]
    lines += ["", f"release  {demo.release}", f"report   {demo.report}"]
    emit(
        {
            "pictures": demo.pictures,
            "kept": demo.kept,
            "dropped": {row["reason"]: row["count"] for row in demo.dropped},
            "release": str(demo.release),
            "report": str(demo.report),
            "stages": [stats.as_dict() for stats in demo.all_stats],
        },
        "\n".join(lines),
        as_json,
    )
