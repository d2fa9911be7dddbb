"""The client against a server of raw bytes: every fault ends in a typed reason or a resumable stop, in bounded time."""

from __future__ import annotations

import contextlib
import gzip
import socket
import threading
import time
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aahq.reasons import Rejected
from aahq.web.addresses import wire_url
from aahq.web.client import Http, user_agent
from aahq.web.interrupts import BotChallenge, SiteBusy
from aahq.web.limits import Limits
from aahq.web.rate_limit import FIRST_PAUSE, SLOWEST, RateLimiter, retry_after
from aahq.web.response import unpacked
from aahq.web.robots import KEEP_SECONDS, KEEP_UNREACHABLE_SECONDS, KEPT_MAX, Robots
from aahq.web.sender import SILENCES
from suite.errors import SuiteError

Speak = Callable[[socket.socket, bytes], None]
QUICK = Limits(per_second=0, connect_s=2, read_s=0.5, total_s=1.0, retries=0, text_bytes=100_000)


class RawServer:
    """Speaks the bytes that a test gives it; keeps the requests that it heard."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.key = f"127.0.0.1:{self.listener.getsockname()[1]}"
        self.heard: list[bytes] = []
        self.speak: Speak = lambda connection, request: None
        threading.Thread(target=self._accept, daemon=True).start()

    def url(self, path: str = "/x") -> str:
        return f"http://{self.key}{path}"

    def says(self, *answers: bytes) -> None:
        """Give the answers in turn, the last one for ever, closing after each."""
        left = list(answers)

        def speak(connection: socket.socket, request: bytes) -> None:
            connection.sendall(left.pop(0) if len(left) > 1 else left[0])

        self.speak = speak

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            request = b""
            while b"\r\n\r\n" not in request:
                block = connection.recv(4096)
                if not block:
                    return
                request += block
            self.heard.append(request)
            self.speak(connection, request)


@pytest.fixture
def server() -> Iterator[RawServer]:
    raw = RawServer()
    yield raw
    raw.listener.close()


def client(server: RawServer, limits: Limits = QUICK, **more: object) -> Http:
    return Http(None, allow=[server.key], limits=limits, sleep=lambda s: None, **more)  # type: ignore[arg-type]


def answer(body: bytes = b"", status: str = "200 OK", **headers: str) -> bytes:
    lines = {
        "Content-Length": str(len(body)),
        "Connection": "close",
        **{k.replace("_", "-"): v for k, v in headers.items()},
    }
    return (
        f"HTTP/1.1 {status}\r\n".encode()
        + b"".join(f"{k}: {v}\r\n".encode() for k, v in lines.items())
        + b"\r\n"
        + body
    )


def reset(connection: socket.socket, request: bytes) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


def drip(piece: bytes) -> Speak:
    def speak(connection: socket.socket, request: bytes) -> None:
        for _ in range(200):
            connection.sendall(piece)
            time.sleep(0.05)

    return speak


def endless(connection: socket.socket, request: bytes) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        connection.sendall(b"x" * 65536)


def slow_body(connection: socket.socket, request: bytes) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n")
    drip(b"x")(connection, request)


BOMB = gzip.compress(b"\0" * 50_000_000, 1)
RAW_FAULTS: dict[str, tuple[bytes | Speak, str]] = {
    "404": (answer(status="404 Not Found"), "gone"),
    "410": (answer(status="410 Gone"), "gone"),
    "401": (answer(status="401 Unauthorized"), "forbidden"),
    "403": (answer(status="403 Forbidden"), "forbidden"),
    "451": (answer(status="451 Unavailable For Legal Reasons"), "forbidden"),
    "400": (answer(status="400 Bad Request"), "http_status"),
    "418": (answer(status="418 I'm a teapot"), "http_status"),
    "304": (answer(status="304 Not Modified"), "http_status"),
    "300": (answer(status="300 Multiple Choices"), "http_status"),
    "600": (answer(status="600 What"), "server_error"),
    "500": (answer(status="500 Oh"), "server_error"),
    "502": (answer(status="502 Oh"), "server_error"),
    "503": (answer(status="503 Oh"), "server_error"),
    "reset": (reset, "network"),
    "closed": (b"", "network"),
    "silent": (lambda c, r: time.sleep(3), "timeout"),
    "slow headers": (drip(b"X-A: 1\r\n"), "bad_response"),
    "slow first line": (drip(b"H"), "timeout"),
    "slow more headers": (lambda c, r: (c.sendall(b"HTTP/1.1 200 OK\r\n"), drip(b"X: 1\r\n")(c, r))[0], "timeout"),
    "slow body": (slow_body, "timeout"),
    "endless": (endless, "too_large"),
    "endless header": (b"HTTP/1.1 200 OK\r\nX: " + b"a" * 100_000, "bad_response"),
    "too many headers": (b"HTTP/1.1 200 OK\r\n" + b"X: 1\r\n" * 300 + b"\r\n", "bad_response"),
    "not http": (b"SSH-2.0-OpenSSH_9.6\r\n", "bad_response"),
    "announced too large": (b"HTTP/1.1 200 OK\r\nContent-Length: 999999999\r\n\r\nx", "too_large"),
    "cut short": (b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\nhalf", "cut_short"),
    "bad chunk": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc", "cut_short"),
    "chunks cut": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10\r\nabc", "cut_short"),
    "gzip bomb": (answer(BOMB, Content_Encoding="gzip"), "too_large"),
    "gzip that is none": (answer(b"plain", Content_Encoding="gzip"), "bad_encoding"),
    "gzip cut": (answer(gzip.compress(b"a" * 999)[:-9], Content_Encoding="gzip"), "bad_encoding"),
    "gzip twice": (answer(gzip.compress(b"a"), Content_Encoding="gzip, gzip"), "bad_encoding"),
    "brotli": (answer(b"a", Content_Encoding="br"), "bad_encoding"),
    "redirect nowhere": (answer(status="302 Found"), "redirects"),
    "redirect to itself": (answer(status="302 Found", Location="/x"), "redirects"),
    "redirect to loopback": (answer(status="302 Found", Location="http://127.0.0.1:1/"), "address_refused"),
    "redirect to a file": (answer(status="302 Found", Location="file:///etc/passwd"), "url_refused"),
    "redirect with a user": (answer(status="302 Found", Location="http://a:b@127.0.0.1/"), "url_refused"),
    "redirect to broken": (answer(status="302 Found", Location="http://[::1"), "url_refused"),
}


@pytest.mark.parametrize("name", RAW_FAULTS)
def test_every_fault_has_its_reason(server: RawServer, name: str) -> None:
    said, reason = RAW_FAULTS[name]
    if isinstance(said, bytes):
        server.says(said)
    else:
        server.speak = said
    with client(server) as http, pytest.raises(Rejected) as refused:
        http.get(server.url(), obey=False).ok()
    assert refused.value.reason == reason, str(refused.value)


def test_a_bomb_is_never_held(server: RawServer) -> None:
    """50 MB of zeros in 50 KB: the peak stays near the limit on text, 100 kB, plus the blocks in flight (64 kB each)."""
    server.says(answer(BOMB, Content_Encoding="gzip"))
    with client(server) as http:
        tracemalloc.start()
        try:
            with pytest.raises(Rejected):
                http.get(server.url(), obey=False)
            assert tracemalloc.get_traced_memory()[1] < 3_000_000
        finally:
            tracemalloc.stop()


@settings(deadline=None)
@given(st.binary(max_size=4000), st.integers(1, 500), st.sampled_from(["gzip", "deflate", "", "identity", "X-GZIP"]))
def test_unpacking_gives_back_what_was_packed(data: bytes, block: int, encoding: str) -> None:
    packed = {"gzip": gzip.compress, "x-gzip": gzip.compress, "deflate": zlib.compress}.get(encoding.lower(), bytes)(
        data
    )
    blocks = [packed[i : i + block] for i in range(0, len(packed), block)]
    assert b"".join(unpacked(blocks, encoding, 5000)) == data


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_unpacking_garbage_is_typed(data: bytes) -> None:
    with contextlib.suppress(Rejected):
        assert isinstance(b"".join(unpacked([data], "gzip", 1000)), bytes)


def test_a_challenge_stops_at_once_and_is_not_asked_again(server: RawServer) -> None:
    server.says(answer(b"<html>Just a moment", "403 Forbidden", Cf_Mitigated="challenge"))
    limits = Limits(per_second=0, retries=5)
    with client(server, limits) as http, pytest.raises(BotChallenge) as stop:
        http.get(server.url(), obey=False)
    assert len(server.heard) == 1
    assert stop.value.exit_code == 75
    assert "--source met" in str(stop.value)


def test_passing_failures_are_retried_with_growing_pauses(server: RawServer) -> None:
    pauses: list[float] = []
    server.says(answer(status="500 Oh"), b"", answer(b"well"))
    limits = Limits(per_second=0, retries=3, backoff_s=1.0)
    with Http(None, allow=[server.key], limits=limits, sleep=pauses.append) as http:
        assert http.get(server.url(), obey=False).body == b"well"
    assert pauses == [1.0, 2.0]
    assert len(server.heard) == 3


def test_lasting_failures_are_not_retried(server: RawServer) -> None:
    server.says(answer(status="404 Not Found"))
    with client(server, Limits(per_second=0, retries=3)) as http:
        assert http.get(server.url(), obey=False).status == 404
    assert len(server.heard) == 1


def test_too_many_waits_as_asked_then_goes_on(server: RawServer) -> None:
    now, pauses = [0.0], []

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        now[0] += seconds

    server.says(answer(status="429 Too Many", Retry_After="7"), answer(b"well"))
    http = Http(None, allow=[server.key], limits=Limits(per_second=0), clock=lambda: now[0], sleep=sleep)
    with http:
        assert http.get(server.url(), obey=False).body == b"well"
        assert sum(pauses) == 7.0
        assert http.pace.interval(server.key) >= FIRST_PAUSE * 0.9


# Both test processes must collect the same names, so the date does not become one.
@pytest.mark.parametrize(
    "value",
    ["100000", format_datetime(datetime.now(UTC) + timedelta(days=1), usegmt=True)],
    ids=["seconds", "date"],
)
def test_too_long_a_wait_stops_resumably(server: RawServer, value: str) -> None:
    server.says(answer(status="503 Busy", Retry_After=value))
    with client(server, Limits(per_second=0)) as http, pytest.raises(SiteBusy) as stop:
        http.get(server.url(), obey=False)
    assert stop.value.exit_code == 77
    assert len(server.heard) == 1


def test_endless_too_many_stops_resumably(server: RawServer) -> None:
    server.says(answer(status="429 Too Many"))
    with client(server, Limits(per_second=0, retries=2)) as http, pytest.raises(SiteBusy):
        http.get(server.url(), obey=False)
    assert len(server.heard) == 3


def test_redirects_are_followed_five_times(server: RawServer) -> None:
    hops = [answer(status="302 Found", Location=f"/hop{i}") for i in range(5)]
    server.says(*hops, answer(b"there"))
    with client(server) as http:
        got = http.get(server.url(), obey=False)
    assert (got.body, got.url) == (b"there", server.url("/hop4"))
    server.heard.clear()
    server.says(*[answer(status="302 Found", Location=f"/hop{i}") for i in range(9)])
    with client(server) as http, pytest.raises(Rejected, match="more than 5 hops"):
        http.get(server.url(), obey=False)
    assert len(server.heard) == 6


def test_a_redirect_into_the_own_network_is_refused(server: RawServer) -> None:
    inner = RawServer()
    inner.says(answer(b"secret"))
    for target in (inner.url(), "http://169.254.169.254/latest/meta-data/", "http://[::1]:80/", "http://0.0.0.0/"):
        server.says(answer(status="302 Found", Location=target))
        http = Http("me@example.org", allow=[server.key], limits=QUICK)
        with http, pytest.raises(Rejected) as refused:
            http.get(server.url(), obey=False)
        assert refused.value.reason == "address_refused"
    assert inner.heard == []


def test_the_user_agent_is_honest(server: RawServer) -> None:
    server.says(answer(b""))
    with Http("me@example.org", allow=[server.key], limits=QUICK) as http:
        http.get(server.url(), obey=False)
    request = server.heard[0].decode()
    assert f"User-Agent: {user_agent('me@example.org')}\r\n" in request
    assert "me@example.org" in request
    assert "Mozilla" not in request
    assert "Cookie" not in request


def test_no_cookie_is_kept(server: RawServer) -> None:
    server.says(answer(b"", Set_Cookie="id=1; Path=/"))
    with client(server) as http:
        http.get(server.url(), obey=False)
        http.get(server.url(), obey=False)
    assert b"Cookie" not in server.heard[1]


def test_the_real_web_needs_a_contact() -> None:
    with Http(None, allow=["127.0.0.1:1"]) as http, pytest.raises(SuiteError, match="--contact"):
        http.get("https://www.artstation.com/")
    for wrong in ("", "me", "me@example.org\r\nX: 1", "a b@c.de", "ftp://x"):
        with pytest.raises(SuiteError, match="--contact"):
            Http(wrong)


def test_head_falls_back_to_a_get_without_its_body(server: RawServer) -> None:
    server.says(answer(status="405 Method Not Allowed"), answer(b"body", X_Robots_Tag="noai"))
    with client(server) as http:
        http._sender.check_robots = lambda url: None
        got = http.head(server.url())
    assert (got.status, got.body, got.headers["x-robots-tag"]) == (200, b"", "noai")


@pytest.mark.parametrize(
    ("path", "sent"),
    [
        ("//key.jpg", b"//key.jpg"),
        ("/a/./b/../c", b"/a/c"),
        ("/%7e%c3%a9?q=%3d", b"/~%C3%A9?q=%3D"),
        ("/\u00e9?q=\u00e9", b"/%C3%A9?q=%C3%A9"),
        ("/a?", b"/a"),
        ("/a#b", b"/a"),
        ("/a;b?ids[]=1&x=%5b", b"/a;b?ids[]=1&x=%5B"),
    ],
)
def test_what_is_sent_is_the_wire_form(server: RawServer, path: str, sent: bytes) -> None:
    server.says(answer(b"well"))
    with client(server) as http:
        http.get(server.url(path), obey=False)
    assert server.heard[0].startswith(b"GET " + sent + b" HTTP/1.1\r\n")
    assert wire_url(server.url(path)).endswith(sent.decode())


CHALLENGES = {
    "cloudflare": answer(b"Just a moment", "403 Forbidden", Cf_Mitigated="challenge"),
    "aws": answer(b"", "202 Accepted", x_amzn_waf_action="challenge"),
    "vercel": answer(b"", "429 Too Many Requests", x_vercel_mitigated="challenge"),
    "datadome": answer(b"", "403 Forbidden", x_dd_b="1"),
    "anubis": answer(b"<html><title>Making sure you&#39;re not a bot!</title></html>", Content_Type="text/html"),
    "imperva": answer(b'<html><iframe src="/_Incapsula_Resource?x"></iframe></html>', Content_Type="text/html"),
    "cloudflare page": answer(b"<html><script>window._cf_chl_opt={}</script></html>", Content_Type="text/html"),
}


@pytest.mark.parametrize("name", CHALLENGES)
def test_every_challenge_stops(server: RawServer, name: str) -> None:
    def speak(connection: socket.socket, request: bytes) -> None:
        robots = b"GET /robots.txt" in request
        connection.sendall(answer(status="404 Not Found") if robots else CHALLENGES[name])

    server.speak = speak
    with client(server, Limits(per_second=0, retries=5)) as http, pytest.raises(BotChallenge):
        http.page(server.url("/work"))
    assert len(server.heard) == 2


HTML = {"Content_Type": "text/html; charset=utf-8"}
NO_PAGES: dict[str, tuple[bytes, str]] = {
    "202": (answer(b"<html>later</html>", "202 Accepted", **HTML), "status 202"),
    "204": (answer(status="204 No Content"), "status 204"),
    "206": (answer(b"<html>", "206 Partial Content", **HTML), "status 206"),
    "empty": (answer(b" \n", **HTML), "empty"),
    "json": (answer(b'{"error": 1}', Content_Type="application/json"), "Content-Type"),
    "jpeg": (answer(b"\xff\xd8", Content_Type="image/jpeg"), "Content-Type"),
    "words": (answer(b"nothing here", **HTML), "no HTML"),
    "log-in": (answer(b"<html><title> Log in | Site</title>", **HTML), "log-in"),
    "refresh": (answer(b"<html><meta http-equiv='refresh' content='0; url=/b'>", **HTML), "sends browsers on"),
}


@pytest.mark.parametrize("name", NO_PAGES)
def test_what_is_no_page(server: RawServer, name: str) -> None:
    said, why = NO_PAGES[name]
    server.speak = lambda c, r: c.sendall(answer(status="404 Not Found") if b"/robots.txt" in r else said)
    with client(server) as http:
        assert why in str(http.page(server.url("/work")).problem)


PAGES = [
    "<html><title>Just a moment by Jane | Gallery</title>",
    "<html><title>Login, oil on canvas</title>",
    "<html><title>Captcha</title><input type=password>",
    "<html><title>A</title><noscript><meta http-equiv=refresh content='0; url=/nojs'></noscript>",
    "<html><title>A</title><meta http-equiv=refresh content='300'>",
    "<html><title>A</title><meta http-equiv=refresh content='300; url=/work?'>",
    "<html><script src='/cdn-cgi/challenge-platform/scripts/jsd/main.js'></script><script src='/_Incapsula_Resource'></script>",
]


@pytest.mark.parametrize("html", PAGES)
def test_what_is_a_page_all_the_same(server: RawServer, html: str) -> None:
    said = answer(html.encode(), **HTML)
    server.speak = lambda c, r: c.sendall(answer(status="404 Not Found") if b"/robots.txt" in r else said)
    with client(server) as http:
        assert http.page(server.url("/work")).problem is None


@pytest.mark.parametrize(
    ("target", "why"),
    [("/", "start page"), ("/login?next=/work", "log-in"), ("/users/sign_in", "log-in"), ("/work/2", None)],
)
def test_where_a_page_redirects_to(server: RawServer, target: str, why: str | None) -> None:
    def speak(connection: socket.socket, request: bytes) -> None:
        if b"GET /work " in request:
            connection.sendall(answer(status="302 Found", Location=target))
        elif b"/robots.txt" in request:
            connection.sendall(answer(status="404 Not Found"))
        else:
            connection.sendall(answer(b"<html><title>A work</title></html>", **HTML))

    server.speak = speak
    with client(server) as http:
        problem = http.page(server.url("/work")).problem
    assert (problem is None) if why is None else (why in str(problem))


def test_a_run_that_ends_waits_for_nobody(server: RawServer) -> None:
    """Neither for a host's turn, nor for an answer that does not come."""
    over = threading.Event()
    server.speak = lambda connection, request: over.wait(60) and None
    ended: list[str] = []

    def ask() -> None:
        with contextlib.suppress(Rejected):
            http.get(server.url(), obey=False)
        ended.append("asked")

    http = Http(None, allow=[server.key], limits=Limits(per_second=0.001, retries=0))
    threads = [threading.Thread(target=ask) for _ in range(3)]
    with http:
        for thread in threads:
            thread.start()
        while not server.heard:
            time.sleep(0.01)
        http.halt()
        for thread in threads:
            thread.join(30)
    over.set()
    assert ended == ["asked"] * 3
    assert len(server.heard) == 1


