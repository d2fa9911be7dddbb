"""A cache that computes each value once: threads that want the same value wait for it, others do not."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Kept(Generic[T]):
    """A value with what it costs to keep (any unit) and the moment until which it holds."""

    value: T
    cost: int = 1
    until: float = float("inf")


class OnceEach(Generic[T]):
    """Values by key, the longest unused ones let go; threads may share it.

    Args:
        budget: the costs of all that is kept, together.
        clock: seconds that only rise.
    """

    def __init__(self, budget: int, clock: Callable[[], float]) -> None:
        self._budget, self._clock = budget, clock
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, Kept[T]] = OrderedDict()
        self._coming: dict[str, Future[T]] = {}
        self._cost = 0

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: str, make: Callable[[], Kept[T]]) -> T:
        """The value of `key`; where none holds, `make` is called, by one thread for all. What it raises, all raise."""
        with self._lock:
            kept = self._kept.get(key)
            if kept is not None and kept.until > self._clock():
                self._kept.move_to_end(key)
                return kept.value
            coming = self._coming.get(key)
            mine = coming is None
            if coming is None:
                coming = self._coming[key] = Future()
        if mine:
            try:
                made = make()
            except BaseException as error:
                with self._lock:
                    del self._coming[key]
                coming.set_exception(error)
                raise
            with self._lock:
                del self._coming[key]
                self._keep(key, made)
            coming.set_result(made.value)
            return made.value
        return coming.result()

    def _keep(self, key: str, made: Kept[T]) -> None:
        old = self._kept.pop(key, None)
        self._cost += made.cost - (old.cost if old else 0)
        self._kept[key] = made
        # The newest stays whatever it costs: it is in use.
        while self._cost > self._budget and len(self._kept) > 1:
            self._cost -= self._kept.popitem(last=False)[1].cost
