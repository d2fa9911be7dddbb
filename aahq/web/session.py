"""One request, one response: sent by a guarded adapter within a time limit, every failure a `Rejected`."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import requests
import urllib3

from aahq.reasons import Rejected
from aahq.web.addresses import wire_url
from aahq.web.netguard import NetGuard, Resolve, system_resolve
from aahq.web.response import CHUNK, Incoming, short
from aahq.web.transport import GuardedAdapter, Watch, Watchdog

_MALFORMED = ("BadStatusLine", "LineTooLong", "Invalid", "HeaderParsing", "got more")


class Session:
    """Sends requests over kept connections; no cookies, no environment proxies, no `.netrc`. Threads may share it.

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
        self.guard = NetGuard(allow, resolve)
        self._watchdog = Watchdog()
        # The adapter alone: a requests.Session around it would add cookies, environment proxies and .netrc passwords.
        self._adapter = GuardedAdapter(self.guard, self._watchdog)
        self._agent = agent
        self._timeout = (connect_s, read_s)
        self._total_s = total_s

    def abort(self) -> None:
        """Shut every connection that a response is awaited on."""
        self._watchdog.shut_all()

    def close(self) -> None:
        """Close the connections."""
        self._watchdog.close()
        self._adapter.close()

    @contextmanager
    def send(self, method: str, url: str, headers: Mapping[str, str]) -> Iterator[Incoming]:
        """The response to one request, its body unread; on leaving, its connection is kept or closed.

        Raises:
            Rejected: "url_refused", "address_refused", "timeout", "network" or "bad_response".
        """
        request = requests.PreparedRequest()
        request.method, request.url = method, wire_url(url)
        request.headers = requests.structures.CaseInsensitiveDict(
            {"User-Agent": self._agent, "Accept": "*/*", **headers}
        )
        with self._watchdog.limit(self._total_s) as watch:
            response = self._sent(request, watch, url)
            try:
                yield Incoming(url, response, watch)
            finally:
                _let_go(response, method)

    def _sent(self, request: requests.PreparedRequest, watch: Watch, url: str) -> urllib3.HTTPResponse:
        try:
            sent: Any = self._adapter.send(request, stream=True, timeout=self._timeout, verify=True)
            response: urllib3.HTTPResponse = sent
            return response
        except requests.Timeout:
            raise Rejected("timeout", f"{url}: no answer within {self._timeout[1]} s") from None
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            if watch.fired:
                raise Rejected("timeout", f"{url}: no complete answer within {self._total_s} s") from None
            text = short(error)
            malformed = any(word in text for word in _MALFORMED)
            raise Rejected("bad_response" if malformed else "network", f"{url}: {text}") from None


def _let_go(response: urllib3.HTTPResponse, method: str) -> None:
    """Give the connection back for the next request where that costs nothing; else close it with the body unread."""
    length = response.headers.get("Content-Length", "")
    small = length.isdigit() and int(length) <= CHUNK
    if method == "HEAD" or (small and response.status >= 300):
        with contextlib.suppress(urllib3.exceptions.HTTPError, OSError, ValueError):
            response.read(CHUNK, decode_content=False)
    response.close()
    response.release_conn()