def never(host: str, port: int) -> list[str]:
    time.sleep(3600)
    return []


@pytest.mark.parametrize("where", ["the name's address", "the connection", "the handshake"])
def test_a_run_that_ends_waits_for_no_connection(server: RawServer, where: str) -> None:
    """Each of these would take an hour by its own limit, and no socket hands over anything until then."""
    silent = socket.socket()
    silent.bind(("127.0.0.1", 0))
    silent.listen(0)
    key = f"127.0.0.1:{silent.getsockname()[1]}"
    waiting = []
    if where == "the connection":
        # Whoever comes when the queue of a listener is full is not answered at all.
        for _ in range(4):
            waiting.append(socket.socket())
            waiting[-1].setblocking(False)
            waiting[-1].connect_ex(silent.getsockname())
    limits = Limits(per_second=0, retries=0, connect_s=3600, read_s=3600, total_s=3600)
    http = Http(None, allow=[key], limits=limits, **({"resolve": never} if where == "the name's address" else {}))
    ended: list[str] = []

    def ask() -> None:
        with contextlib.suppress(Rejected):
            http.get(f"{'https' if where == 'the handshake' else 'http'}://{key}/a", obey=False)
        ended.append("asked")

    threads = [threading.Thread(target=ask, daemon=True) for _ in range(2)]
    with http:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(0.3)
        assert not ended
        http.halt()
        for thread in threads:
            thread.join(60)
        assert ended == ["asked"] * 2
        ask()
    for connection in (*waiting, silent):
        connection.close()


