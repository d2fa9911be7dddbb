"""Which items a page shows: its filters, and the lists of names that fit them, kept while the page asks for windows of them."""

from __future__ import annotations

import itertools
import threading
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from aahq.review.catalog import BUCKETS, Catalog
from aahq.review.log import Decision, Decisions

# Lists kept at a time; each may name a million items.
MOST_VIEWS = 8
SCORE = Literal["", "sharpness", "quad_side", "blockiness", "brightness", "contrast", "yaw", "pitch", "outside"]


class Filters(BaseModel):
    """What is asked for.

    Attributes:
        bucket: those shown; all where None.
        reason_off, source_off: words that are not shown.
        reviewer: whose page it is.
        mine: their own decision: any, none (`open`), `keep`, `drop`, or a keep with points that they `placed`.
        by: only what this other reviewer decided.
        score, low, high: only items whose score lies in this range.
        order: by the score: `up`, `down`, or not.
    """

    model_config = ConfigDict(extra="forbid")

    reviewer: str = ""
    bucket: list[str] | None = None
    reason_off: list[str] = Field(default_factory=list)
    source_off: list[str] = Field(default_factory=list)
    mine: Literal["any", "open", "keep", "drop", "placed"] = "any"
    by: str = ""
    score: SCORE = ""
    low: float | None = None
    high: float | None = None
    order: Literal["", "up", "down"] = ""


def select(catalog: Catalog, asked: Filters, said: Decisions) -> list[str]:
    """The names of the items that fit, in the order in which they are shown."""
    shown = [bucket for bucket in BUCKETS if asked.bucket is None or bucket in asked.bucket]
    ids: Iterable[str] = itertools.chain.from_iterable(catalog.bucket(bucket) for bucket in shown)
    if off := set(asked.reason_off):
        reasons = catalog.reasons
        ids = (id for id in ids if reasons.get(id, "") not in off)
    if other := set(asked.source_off):
        ids = (id for id in ids if catalog.source(id) not in other)
    if asked.mine != "any":
        own = said.own(asked.reviewer)
        ids = (id for id in ids if _is_mine(asked.mine, own.get(id)))
    if asked.by:
        theirs = said.own(asked.by)
        ids = (id for id in ids if id in theirs)
    if not asked.score:
        return list(ids)
    values = catalog.scores(asked.score)
    low = float("-inf") if asked.low is None else asked.low
    high = float("inf") if asked.high is None else asked.high
    fitting = [id for id in ids if id in values and low <= values[id] <= high]
    if asked.order:
        # Where scores are the same, the order stays.
        fitting.sort(key=values.__getitem__, reverse=asked.order == "down")
    return fitting


def _is_mine(wanted: str, line: Decision | None) -> bool:
    if wanted == "open":
        return line is None
    if wanted == "placed":
        return line is not None and line.points is not None
    return line is not None and line.act == wanted


@dataclass(frozen=True)
class View:
    """A list that a page shows.

    Attributes:
        name: by which the page asks for windows of it.
        ids: of its items, in order.
    """

    name: int
    ids: list[str]

    def place(self, id: str) -> int | None:
        """Where an item is in it."""
        try:
            return self.ids.index(id)
        except ValueError:
            return None

    def next_open(self, after: int, own: dict[str, Decision]) -> int | None:
        """The next item without a word of the reviewer, going round once; None where there is none."""
        total = len(self.ids)
        places = itertools.chain(range(after + 1, total), range(min(after + 1, total)))
        return next((at for at in places if self.ids[at] not in own), None)

    def tally(self, own: dict[str, Decision]) -> tuple[int, int]:
        """How many of its items the reviewer keeps and drops."""
        acts = [own[id].act for id in self.ids if id in own] if own else []
        return acts.count("keep"), acts.count("drop")


class Views:
    """The last few lists, by name. Threads may share it."""

    def __init__(self) -> None:
        self._names = itertools.count(1)
        self._views: OrderedDict[int, View] = OrderedDict()
        self._lock = threading.Lock()

    def add(self, ids: list[str]) -> View:
        """Keep a list."""
        with self._lock:
            view = View(next(self._names), ids)
            self._views[view.name] = view
            while len(self._views) > MOST_VIEWS:
                self._views.popitem(last=False)
            return view

    def get(self, name: int) -> View | None:
        """The list of that name, unless others have taken its place since."""
        with self._lock:
            if name in self._views:
                self._views.move_to_end(name)
            return self._views.get(name)
