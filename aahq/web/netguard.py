"""Where the crawler may connect: `suite.netguard`, with refusals as reasons of rows."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import SplitResult

from aahq.reasons import Rejected
from suite import netguard
from suite.netguard import Resolve, is_public, patient, system_resolve

__all__ = ["NetGuard", "Resolve", "check_url", "host_key", "is_public", "patient", "system_resolve"]


def check_url(url: str) -> SplitResult:
    """`suite.netguard.check_url`; Rejected "url_refused" for what is no plain http(s) address."""
    return netguard.check_url(url, Rejected)


def host_key(url: str) -> str:
    """`suite.netguard.host_key`; Rejected as `check_url`."""
    return netguard.host_key(url, Rejected)


class NetGuard(netguard.NetGuard):
    """`suite.netguard.NetGuard` that raises Rejected."""

    def __init__(self, allow: Iterable[str] = (), resolve: Resolve = system_resolve) -> None:
        super().__init__(allow, resolve, Rejected)