def test_a_resolver_that_never_answers_has_the_time_of_a_connection(server: RawServer) -> None:
    limits = Limits(per_second=0, retries=0, connect_s=0.2)
    http = Http("me@example.org", limits=limits, resolve=never)
    with http, pytest.raises(Rejected, match=r"no answer within 0\.2 s"):
        http.get("https://nobody.example/a", obey=False)


def test_a_host_that_never_answers_rests(server: RawServer) -> None:
    server.speak = reset
    with client(server, Limits(per_second=0, retries=0)) as http:
        for _ in range(SILENCES + 3):
            with pytest.raises(Rejected):
                http.get(server.url(), obey=False)
        assert len(server.heard) == SILENCES


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1.0])
def test_a_pace_that_is_none_is_named(value: float) -> None:
    with pytest.raises(SuiteError, match="--per-second"):
        Limits(per_second=value)


# --- pace


def paced(per_second: float) -> tuple[RateLimiter, list[float]]:
    now, sent = [0.0], []

    def sleep(seconds: float) -> None:
        now[0] += seconds

    pace = RateLimiter(per_second, lambda: now[0], sleep)
    wait = pace.wait

    def send(host: str) -> None:
        wait(host)
        sent.append(now[0])

    pace.wait = send  # type: ignore[method-assign]
    return pace, sent


