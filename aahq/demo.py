"""The demo: the embedded gallery is painted, served on loopback and built into a release, as any site would be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from aahq.ledger import LEDGER, Ledger
from aahq.own import clear_build
from aahq.painted.gallery import Gallery, serve
from aahq.pipeline import open_build, run_all
from aahq.report import reasons, write_report
from aahq.stages.engine import StageStats
from suite.errors import SuiteError

# Longest side of the painted works: large enough for faces that pass, small enough to be painted in a minute.
SIDE = 640


@dataclass(frozen=True)
class Demo:
    """What the demo made: the table of reasons, and where to look."""

    pictures: int
    kept: int
    dropped: list[dict[str, Any]]
    all_stats: list[StageStats]
    release: Path
    report: Path


def run_demo(
    folder: Path, count: int, size: int, seed: int, workers: int | None, on_stage: Callable[[StageStats], None]
) -> Demo:
    """Paint, serve, build, report.

    Args:
        folder: where; an earlier demo there is replaced.
        count: works in the gallery.
        size: side of the aligned faces in pixels.
        seed: of the gallery and of the splits.
        workers: processes; one a core where None.
        on_stage: called after each stage.

    Raises:
        SuiteError: the folder holds something else than a demo.
    """
    _clear(folder)
    gallery = Gallery(count, seed, side=SIDE)
    gallery.paint_all(workers)
    with (
        serve(gallery) as base_url,
        open_build(
            folder,
            source={"source": "artstation", "base_url": base_url},
            policy={"per_second": 0.0, "allow": [urlsplit(base_url).netloc]},
            release={"name": "demo", "size": size, "seed": seed},
            workers=workers,
            create=True,
        ) as build,
    ):
        build.ledger.put("demo", True)
        all_stats = run_all(build, on_stage)
        return Demo(
            build.ledger.count("pictures"),
            build.ledger.count("faces", "kept"),
            reasons(build.ledger),
            all_stats,
            folder / "release",
            folder / write_report(build.ledger).name,
        )


def _clear(folder: Path) -> None:
    """Remove an earlier demo, and nothing else: the gallery has another address now, so it cannot go on."""
    if not folder.exists() or not any(folder.iterdir()):
        return
    if not (folder / LEDGER).is_file():
        raise SuiteError(f"FOLDER {folder}: holds something else than a demo; give another folder")
    with Ledger(folder) as ledger:
        if not ledger.get("demo"):
            raise SuiteError(f"FOLDER {folder}: holds a build of yours; give another folder")
    clear_build(folder)
