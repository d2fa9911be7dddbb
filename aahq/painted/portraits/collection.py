"""A release of painted portraits: no web, no detector, every factor known."""

from __future__ import annotations

import csv
import io
import multiprocessing
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from aahq.painted.portraits.paint import paint
from aahq.painted.portraits.styles import family_of, style_seed
from aahq.painted.portraits.worlds import GALLERY, World
from aahq.release.store import encode_png
from aahq.release.write import Written, write
from suite.children import end_with_pool
from suite.errors import SuiteError
from suite.files import read_text
from suite.progress import progress

RECIPE = "painted-ffhq-frame"
DOMAINS = ("art", "photo")
LISTED = ("identity", "style", "variation")
# Of a list: what the seeds of random numbers take.
LARGEST = 1 << 62
# Two domains of one seed, and neighbouring seeds, never share a person.
_PEOPLE_OF_A_SEED = 1_000_000
_IN_FLIGHT = 8
# Painted in some seconds.
_PIXELS_OF_A_TASK = 1 << 20


@dataclass(frozen=True)
class PortraitSpec:
    """One portrait to paint."""

    id: str
    domain: str
    split: str
    identity: int
    style: int
    variation: int
    size: int
    world: str = GALLERY.name


def portrait_specs(
    count: int,
    size: int,
    domain: str,
    seed: int,
    identities: int,
    styles: int,
    world: World = GALLERY,
    photos: int | None = None,
) -> list[PortraitSpec]:
    """What to paint: `count` portraits of each domain asked for, by id. Splits (8 : 1 : 1) never share an identity.

    Args:
        domain: `art`, `photo` or `both` (then `count` of each).
        identities: people in each domain. styles: style seeds of the art domain, spread evenly over its families.
        photos: how many photographs there are, where not `count`.
    """
    rng = np.random.default_rng([seed & 0xFFFFFFFF, 7])
    families = world.families
    palette = [style_seed(families[k % len(families)], seed * 1000 + k // len(families)) for k in range(styles)]
    out = []
    for name in DOMAINS if domain == "both" else (domain,):
        first = seed * _PEOPLE_OF_A_SEED + (_PEOPLE_OF_A_SEED // 2 if name == "photo" else 0)
        for k in range(count if photos is None or name == "art" else photos):
            person, variation = k % identities, k // identities
            style = palette[int(rng.integers(styles))] if name == "art" else style_seed("natural", k % 97)
            split = {8: "val", 9: "test"}.get(person % 10, "train")
            out.append(PortraitSpec(f"{name}-{k:07d}", name, split, first + person, style, variation, size, world.name))
    return out


def listed_specs(path: Path, size: int, world: World = GALLERY) -> list[PortraitSpec]:
    """What a list asks for, one portrait a line: a CSV file with the columns `identity`, `style`, `variation`.

    A natural style's portrait is of the domain `photo`. Ids are the lines' numbers, so the release keeps their order.

    Raises:
        SuiteError: no such file, a column that is missing, a value that is no whole number from 0 on, no line.
    """
    try:
        rows = list(csv.DictReader(io.StringIO(read_text(path))))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SuiteError(f"--list {path}: not readable ({error}); a CSV file is expected") from None
    out = []
    for number, row in enumerate(rows):
        try:
            identity, style, variation = (int(row[name]) for name in LISTED)
            if not 0 <= min(identity, style, variation) <= max(identity, style, variation) < LARGEST:
                raise ValueError
        except (KeyError, TypeError, ValueError):
            raise SuiteError(
                f"--list {path}: line {number + 2}: expected whole numbers from 0 in the columns {', '.join(LISTED)}"
            ) from None
        domain = "photo" if family_of(style) == "natural" else "art"
        out.append(PortraitSpec(f"{number:07d}", domain, "train", identity, style, variation, size, world.name))
    if not out:
        raise SuiteError(f"--list {path}: no portrait; expected lines under the columns {', '.join(LISTED)}")
    return out


def row_and_picture(sitting: PortraitSpec) -> tuple[dict[str, Any], bytes]:
    """Paint one sitting: its manifest row and its PNG. A function of its argument alone, for process pools."""
    portrait = paint(sitting.identity, sitting.style, sitting.size, sitting.variation, sitting.world)
    row = {
        "id": sitting.id,
        "domain": sitting.domain,
        "split": sitting.split,
        "cluster": f"person-{sitting.identity}",
        "source": "painted",
        "key": f"{sitting.identity}/{sitting.style}/{sitting.variation}",
        "artist": "aahq portraits",
        "title": f"Person {sitting.identity}, {portrait.factors['style_name']}",
        "license": "CC0-1.0",
        "consent": {"decision": "allowed", "evidence": "painted by this program; no picture of anyone"},
        "detector": "painter",
        "source_width": sitting.size,
        "source_height": sitting.size,
        "landmarks": [[round(float(x), 3), round(float(y), 3)] for x, y in portrait.landmarks],
        "factors": portrait.factors,
    }
    return row, encode_png(portrait.rgb)


def write_portraits(
    out: Path, plan: list[PortraitSpec], name: str, form: str = "folder", workers: int | None = None
) -> Written:
    """Paint `plan` (in order of id) in a pool of processes and write the release folder `out`.

    Args:
        workers: processes; one a core when None, 1 paints in this process. The bytes do not depend on it.

    Raises:
        SuiteError: see `aahq.release.write`.
    """
    bar = progress(total=len(plan), what="paint", unit="portrait")

    def counted() -> Iterator[tuple[dict[str, Any], bytes]]:
        for item in _painted(plan, workers or os.cpu_count() or 1):
            bar.update(1)
            yield item

    try:
        return write(out, counted(), name=name, recipe=RECIPE, size=plan[0].size, form=form)
    finally:
        bar.close()


def batch_size(count: int, size: int, workers: int) -> int:
    """Portraits a task: small ones share the cost of being sent; large ones come one at a time, and the bar moves."""
    return max(1, min(16, count // workers, (_PIXELS_OF_A_TASK // size**2)))


def _start_worker() -> None:
    end_with_pool()
    cv2.setNumThreads(1)


def _painted(plan: list[PortraitSpec], workers: int) -> Iterator[tuple[dict[str, Any], bytes]]:
    if workers == 1:
        yield from map(row_and_picture, plan)
        return
    # A bounded number of batches is under way, so that a slow disk does not let finished pictures pile up.
    batch = batch_size(len(plan), plan[0].size, workers)
    batches = [plan[i : i + batch] for i in range(0, len(plan), batch)]
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_start_worker) as pool:
        waiting = [pool.submit(_paint_batch, b) for b in batches[: workers * _IN_FLIGHT]]
        following = iter(batches[workers * _IN_FLIGHT :])
        while waiting:
            done = waiting.pop(0).result()
            if (more := next(following, None)) is not None:
                waiting.append(pool.submit(_paint_batch, more))
            yield from done


def _paint_batch(batch: list[PortraitSpec]) -> list[tuple[dict[str, Any], bytes]]:
    return [row_and_picture(sitting) for sitting in batch]