def test_one_host_is_spaced_and_hosts_do_not_wait_for_each_other() -> None:
    pace, sent = paced(2.0)
    for _ in range(3):
        pace.wait("a")
    pace.wait("b")
    assert sent == [0.0, 0.5, 1.0, 1.0]


def test_pace_slows_and_recovers() -> None:
    pace, _ = paced(2.0)
    pace.slower("a")
    pace.slower("a")
    assert pace.interval("a") == 2.0
    for _ in range(100):
        pace.slower("a")
    assert pace.interval("a") == SLOWEST
    for _ in range(100):
        pace.well("a")
    assert pace.interval("a") == 0.5


def test_a_delay_asked_for_is_kept() -> None:
    pace, sent = paced(10.0)
    pace.at_most_every("a", 3.0)
    for _ in range(20):
        pace.well("a")
    pace.wait("a")
    pace.wait("a")
    assert sent[1] - sent[0] == 3.0


def test_retry_after_in_both_forms() -> None:
    now = 1_700_000_000.0
    date = format_datetime(datetime.fromtimestamp(now + 90, UTC), usegmt=True)
    assert retry_after("120", now) == 120.0
    assert retry_after(date, now) == 90.0
    assert retry_after("Sun, 06 Nov 1994 08:49:37 GMT", now) == 0.0
    for nothing in (None, "", "soon", "-1", "1.5e3", "99:99"):
        assert retry_after(nothing, now) is None


