"""`requests` over connections that `suite.netguard` opens: a redirect to this machine or its network leads nowhere."""

from __future__ import annotations

import socket
from typing import Any

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection

from suite.netguard import AddressRefused, NetGuard, check_url, host_key


def guarded_session(guard: NetGuard) -> requests.Session:
    """A session that connects where `guard` allows, and by https alone except at the guard's own exceptions.

    Where the environment names a proxy, the proxy is connected to, and it is the proxy that resolves names.
    Refusals are `suite.netguard.AddressRefused`.
    """
    session = requests.Session()
    for scheme in ("https://", "http://"):
        session.mount(scheme, _GuardedAdapter(guard))
    return session


class _GuardedAdapter(HTTPAdapter):
    def __init__(self, guard: NetGuard) -> None:
        self.guard = guard
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _guarded_pools(self.guard)

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        """Every hop of a redirect comes through here."""
        url = request.url or ""
        if check_url(url).scheme != "https" and host_key(url) not in self.guard.allow:
            raise AddressRefused("url_refused", f"{url}: not https")
        return super().send(request, *args, **kwargs)


def _guarded_pools(guard: NetGuard) -> dict[str, type[urllib3.HTTPConnectionPool]]:
    class Plain(HTTPConnection):
        def _new_conn(self) -> socket.socket:
            return guard.connect(self.host, self.port or self.default_port, self.timeout, self.socket_options or ())

    class Secure(Plain, HTTPSConnection):
        """Over TLS."""

    class PlainPool(urllib3.HTTPConnectionPool):
        ConnectionCls = Plain

    class SecurePool(urllib3.HTTPSConnectionPool):
        ConnectionCls = Secure

    return {"http": PlainPool, "https": SecurePool}
