"""The connections under `aahq.web.client`: every socket goes through the guard, every response has a last second."""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from requests import PreparedRequest
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPHeaderDict, HTTPResponse, HTTPSConnectionPool, Timeout
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ProtocolError, ReadTimeoutError, SSLError

from aahq.web.netguard import NetGuard, check_url

_POLL = 0.05
_POOLS = 64


class Watch:
    """One response under its time limit: `fired` says that the limit has passed and the socket was shut."""

    def __init__(self, deadline: float) -> None:
        self.deadline = deadline
        self.socket: socket.socket | None = None
        self.fired = False


class Watchdog:
    """Shuts the socket of a response that is not complete in time.

    A socket's own timeout begins anew with every byte, so a server that sends one byte a second would hold a crawler for
    ever; shutting the socket from another thread ends the wait wherever it is: in the headers, a chunk's size, the body.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._watches: set[Watch] = set()
        self._current = threading.local()
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None

    @contextmanager
    def limit(self, seconds: float) -> Iterator[Watch]:
        """Everything that this thread receives inside is complete after `seconds`, or its socket is shut."""
        watch = Watch(time.monotonic() + seconds)
        with self._lock:
            self._watches.add(watch)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="http-watchdog", daemon=True)
                self._thread.start()
        self._current.watch = watch
        try:
            yield watch
        finally:
            self._current.watch = None
            with self._lock:
                self._watches.discard(watch)

    def seize(self, connection: socket.socket | None) -> None:
        """This thread's response comes over `connection`."""
        watch: Watch | None = getattr(self._current, "watch", None)
        if watch is not None:
            watch.socket = connection

    def shut_all(self) -> None:
        """Shut every watched socket now."""
        with self._lock:
            for watch in self._watches:
                self._shut(watch)

    @staticmethod
    def _shut(watch: Watch) -> None:
        watch.fired = True
        if watch.socket is not None:
            # Already closed or handed over to TLS: its reader has other limits.
            with contextlib.suppress(OSError):
                watch.socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """End the thread."""
        self._closed.set()

    def _run(self) -> None:
        while not self._closed.wait(_POLL):
            now = time.monotonic()
            with self._lock:
                late = [watch for watch in self._watches if watch.deadline < now and watch.socket is not None]
                for watch in late:
                    self._shut(watch)


class _Direct(HTTPConnection):
    """A connection that sends a request without a body, and reads a response's head."""

    def ask(self, method: str, target: str, headers: Mapping[str, str]) -> None:
        self.putrequest(method, target, skip_accept_encoding="Accept-Encoding" in headers)
        for name, value in headers.items():
            self.putheader(name, value)
        self.endheaders()

    def receive(self, method: str) -> HTTPResponse:
        head = http.client.HTTPConnection.getresponse(self)
        return HTTPResponse(
            body=head,
            headers=HTTPHeaderDict(head.msg.items()),
            status=head.status,
            version=head.version,
            reason=head.reason,
            preload_content=False,
            decode_content=False,
            original_response=head,
            request_method=method,
        )


class _DirectPool(HTTPConnectionPool):
    """A pool whose requests go straight to a kept connection.

    urllib3 prepares each request for retries, redirects, proxies and bodies, none of which is used here, and that takes longer
    than sending it.
    """

    def urlopen(  # type: ignore[override]
        self, method: str, url: str, *, headers: Mapping[str, str], timeout: Timeout, **unused: Any
    ) -> HTTPResponse:
        """The response with its body unread. Raises urllib3's own errors, as the original does."""
        connection: Any = self._get_conn()
        try:
            if connection.is_closed:
                connection.timeout = timeout.connect_timeout
                connection.connect()
                connection.sock.settimeout(timeout.read_timeout)
            # A server may close its side as soon as it has answered, before it has read all of the request.
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                connection.ask(method, url, headers)
            response: HTTPResponse = connection.receive(method)
        except BaseException as error:
            connection.close()
            self._put_conn(None)
            if isinstance(error, TimeoutError):
                raise ReadTimeoutError(self, url, "no answer in time") from error
            if isinstance(error, ssl.SSLError):
                raise SSLError(error) from error
            if isinstance(error, OSError | http.client.HTTPException):
                raise ProtocolError("Connection aborted.", error) from error
            raise
        # By these the response gives its connection back.
        response._connection, response._pool = connection, self
        return response


class GuardedAdapter(HTTPAdapter):
    """A `requests` adapter whose connections are made by a `NetGuard` and watched by a `Watchdog`.

    It follows no redirect and repeats nothing: `aahq.web.client.Http` decides both.
    """

    def __init__(self, guard: NetGuard, watchdog: Watchdog, keep: int = 8) -> None:
        self._guard, self._watchdog = guard, watchdog
        self._pools: dict[str, HTTPConnectionPool] = {}
        super().__init__(pool_connections=_POOLS, pool_maxsize=keep, max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        guard, watchdog = self._guard, self._watchdog

        class Guarded(_Direct):
            def _new_conn(self) -> socket.socket:
                made = guard.connect(
                    self._dns_host, self.port or self.default_port, self.timeout, self.socket_options or ()
                )
                watchdog.seize(made)
                return made

            def receive(self, method: str) -> HTTPResponse:
                watchdog.seize(self.sock)
                return super().receive(method)

        class Plain(Guarded, HTTPConnection):
            """Guarded, over TCP."""

        class Secure(Guarded, HTTPSConnection):
            """Guarded, over TLS."""

        class PlainPool(_DirectPool, HTTPConnectionPool):
            ConnectionCls = Plain

        class SecurePool(_DirectPool, HTTPSConnectionPool):
            ConnectionCls = Secure

        self.poolmanager.pool_classes_by_scheme = {"http": PlainPool, "https": SecurePool}

    def get_connection_with_tls_context(
        self, request: PreparedRequest, verify: Any, proxies: Any = None, cert: Any = None
    ) -> HTTPConnectionPool:
        """The host's pool. Looking it up anew takes longer than a request to a host nearby; proxies are never used."""
        parts = check_url(request.url or "")
        key = f"{parts.scheme}://{parts.netloc}"
        pool = self._pools.get(key)
        if pool is None:
            if len(self._pools) >= _POOLS:
                self._pools.clear()
            pool = self._pools[key] = super().get_connection_with_tls_context(request, verify)
        return pool

    def request_url(self, request: PreparedRequest, proxies: Any) -> str:
        """Path and query as they stand in the address: there is no proxy that would want more."""
        parts = check_url(request.url or "")
        return f"{parts.path}?{parts.query}" if parts.query else parts.path

    def build_response(self, req: PreparedRequest, resp: Any) -> Any:
        """urllib3's response as it is: `aahq.web.session` keeps no cookies and reads the body itself."""
        return resp
