"""Downloads against a server on this machine that cuts, ignores ranges, lies and refuses."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar
from urllib.parse import urlsplit

import pytest

from models.weights import download
from models.weights.download import SHIPPED, find, obtain
from models.weights.registry import Published, published
from suite.errors import SuiteError
from suite.files import sha256_bytes

DATA = bytes(range(256)) * 4000
WANTED = Published(
    file="w.pt", what="w", license="l", page="https://example.org", sha256=sha256_bytes(DATA), size=len(DATA)
)


def fetch(url: str, target: Path, wanted: Published) -> Path:
    """From the server on this machine, which the guard lets pass only by name."""
    return download.fetch(url, target, wanted, [urlsplit(url).netloc])


class Server(BaseHTTPRequestHandler):
    ranges: ClassVar[list[str | None]] = []
    cut_at: ClassVar[int | None] = None

    def do_GET(self) -> None:
        asked = self.headers.get("Range")
        self.ranges.append(asked)
        if self.path.startswith("/to="):
            self.send_response(302)
            self.send_header("Location", self.path.removeprefix("/to="))
            self.end_headers()
            return
        if self.path == "/404":
            self.send_error(404)
            return
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and self.path != "/no-range" else 0
        if start >= len(DATA):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(DATA)}")
            self.end_headers()
            return
        self.send_response(206 if start else 200)
        self.send_header("Content-Type", "text/html" if self.path == "/page" else "application/octet-stream")
        self.send_header("Content-Length", str(len(DATA) - start))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(DATA) - 1}/{len(DATA)}")
        self.end_headers()
        body = DATA[start:] if self.path != "/wrong" else bytes(len(DATA) - start)
        cut, type(self).cut_at = self.cut_at, None
        self.wfile.write(body[:cut] if cut else body)

    def log_message(self, *args: object) -> None:
        """Keep the test's output clean."""


@pytest.fixture
def server() -> Iterator[str]:
    Server.ranges, Server.cut_at = [], None
    with ThreadingHTTPServer(("127.0.0.1", 0), Server) as listening:
        thread = threading.Thread(target=listening.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listening.server_port}"
        listening.shutdown()


def test_a_cut_download_goes_on_where_it_stopped(server: str, tmp_path: Path) -> None:
    target = tmp_path / "w.pt"
    Server.cut_at = 300_000
    with pytest.raises(SuiteError, match="run the same command again"):
        fetch(f"{server}/w", target, WANTED)
    assert not target.exists()
    assert fetch(f"{server}/w", target, WANTED).read_bytes() == DATA
    first, second = Server.ranges
    assert first is None
    # A block of 65,536 bytes that was not whole is asked for again.
    assert second == "bytes=262144-"


def test_a_server_without_ranges_is_read_from_the_start(server: str, tmp_path: Path) -> None:
    (tmp_path / "w.pt.download").write_bytes(DATA[:1000])
    assert fetch(f"{server}/no-range", tmp_path / "w.pt", WANTED).read_bytes() == DATA


def test_a_finished_partial_file_is_taken(server: str, tmp_path: Path) -> None:
    (tmp_path / "w.pt.download").write_bytes(DATA)
    assert fetch(f"{server}/w", tmp_path / "w.pt", WANTED).read_bytes() == DATA


@pytest.mark.parametrize(
    ("path", "said"), [("wrong", "is expected; thrown away"), ("404", "answered 404"), ("page", "web page")]
)
def test_what_is_wrong_never_gets_the_name(path: str, said: str, server: str, tmp_path: Path) -> None:
    with pytest.raises(SuiteError, match=said):
        fetch(f"{server}/{path}", tmp_path / "w.pt", WANTED)
    assert not (tmp_path / "w.pt").exists()
    assert not list(tmp_path.glob("*.download"))


def test_without_a_known_digest_the_first_fetch_is_remembered(server: str, tmp_path: Path) -> None:
    unknown = WANTED.model_copy(update={"sha256": ""})
    target = fetch(f"{server}/w", tmp_path / "w.pt", unknown)
    target.unlink()
    with pytest.raises(SuiteError, match="is expected; thrown away"):
        fetch(f"{server}/wrong", target, unknown)


def test_offline_says_what_to_put_where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(download.FOLDER_VARIABLE, str(tmp_path / "cache"))

    def no_network(*args: object, **kwargs: object) -> None:
        raise AssertionError("the network was touched")

    monkeypatch.setattr(download.requests, "get", no_network)
    with pytest.raises(SuiteError) as refused:
        obtain("psp", tmp_path, offline=True)
    assert "psp_encoder.pt from https://github.com/onion-liu/BlendGAN" in str(refused.value)
    assert str(tmp_path / "cache" / "psp_encoder.pt") in str(refused.value)
    (tmp_path / "psp_encoder.pt").write_bytes(b"x")
    assert obtain("psp", tmp_path, offline=True) == tmp_path / "psp_encoder.pt"
    assert find("vgg19", tmp_path) is None
    with pytest.raises(SuiteError, match="did you mean 'vgg19'"):
        obtain("vgg91")


def test_the_registry_names_terms_and_places() -> None:
    for one in published().values():
        assert one.license
        assert one.page.startswith("https://") or (SHIPPED.parent.parent / one.page).is_file()
        assert all(url.startswith("https://") for url in one.urls)


def test_an_address_on_this_machine_or_its_network_is_not_fetched_from(server: str, tmp_path: Path) -> None:
    with pytest.raises(SuiteError, match=r"w\.pt: http://127.*not https"):
        download.fetch(f"{server}/w", tmp_path / "w.pt", WANTED)
    with pytest.raises(SuiteError, match=r"127\.0\.0\.1 is 127\.0\.0\.1; only public addresses"):
        download.fetch(f"{server}/w".replace("http:", "https:"), tmp_path / "w.pt", WANTED)
    assert Server.ranges == []


@pytest.mark.parametrize(
    ("there", "said"),
    [
        ("https://127.0.0.1:1/w", "127.0.0.1 is 127.0.0.1"),
        ("https://10.0.0.7/w", "10.0.0.7 is 10.0.0.7"),
        ("https://[::1]/w", "::1"),
        ("http://192.168.0.1/w", "not https"),
        ("file:///etc/passwd", "w.pt: "),
    ],
)
def test_nor_does_a_redirect_lead_there(there: str, said: str, server: str, tmp_path: Path) -> None:
    with pytest.raises(SuiteError) as refused:
        fetch(f"{server}/to={there}", tmp_path / "w.pt", WANTED)
    assert said in str(refused.value)
    assert not (tmp_path / "w.pt").exists()


def test_digests_that_are_known_are_whole() -> None:
    known = {name for name, one in published().items() if one.sha256}
    assert {"vgg19", "alexnet", "inception", "inception-pytorch", "stylegan2-ada-ffhq", "lite0"} <= known
    for name in known:
        one = published()[name]
        assert len(one.sha256) == 64, name
        assert one.size > 0, name
        # torchvision and pytorch-fid put the digest's beginning into the name: two sources that agree.
        short = one.file.rpartition("-")[2].partition(".")[0]
        assert not (len(short) == 8 and name not in ("painted",)) or one.sha256.startswith(short), name