@settings(deadline=None)
@given(st.text(max_size=40))
def test_any_retry_after_is_read(text: str) -> None:
    assert (retry_after(text, 0.0) or 0.0) >= 0.0


# --- robots.txt


class Reply:
    def __init__(self, status: int, body: str = "") -> None:
        self.status, self.body = status, body.encode()


def robots(text: str, token: str = "aahq") -> Robots:
    return Robots(lambda url: Reply(200, text), token)


# RFC 9309, sections 5.1 and 5.2.
SIMPLE = """
User-Agent: *
Disallow: *.gif$
Disallow: /example/
Allow: /publications/

User-Agent: foobot
Disallow:/
Allow:/example/page.html
Allow:/example/allowed.gif

User-Agent: barbot
User-Agent: bazbot
Disallow: /example/page.html

User-Agent: quxbot
"""
LONGEST = "User-Agent: foobot\nAllow: /example/page/\nDisallow: /example/page/disallowed.gif\n"


@pytest.mark.parametrize(
    ("text", "token", "path", "allowed"),
    [
        (SIMPLE, "aahq", "/a.gif", False),
        (SIMPLE, "aahq", "/a.gif?size=1", True),
        (SIMPLE, "aahq", "/example/x", False),
        (SIMPLE, "aahq", "/publications/x", True),
        (SIMPLE, "aahq", "/", True),
        (SIMPLE, "foobot", "/", False),
        (SIMPLE, "foobot", "/example/page.html", True),
        (SIMPLE, "foobot", "/example/allowed.gif", True),
        (SIMPLE, "foobot", "/publications/x", False),
        (SIMPLE, "barbot", "/example/page.html", False),
        (SIMPLE, "bazbot", "/example/page.html", False),
        (SIMPLE, "barbot", "/a.gif", True),
        (SIMPLE, "quxbot", "/example/x", True),
        (LONGEST, "foobot", "/example/page/index.html", True),
        (LONGEST, "foobot", "/example/page/disallowed.gif", False),
        ("User-agent: *\nDisallow: /*.json$\nAllow: /projects/", "aahq", "/a.json", False),
        ("User-agent: *\nAllow: /p\nDisallow: /", "aahq", "/page", True),
        ("User-agent: *\nAllow: /p\nDisallow: /", "aahq", "/x", False),
        ("User-agent: AAHQ\nDisallow: /", "aahq", "/x", False),
        ("\ufeffUser-agent: *\nDisallow: /", "aahq", "/x", False),
        ("<html>not a robots file</html>", "aahq", "/x", True),
        ("", "aahq", "/x", True),
    ],
)
def test_robots_as_the_rfc_says(text: str, token: str, path: str, allowed: bool) -> None:
    assert robots(text, token).check(f"https://example.org{path}").allowed is allowed


