"""How fast each host is asked: slower after every "too many", slowly faster again."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

Clock = Callable[[], float]
Sleep = Callable[[float], None]
# The first pause after a "too many" where no pace was set, and the slowest pace, in seconds between requests.
FIRST_PAUSE = 0.5
SLOWEST = 60.0
RECOVERY = 0.9


@dataclass
class _Lane:
    interval: float
    floor: float
    free_at: float = 0.0


class Pace:
    """Spaces the requests to each host.

    Args:
        per_second: requests a second to one host when all is well; 0 means as fast as it goes.
        sharers: processes that ask the same hosts, each with a `Pace` of its own: each goes so many times slower, and
            together they keep the pace of one.
        clock: seconds that only rise.
        sleep: waits so many seconds.
    """

    def __init__(
        self, per_second: float, clock: Clock = time.monotonic, sleep: Sleep = time.sleep, sharers: int = 1
    ) -> None:
        self._base = sharers / per_second if per_second else 0.0
        self._sharers = sharers
        self._clock, self._sleep = clock, sleep
        self._lanes: dict[str, _Lane] = {}
        self._lock = threading.Lock()

    def wait(self, host: str) -> None:
        """Return when the next request to `host` may go out; threads queue."""
        with self._lock:
            lane = self._lane(host)
            now = self._clock()
            at = max(now, lane.free_at)
            lane.free_at = at + lane.interval
        if at > now:
            self._sleep(at - now)

    def slower(self, host: str, pause: float = 0.0) -> None:
        """The host said "too many": double the interval, and send nothing for `pause` seconds."""
        with self._lock:
            lane = self._lane(host)
            lane.interval = min(SLOWEST * self._sharers, max(2 * lane.interval, FIRST_PAUSE * self._sharers))
            lane.free_at = max(lane.free_at, self._clock() + max(pause, lane.interval))

    def well(self, host: str) -> None:
        """The host answered well: a tenth faster, down to the base pace."""
        with self._lock:
            lane = self._lane(host)
            if lane.interval > lane.floor:
                faster = lane.interval * RECOVERY
                lane.interval = faster if faster > lane.floor + 0.01 else lane.floor

    def at_most_every(self, host: str, seconds: float) -> None:
        """robots.txt asks for a delay between requests: never go faster (up to `SLOWEST`)."""
        with self._lock:
            lane = self._lane(host)
            lane.floor = self._sharers * min(SLOWEST, max(lane.floor / self._sharers, seconds))
            lane.interval = max(lane.interval, lane.floor)

    def interval(self, host: str) -> float:
        """Seconds between requests to `host` at present."""
        with self._lock:
            return self._lane(host).interval

    def _lane(self, host: str) -> _Lane:
        if host not in self._lanes:
            self._lanes[host] = _Lane(self._base, self._base)
        return self._lanes[host]


def retry_after(value: str | None, now: float) -> float | None:
    """Seconds that a `Retry-After` header asks for: a number of seconds or an HTTP date; None where it says neither.

    Args:
        value: the header's value.
        now: the present as a Unix time, which a date is compared with.
    """
    if value is None:
        return None
    text = value.strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - now)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
