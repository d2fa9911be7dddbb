"""One request, one response over urllib3's pools: every socket is opened by NetGuard, every response has a total deadline."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import certifi
import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError, TimeoutError

from aahq.reasons import Rejected
from aahq.web.netguard import NetGuard, Resolve, check_url, patient, system_resolve
from aahq.web.response import CHUNK, StreamingResponse, short

_POLL = 0.05
_POOLS, _KEPT_PER_HOST = 64, 8
_MALFORMED = ("BadStatusLine", "LineTooLong", "Invalid", "HeaderParsing", "got more")


class Deadline:
    """The last moment of one response. `passed` says that it came first, and that the socket was shut.

    Args:
        at: the moment, on the monotonic clock.
        target: path and query as they are to be sent; urllib3 would quote some of their characters anew.
    """

    def __init__(self, at: float, target: str) -> None:
        self.at, self.target = at, target
        # A second handle of the connection: the first one is closed when TLS takes it over.
        self.socket: socket.socket | None = None
        self.passed = False

    def watch(self, connection: socket.socket | None) -> None:
        """From now on this is the connection that is shut."""
        if self.socket is not None:
            self.socket.close()
        self.socket = None if connection is None else connection.dup()


class DeadlineMonitor:
    """Shuts the socket of a response that is not complete in time.

    A socket's own timeout begins anew with every byte, so a server that sends one byte a second would hold a crawler for
    ever; shutting the socket from another thread ends the wait wherever it is: in the headers, a chunk's size, the body.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._deadlines: set[Deadline] = set()
        self._current = threading.local()
        self._closed = threading.Event()
        self.aborted = threading.Event()
        self._thread: threading.Thread | None = None

    @contextmanager
    def limit(self, seconds: float, target: str) -> Iterator[Deadline]:
        """Everything that this thread receives inside is complete after `seconds`, or its socket is shut."""
        deadline = Deadline(time.monotonic() + seconds, target)
        with self._lock:
            self._deadlines.add(deadline)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="http-deadlines", daemon=True)
                self._thread.start()
        self._current.deadline = deadline
        try:
            yield deadline
        finally:
            self._current.deadline = None
            with self._lock:
                self._deadlines.discard(deadline)
                deadline.watch(None)

    def attach(self, connection: socket.socket | None) -> Deadline:
        """This thread's response comes over `connection`, which may not be connected yet; its deadline.

        Raises:
            OSError: all has been shut meanwhile.
        """
        deadline: Deadline = self._current.deadline
        with self._lock:
            if self.aborted.is_set():
                raise OSError("the run has ended")
            deadline.watch(connection)
        return deadline

    def shut_all(self) -> None:
        """Shut every watched socket now, and let none be watched any more."""
        with self._lock:
            self.aborted.set()
            for deadline in self._deadlines:
                self._shut(deadline)

    @staticmethod
    def _shut(deadline: Deadline) -> None:
        deadline.passed = True
        if deadline.socket is not None:
            # The other side may have closed it already.
            with contextlib.suppress(OSError):
                deadline.socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """End the thread."""
        self._closed.set()

    def _run(self) -> None:
        while not self._closed.wait(_POLL):
            now = time.monotonic()
            with self._lock:
                for deadline in self._deadlines:
                    if deadline.at < now and deadline.socket is not None:
                        self._shut(deadline)