@pytest.mark.parametrize(
    ("status", "allowed", "reachable"),
    [(404, True, True), (403, True, True), (410, True, True), (500, False, False), (503, False, False)],
)
def test_robots_by_status(status: int, allowed: bool, reachable: bool) -> None:
    """RFC 9309 2.3.1.3 and 2.3.1.4: unavailable is a yes, unreachable is a no."""
    said = Robots(lambda url: Reply(status), "aahq").check("https://example.org/x")
    assert (said.allowed, said.reachable) == (allowed, reachable)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_robots_in_other_encodings(encoding: str) -> None:
    body = "User-agent: *\r\nDisallow: /private/\r\n".encode(encoding)
    reply = Reply(200)
    reply.body = body
    said = Robots(lambda url: reply, "aahq")
    assert not said.check("https://example.org/private/x").allowed
    assert said.check("https://example.org/open").allowed


@pytest.mark.parametrize(
    ("agent", "ours"),
    [
        *(("aahq", True), ("AAHQ", True), ("aahq/0.1.0", True), ("aahq/0.1 (+https://x.y)", True), ("aahq*", True)),
        *(("aahq, gptbot", True), ("aa", False), ("a", False), ("aahqbot", False), ("AAHQ-bot", False), ("", False)),
    ],
)
def test_product_tokens_are_compared_whole(agent: str, ours: bool) -> None:
    """RFC 9309, section 2.2.1; a group for another name never hides the one for everybody."""
    assert robots(f"User-agent: {agent}\nDisallow: /x").check("https://example.org/x").allowed is not ours
    both = robots(f"User-agent: {agent}\nAllow: /\n\nUser-agent: *\nDisallow: /x").check("https://example.org/x")
    assert both.allowed is ours


