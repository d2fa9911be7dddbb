"""Per-host rate limiting: back off on 429 and 503, recover gradually."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

Clock = Callable[[], float]
Sleep = Callable[[float], object]
# The first pause after a "too many" where no pace was set, and the slowest pace, in seconds between requests.
FIRST_PAUSE = 0.5
SLOWEST = 60.0
RECOVERY = 0.9


@dataclass
class _HostSlot:
    interval: float
    floor: float
    free_at: float = 0.0


class RateLimiter:
    """Spaces the requests to each host.

    Args:
        per_second: requests per second to one host when all is well; 0 for no limit.
        clock: seconds that only rise.
        sleep: waits so many seconds.
    """

    def __init__(self, per_second: float, clock: Clock = time.monotonic, sleep: Sleep = time.sleep) -> None:
        self._base = 1 / per_second if per_second else 0.0
        self._clock, self._sleep = clock, sleep
        self._slots: dict[str, _HostSlot] = {}
        self._lock = threading.Lock()

    def wait(self, host: str) -> None:
        """Return when the next request to `host` may go out; threads queue."""
        with self._lock:
            slot = self._slot(host)
            now = self._clock()
            at = max(now, slot.free_at)
            slot.free_at = at + slot.interval
        if at > now:
            self._sleep(at - now)

    def slower(self, host: str, pause: float = 0.0) -> None:
        """The host said "too many": double the interval, and send nothing for `pause` seconds."""
        with self._lock:
            slot = self._slot(host)
            slot.interval = min(SLOWEST, max(2 * slot.interval, FIRST_PAUSE))
            slot.free_at = max(slot.free_at, self._clock() + max(pause, slot.interval))

    def well(self, host: str) -> None:
        """The host answered well: a tenth faster, down to the base pace."""
        with self._lock:
            slot = self._slot(host)
            if slot.interval > slot.floor:
                faster = slot.interval * RECOVERY
                slot.interval = faster if faster > slot.floor + 0.01 else slot.floor

    def at_most_every(self, host: str, seconds: float) -> None:
        """robots.txt asks for a delay between requests: never go faster (up to `SLOWEST`)."""
        with self._lock:
            slot = self._slot(host)
            slot.floor = min(SLOWEST, max(slot.floor, seconds))
            slot.interval = max(slot.interval, slot.floor)

    def interval(self, host: str) -> float:
        """Seconds between requests to `host` at present."""
        with self._lock:
            return self._slot(host).interval

    def _slot(self, host: str) -> _HostSlot:
        if host not in self._slots:
            self._slots[host] = _HostSlot(self._base, self._base)
        return self._slots[host]


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
