"""One queue of pictures per host, so that a slow or dead host delays no other."""

from __future__ import annotations

from collections import Counter, deque
from urllib.parse import urlsplit

# Pictures a task takes from one queue: few, because what a kill interrupts has to be asked for again.
BATCH = 4


def host_of(url: str) -> str:
    """The queue of a picture's address; any text is possible."""
    try:
        return urlsplit(url).netloc.lower()
    except ValueError:
        return ""


class HostQueues:
    """Queues that take turns.

    A host that has not given anything yet may be dead: one task alone finds out. One that has may have several at a time.
    One that fell silent waits until no other has anything to do: asking it would keep a thread from those that answer.

    Args:
        at_once: tasks of one host at a time.
    """

    def __init__(self, at_once: int) -> None:
        self._at_once = at_once
        self._queues: dict[str, deque[str]] = {}
        self._turns: deque[str] = deque()
        self._running: Counter[str] = Counter()
        self._answered: set[str] = set()
        self._silent: set[str] = set()
        self._stopped: set[str] = set()
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, host: str, id: str) -> None:
        """A picture joins its host's queue; of a stopped host it is passed over."""
        if host in self._stopped:
            return
        if host not in self._queues:
            self._queues[host] = deque()
            self._turns.append(host)
        self._queues[host].append(id)
        self._count += 1

    def take(self) -> tuple[str, list[str]] | None:
        """The next task: its host and up to `BATCH` pictures; None where every host has as many as it may."""
        return self._next(silent=False) or (self._next(silent=True) if self._silent else None)

    def _next(self, silent: bool) -> tuple[str, list[str]] | None:
        for _ in range(len(self._turns)):
            host = self._turns.popleft()
            queue = self._queues[host]
            allowed = self._at_once if host in self._answered or not host else 1
            if (host in self._silent) != silent or self._running[host] >= allowed:
                self._turns.append(host)
                continue
            # A long queue is worth fewer, larger tasks.
            size = BATCH if len(queue) >= BATCH * self._at_once and allowed > 1 else 1
            ids = [queue.popleft() for _ in range(min(size, len(queue)))]
            self._count -= len(ids)
            self._running[host] += 1
            if queue:
                self._turns.append(host)
            else:
                del self._queues[host]
            return host, ids
        return None

    def done(self, host: str, answered: bool) -> None:
        """A task has ended; `answered`: the host gave something, a refusal included."""
        self._running[host] -= 1
        if not self._running[host]:
            del self._running[host]
        for hosts, joins in ((self._answered, answered), (self._silent, not answered)):
            (hosts.add if joins else hosts.discard)(host)

    def stop(self, host: str) -> None:
        """The host wants to be left alone: its pictures wait for another run."""
        self._stopped.add(host)
        waiting = self._queues.pop(host, None)
        if waiting is not None:
            self._count -= len(waiting)
            self._turns.remove(host)
