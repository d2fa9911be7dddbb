"""Access control of a local page: its secret token, this machine, this origin.

A page of another site that a browser has open may send requests to a loopback port, and a name that it owns may be made
to point there. So a request must name this host and port; must carry the cookie that only the secret address sets; must
come from this origin as the browser says; and, to write, must repeat a second secret that only this page could read.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs

HEADERS = (
    (
        b"content-security-policy",
        b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
        b"base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
TOKEN_HEADER = "x-page-token"
# Media type -> the most bytes that a page may send of it. Neither is one that a form can send.
JSON_ONLY = {"application/json": 1 << 20}


class Guard:
    """ASGI middleware; see the module.

    Args:
        app: what it guards.
        port: where it is served on loopback.
        command: the command that serves it and prints the secret address.
        bodies: media type -> most bytes, of what the page may send.
    """

    def __init__(self, app: Any, port: int, command: str, bodies: Mapping[str, int] = JSON_ONLY) -> None:
        self.app = app
        self.command = command
        self.bodies = bodies
        self.hosts = {f"127.0.0.1:{port}", f"localhost:{port}"}
        self.cookie = f"{command.replace(' ', '_')}_{port}"
        self.secret = secrets.token_urlsafe(32)
        self.write_token = secrets.token_urlsafe(32)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":
            raise RuntimeError(f"only http is served, not {scope['type']}")
        headers: dict[str, str] = {}
        for name, value in scope["headers"]:
            if name.decode("latin-1") in headers and name in (b"host", b"origin", b"cookie", b"content-length"):
                await _say(send, 400, "a header stands twice")
                return
            headers[name.decode("latin-1")] = value.decode("latin-1")
        token = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
        if refusal := self._refusal(scope, headers, bool(token)):
            await _say(send, *refusal)
            return
        if token and scope["path"] == "/":
            if not _same(token, self.secret):
                await _say(send, 403, f"this address is of an earlier run; take the one that '{self.command}' printed")
                return
            cookie = f"{self.cookie}={self.secret}; HttpOnly; SameSite=Strict; Path=/"
            # On to the bare address: the secret stays out of history, bookmarks and screenshots.
            await _say(send, 303, "", ((b"location", b"/"), (b"set-cookie", cookie.encode())))
            return
        await self.app(scope, receive, _with_headers(send))

    def _refusal(self, scope: Any, headers: dict[str, str], has_token: bool) -> tuple[int, str] | None:
        host = headers.get("host", "")
        if host not in self.hosts:
            return 421, "this page is served to this machine only"
        opening = scope["path"] == "/" and scope["method"] == "GET" and has_token
        site = headers.get("sec-fetch-site", "same-origin")
        if not opening and site not in ("same-origin", "none"):
            return 403, "a request from another site"
        if headers.get("origin", f"http://{host}") != f"http://{host}":
            return 403, "a request from another origin"
        if opening:
            return None
        if not _same(_cookie(headers.get("cookie", ""), self.cookie), self.secret):
            return 403, f"no access: open the address that '{self.command}' printed"
        if scope["method"] not in ("GET", "HEAD"):
            return self._refused_write(headers)
        return None

    def _refused_write(self, headers: dict[str, str]) -> tuple[int, str] | None:
        if not _same(headers.get(TOKEN_HEADER, ""), self.write_token):
            return 403, "a write without this page's token; reload the page"
        most = self.bodies.get(headers.get("content-type", "").partition(";")[0].strip())
        if most is None:
            return 415, f"expected {' or '.join(self.bodies)}"
        length = headers.get("content-length", "")
        if not length.isdecimal() or len(length) > 15 or int(length) > most:
            return 413, f"expected a Content-Length of at most {most} bytes"
        return None


def _same(text: str, secret: str) -> bool:
    return hmac.compare_digest(text.encode("utf-8", "replace"), secret.encode())


def _cookie(header: str, name: str) -> str:
    try:
        morsel = SimpleCookie(header).get(name)
    except CookieError:
        return ""
    return "" if morsel is None else morsel.value


async def _say(send: Any, status: int, text: str, extra: tuple[tuple[bytes, bytes], ...] = ()) -> None:
    body = text.encode()
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(body)).encode())]
    start = {"type": "http.response.start", "status": status, "headers": [*headers, *HEADERS, *extra]}
    await send(start)
    await send({"type": "http.response.body", "body": body})


def _with_headers(send: Any) -> Any:
    async def sending(message: Any) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", ()), *HEADERS]}
        await send(message)

    return sending