def test_rules_of_many_hosts_are_let_go() -> None:
    """400 hosts with 4,000 rules each: what is kept stays within the budget for all, whoever wrote the rules."""
    text = "User-agent: *\n" + "".join(f"Disallow: /some/folder/number/{i}/and/more\n" for i in range(4000))
    kept = robots(text)
    for n in range(60):
        assert kept.check(f"http://host{n}.example/a.jpg").allowed
    assert len(kept._kept) <= 1 + KEPT_MAX // len(text)
    small = robots("User-agent: *\nDisallow: /x\n\n" + "User-agent: other\nDisallow: /y\n" * 4000)
    for n in range(300):
        small.check(f"http://host{n}.example/a.jpg")
    assert len(small._kept) == 300, "what is meant for others is not kept"


def test_a_file_of_short_lines_takes_a_few_times_its_size() -> None:
    """A list of all its lines would be a hundred times as large."""
    for line in (b"a\n", b"\n", b"# x\n", b"User-agent: x\n"):
        body = b"User-agent: *\n" + line * (60_000 // len(line))
        reply = Reply(200)
        reply.body = body
        kept = Robots(lambda url, reply=reply: reply, "aahq")
        tracemalloc.start()
        try:
            kept.check("https://example.org/x")
            assert tracemalloc.get_traced_memory()[1] < 8 * len(body), line
        finally:
            tracemalloc.stop()


def test_one_hosts_robots_hold_back_nobody_else() -> None:
    """One fetch a host, for all threads that want it; another host's answer does not wait for it."""
    began, over, asked = threading.Event(), threading.Event(), []

    def fetch(url: str) -> Reply:
        asked.append(url)
        if "slow" in url:
            began.set()
            over.wait(30)
        return Reply(200, "User-agent: *\nDisallow: /x")

    kept = Robots(fetch, "aahq")
    said: list[bool] = []
    waiting = [
        threading.Thread(target=lambda: said.append(kept.check("http://slow.example/x").allowed)) for _ in range(4)
    ]
    for thread in waiting:
        thread.start()
    began.wait(30)
    assert kept.check("http://quick.example/y").allowed
    assert said == []
    over.set()
    for thread in waiting:
        thread.join(30)
    assert said == [False] * 4
    assert sorted(asked) == ["http://quick.example/robots.txt", "http://slow.example/robots.txt"]


def test_robots_are_kept_for_a_day_and_failures_for_minutes() -> None:
    now, asked, fail = [0.0], [], [False]

    def fetch(url: str) -> Reply:
        asked.append(url)
        if fail[0]:
            raise Rejected("timeout")
        return Reply(200, "User-agent: *\nDisallow: /x")

    kept = Robots(fetch, "aahq", lambda: now[0])
    assert not kept.check("https://EXAMPLE.org/x").allowed
    assert kept.check("https://example.org/y").allowed
    assert asked == ["https://example.org/robots.txt"]
    kept.check("http://example.org/y")
    assert len(asked) == 2
    now[0], fail[0] = KEEP_SECONDS + 1, True
    assert kept.check("https://example.org/y").reachable is False
    now[0], fail[0] = now[0] + KEEP_UNREACHABLE_SECONDS + 1, False
    assert kept.check("https://example.org/y").allowed


def test_nothing_is_asked_that_robots_forbid(server: RawServer) -> None:
    server.says(answer(b"User-agent: aahq\nDisallow: /private\nCrawl-delay: 4"))
    with client(server) as http:
        with pytest.raises(Rejected) as refused:
            http.get(server.url("/private/x"))
        assert refused.value.reason == "robots"
        assert http.pace.interval(server.key) == 4.0
    assert len(server.heard) == 1


def test_a_redirect_does_not_lead_around_robots(server: RawServer) -> None:
    def speak(connection: socket.socket, request: bytes) -> None:
        if b"GET /robots.txt" in request:
            connection.sendall(answer(b"User-agent: *\nDisallow: /private"))
        else:
            connection.sendall(answer(status="302 Found", Location="/private/x"))

    server.speak = speak
    with client(server) as http, pytest.raises(Rejected) as refused:
        http.get(server.url("/open"))
    assert refused.value.reason == "robots"
    assert not any(b"GET /private" in request for request in server.heard)