class Transport:
    """Sends requests over kept connections; no cookies, no environment proxies, no `.netrc`. Threads may share it.

    It follows no redirect and repeats nothing: `aahq.web.client.Http` decides both.

    Args:
        agent: the user agent.
        allow, resolve: as for `aahq.web.netguard.NetGuard`.
        connect_s, read_s: seconds for a connection, and without a byte.
        total_s: seconds for one whole response.
    """

    def __init__(
        self,
        agent: str,
        allow: Iterable[str] = (),
        resolve: Resolve = system_resolve,
        *,
        connect_s: float,
        read_s: float,
        total_s: float,
    ) -> None:
        self._monitor = DeadlineMonitor()
        self.guard = NetGuard(allow, patient(resolve, connect_s, self._monitor.aborted))
        self._pools = urllib3.PoolManager(_POOLS, maxsize=_KEPT_PER_HOST, ca_certs=certifi.where())
        self._pools.pool_classes_by_scheme = _guarded_pools(self.guard, self._monitor)
        self._agent = agent
        self._timeout = urllib3.Timeout(connect=connect_s, read=read_s)
        self._total_s = total_s

    def abort(self) -> None:
        """Shut every connection that a response is awaited on."""
        self._monitor.shut_all()

    def close(self) -> None:
        """Close the connections."""
        self._monitor.close()
        self._pools.clear()

    @contextmanager
    def send(self, method: str, url: str, headers: Mapping[str, str]) -> Iterator[StreamingResponse]:
        """The response to one request, its body unread; on leaving, its connection is kept or closed.

        Args:
            method: GET or HEAD.
            url: in the form of `aahq.web.addresses.wire_url`; sent as it stands.
            headers: beside the user agent.

        Raises:
            Rejected: "url_refused", "address_refused", "timeout", "network" or "bad_response".
        """
        parts = check_url(url)
        target = f"{parts.path}?{parts.query}" if parts.query else parts.path
        with self._monitor.limit(self._total_s, target) as deadline:
            try:
                pool = self._pools.connection_from_host(parts.hostname, parts.port, parts.scheme)
                response: Any = pool.urlopen(
                    method,
                    target,
                    headers={"User-Agent": self._agent, "Accept": "*/*", **headers},
                    timeout=self._timeout,
                    redirect=False,
                    retries=False,
                    assert_same_host=False,
                    preload_content=False,
                )
            except TimeoutError:
                raise Rejected("timeout", f"{url}: no answer within {self._timeout.read_timeout} s") from None
            except (HTTPError, OSError, ValueError) as error:
                if deadline.passed:
                    raise Rejected("timeout", f"{url}: no complete answer within {self._total_s} s") from None
                text = short(error)
                malformed = any(word in text for word in _MALFORMED)
                raise Rejected("bad_response" if malformed else "network", f"{url}: {text}") from None
            try:
                yield StreamingResponse(url, response, lambda: deadline.passed)
            finally:
                _release(response, method)


def _guarded_pools(guard: NetGuard, monitor: DeadlineMonitor) -> dict[str, type[urllib3.HTTPConnectionPool]]:
    """urllib3's own pools by scheme, over connections that the guard opens and the monitor watches."""

    class Guarded(HTTPConnection):
        def _new_conn(self) -> socket.socket:
            port = self.port or self.default_port
            return guard.connect(self.host, port, self.timeout, self.socket_options or (), monitor.attach)

        def request(self, method: str, url: str, *args: Any, **kwargs: Any) -> None:
            deadline = monitor.attach(self.sock)
            super().request(method, deadline.target, *args, **kwargs)

        def getresponse(self) -> Any:
            monitor.attach(self.sock)
            return super().getresponse()

    class Plain(Guarded):
        """Guarded, over TCP."""

    class Secure(Guarded, HTTPSConnection):
        """Guarded, over TLS."""

    class PlainPool(urllib3.HTTPConnectionPool):
        ConnectionCls = Plain

    class SecurePool(urllib3.HTTPSConnectionPool):
        ConnectionCls = Secure

    return {"http": PlainPool, "https": SecurePool}


def _release(response: urllib3.HTTPResponse, method: str) -> None:
    """Give the connection back for the next request where that costs nothing; else close it with the body unread."""
    length = response.headers.get("Content-Length", "")
    small = length.isdigit() and int(length) <= CHUNK
    if method == "HEAD" or (small and response.status >= 300):
        with contextlib.suppress(HTTPError, OSError, ValueError):
            response.read(CHUNK, decode_content=False)
    response.close()
    response.release_conn()
