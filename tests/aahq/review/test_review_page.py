"""The page: nobody else may use it, no decision is lost under kill -9, and a person can work it by keys alone."""

from __future__ import annotations

import base64
import http.client
import json
import random
import shutil
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from browser import browser, page  # noqa: F401
from local_page import LocalPage

from aahq import pipeline
from aahq.review.log import read_log
from suite.errors import SuiteError

if TYPE_CHECKING:
    from playwright.sync_api import Page


class Served(LocalPage):
    """A review page in a process of its own."""

    @property
    def out(self) -> Path:
        return Path(self.words[2])


def serve(out: Path) -> Served:
    return Served.start(["aahq", "review", str(out), "--reviewer", "ann"])


def stop(served: Served) -> None:
    served.stop()


@pytest.fixture(scope="module")
def served(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    out = tmp_path_factory.mktemp("review") / "out"
    shutil.copytree(built, out)
    opened = serve(out)
    yield opened
    stop(opened)


def keep(n: int, id: str) -> dict[str, Any]:
    return {"act": "keep", "nonce": f"page-{n:08}", "reviewer": "ann", "id": id}


def first_id(served: Served) -> str:
    return json.loads(served.ask("GET", "/api/tiles", served.cookie)[2])["id"][0]


@pytest.mark.slow
def test_the_first_sheet_is_made_before_the_address_is_told(built: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    shutil.copytree(built, out)
    shutil.rmtree(out / "review", ignore_errors=True)
    opened = serve(out)
    made = len(list((out / "review" / "tiles").rglob("*.jpg")))
    first = json.loads(opened.ask("GET", "/api/first?count=100", opened.cookie)[2])
    stop(opened)
    assert made == len(first["tiles"]) == first["count"]


def test_the_first_tiles_come_in_one_answer_and_are_those_of_their_own_addresses(served: Served) -> None:
    ids = json.loads(served.ask("GET", "/api/tiles", served.cookie)[2])["id"]
    status, headers, body = served.ask("GET", "/api/first?count=3", served.cookie)
    assert (status, headers["cache-control"]) == (200, "no-store")
    told = json.loads(body)
    first = {id: base64.b64decode(data) for id, data in told["tiles"].items()}
    assert list(first) == told["rows"]["id"] == ids[:3]
    assert first == {id: served.ask("GET", f"/tile/{id}", served.cookie)[2] for id in ids[:3]}
    assert served.ask("GET", "/api/first?count=100000", served.cookie)[0] == 422


def test_the_secret_address_gives_a_cookie_and_hides_itself(served: Served) -> None:
    status, headers, _ = served.ask("GET", f"/?token={served.secret}")
    assert (status, headers["location"]) == (303, "/")
    assert "HttpOnly" in headers["set-cookie"]
    assert "SameSite=Strict" in headers["set-cookie"]
    status, headers, body = served.ask("GET", "/", served.cookie)
    assert status == 200
    assert served.secret.encode() not in body
    assert headers["content-security-policy"].startswith("default-src 'none'; script-src 'self'")
    assert b"http" not in body.replace(b"http-equiv", b""), "nothing comes from outside"


PLACES = [
    "/",
    "/api/tiles",
    "/api/session",
    "/static/app.js",
    "/tile/x",
    "/api/first?count=1",
    "/api/decisions?reviewer=ann",
    "/nothing",
]


@pytest.mark.parametrize("path", PLACES)
def test_without_the_cookie_nothing_is_told(served: Served, path: str) -> None:
    assert served.ask("GET", path)[0] == 403
    assert served.ask("GET", path, {"Cookie": f"{served.cookie_name}=wrong"})[0] == 403
    assert served.ask("GET", "/?token=wrong")[0] == 403


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:{port}", "127.0.0.1:1", "localhost", "127.0.0.1.nip.io:{port}"]
)
def test_a_foreign_host_name_is_refused(served: Served, host: str) -> None:
    host = host.format(port=served.port)
    assert served.ask("GET", "/api/tiles", {**served.cookie, "Host": host})[0] == 421
    assert served.ask("GET", f"/?token={served.secret}", {"Host": host})[0] == 421


@pytest.mark.parametrize(
    "wrong",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        # Another port of this machine is the same site to a browser, but not this page.
        {"Origin": "http://127.0.0.1:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"X-Page-Token": "wrong"},
        {"X-Page-Token": ""},
        {"Cookie": ""},
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
    ],
)
def test_a_write_from_elsewhere_is_refused(served: Served, wrong: dict[str, str]) -> None:
    body = {"decisions": [keep(1, first_id(served))]}
    before = read_log(served.out).lines
    assert served.ask("POST", "/api/decisions", {**served.write_headers(), **wrong}, body)[0] in (403, 415)
    assert read_log(served.out).lines == before


def test_a_read_from_another_site_is_refused(served: Served) -> None:
    for site in ("cross-site", "same-site"):
        assert served.ask("GET", "/api/tiles", {**served.cookie, "Sec-Fetch-Site": site})[0] == 403


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 422),
        ({"decisions": [keep(2, "no-such-face")]}, 404),
        ({"decisions": [{**keep(3, "x"), "act": "burn"}]}, 422),
        (b" " * (1 << 20) + b"{}", 413),
    ],
)
def test_a_write_that_makes_no_sense_is_refused(served: Served, body: Any, status: int) -> None:
    assert served.ask("POST", "/api/decisions", served.write_headers(), body)[0] == status


def test_paths_lead_nowhere_else(served: Served) -> None:
    for path in ("/static/..%2fapp.py", "/static/%2e%2e/app.py", "/tile/..%2f..%2fledger.sqlite", "/ledger.sqlite"):
        status, _, body = served.ask("GET", path, served.cookie)
        assert status == 404
        assert b"sqlite" not in body.replace(b"ledger.sqlite", b"")


def test_a_second_page_on_the_folder_is_refused(served: Served) -> None:
    from aahq.review.server import serve as serve_here

    with pytest.raises(SuiteError, match="is working on it"):
        serve_here(served.out, "ben", 0, lambda address: None, browser=False)
    with pytest.raises(SuiteError, match="start with"):
        serve_here(served.out / "nothing", "ben", 0, lambda address: None, browser=False)


@pytest.mark.slow
def test_kill_9_of_the_server_loses_no_acknowledged_decision(built: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    shutil.copytree(built, out)
    draw = random.Random(3)
    saved: list[str] = []
    for run in range(2):
        here = serve(out)
        id, headers = first_id(here), here.write_headers()
        killer = threading.Timer(0.2 + draw.random(), here.process.send_signal, [signal.SIGKILL])
        killer.start()
        try:
            for n in range(100_000):
                line = keep(n + run * 100_000, id)
                status, _, body = here.ask("POST", "/api/decisions", headers, {"decisions": [line]})
                assert status == 200
                saved += json.loads(body)["saved"]
        except (OSError, http.client.HTTPException):
            pass
        assert here.process.wait() == -signal.SIGKILL
    last = serve(out)
    own = json.loads(last.ask("GET", "/api/tiles?reviewer=ann", last.cookie)[2])["own"]
    stop(last)
    found = read_log(out)
    assert len(saved) > 10
    assert [nonce for nonce in saved if not found.known(nonce)] == []
    assert own[id]["act"] == "keep"


def opened(page: Page, served: Served) -> None:  # noqa: F811
    page.goto(served.url)
    page.wait_for_selector("body[data-ready]")


def said(page: Page, served: Served, who: str = "ann") -> dict[str, str]:  # noqa: F811
    """What the log holds once the page says that all is saved."""
    page.wait_for_function("() => document.getElementById('saved').textContent === 'all saved'")
    return {id: line.act for id, line in read_log(served.out).own(who).items()}


def shows(page: Page, text: str) -> None:  # noqa: F811
    """Wait until the page says how many faces it shows."""
    page.wait_for_function("(text) => document.getElementById('shown').textContent === text", arg=text)


@pytest.fixture
def fresh(built: Path, tmp_path: Path) -> Iterator[Served]:
    shutil.copytree(built, tmp_path / "out")
    here = serve(tmp_path / "out")
    yield here
    stop(here)


@pytest.mark.browser
@pytest.mark.slow
def test_a_person_works_by_keys_alone(page: Page, fresh: Served) -> None:  # noqa: F811
    opened(page, fresh)
    assert page.url.endswith(f":{fresh.port}/"), "the secret is not in the address bar"
    ids = json.loads(fresh.ask("GET", "/api/tiles", fresh.cookie)[2])["id"]
    assert page.locator(".tile.here").get_attribute("aria-label").startswith("Face 1: no face")
    # The first is a picture without a face: to keep it is to place it.
    page.keyboard.press("k")
    stage = page.locator("#points .stage")
    box = stage.bounding_box()
    assert box is not None
    for x, y in ((0.4, 0.4), (0.6, 0.4), (0.5, 0.5), (0.42, 0.65), (0.58, 0.65)):
        page.mouse.click(box["x"] + x * box["width"], box["y"] + y * box["height"])
    page.wait_for_function("() => document.querySelector('#points .crop').naturalWidth === 320")
    page.keyboard.press("Enter")
    assert said(page, fresh) == {ids[0]: "keep"}
    page.keyboard.press("ArrowRight")
    page.keyboard.press("k")
    page.keyboard.press("d")
    page.keyboard.press("4")
    page.keyboard.press("5")
    assert said(page, fresh) == {ids[0]: "keep", ids[1]: "keep", ids[2]: "drop", ids[3]: "drop"}
    assert read_log(fresh.out).own("ann")[ids[2]].reason == "blurred"
    page.keyboard.press("u")
    assert ids[3] not in said(page, fresh)
    page.keyboard.press("Shift+K")
    assert set(said(page, fresh).values()) == {"keep", "drop"}
    assert len(said(page, fresh)) >= len(ids) - 2
    page.keyboard.press("u")
    assert len(said(page, fresh)) == 3, "one keystroke is taken back whole"
    # Opened again, undo goes on where it was.
    page.reload()
    page.wait_for_selector("body[data-ready]")
    page.keyboard.press("u")
    assert said(page, fresh) == {ids[0]: "keep", ids[1]: "keep"}
    with pipeline.open_build(fresh.out, workers=1) as build:
        pipeline.review(build)
        pipeline.release(build)
    manifest = pd.read_parquet(fresh.out / "release" / "manifest.parquet").set_index("id")
    assert manifest.loc[ids[0], "detector"] == "person"


@pytest.mark.browser
@pytest.mark.slow
def test_filters_two_reviewers_and_settling(page: Page, fresh: Served) -> None:  # noqa: F811
    opened(page, fresh)
    tiles = json.loads(fresh.ask("GET", "/api/tiles", fresh.cookie)[2])
    everything = len(tiles["id"])
    shows(page, f"{everything - 2} of {everything} faces")  # copies are not shown
    states = page.get_by_role("group", name="State")
    states.get_by_label("duplicate").check()
    states.get_by_label("no face").uncheck()
    shows(page, f"{everything - 1} of {everything} faces")
    page.get_by_role("combobox", name="Score").select_option("sharpness")
    page.get_by_role("slider", name="from sharpness").evaluate(
        "(slide) => { slide.value = slide.max; slide.dispatchEvent(new Event('input')); }"
    )
    page.wait_for_function("() => /^[123] of/.test(document.getElementById('shown').textContent)")
    page.get_by_role("button", name="Reset").click()
    shows(page, f"{everything - 2} of {everything} faces")
    # ann keeps two faces, ben keeps one of them and drops the other; then somebody settles it.
    page.locator("#sheet").focus()
    for key in ("Home", "ArrowRight", "k", "k"):
        page.keyboard.press(key)
    kept = said(page, fresh)
    page.locator("#reviewer").fill("ben")
    page.locator("#reviewer").press("Enter")
    page.locator("#reviewer").blur()
    page.wait_for_function("() => document.getElementById('tally').textContent.includes('✓ 0')")
    page.locator("#sheet").focus()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("k")
    page.keyboard.press("2")
    assert sorted(said(page, fresh, "ben").values()) == ["drop", "keep"]
    page.keyboard.press("a")
    page.wait_for_selector("#agree .pairs td")
    assert page.locator("#agree td.same, #agree td.differ").all_text_contents() == ["1", "1", "0", "0"]
    page.keyboard.press("k")
    page.wait_for_function("() => document.querySelector('#agree .verdict').textContent.startsWith('settled by ben')")
    said(page, fresh)
    settled = read_log(fresh.out).settled()
    assert len(settled) == 1
    assert set(settled) < set(kept)


@pytest.mark.browser
@pytest.mark.slow
def test_a_server_that_dies_is_told_and_what_waits_is_not_lost(page: Page, fresh: Served) -> None:  # noqa: F811
    opened(page, fresh)
    page.keyboard.press("ArrowRight")
    page.keyboard.press("k")
    assert len(said(page, fresh)) == 1
    fresh.process.send_signal(signal.SIGSTOP)
    page.keyboard.press("k")
    page.keyboard.press("k")
    page.wait_for_function("() => document.getElementById('saved').textContent.startsWith('saving')")
    assert len(read_log(fresh.out).own("ann")) == 1
    fresh.process.send_signal(signal.SIGCONT)
    assert len(said(page, fresh)) == 3
    stop(fresh)
    page.keyboard.press("k")
    page.wait_for_function("() => document.getElementById('saved').textContent.includes('NOT SAVED')")


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.parametrize("size", [(390, 780), (1280, 800)])
def test_every_control_has_a_name_and_nothing_spills(page: Page, served: Served, size: tuple[int, int]) -> None:  # noqa: F811
    page.set_viewport_size({"width": size[0], "height": size[1]})
    opened(page, served)
    for key in ("", "z", "Escape", "a", "Escape", "?"):
        if key:
            page.keyboard.press(key)
            page.wait_for_timeout(200)
        nameless = page.evaluate(
            "() => [...document.querySelectorAll('button, input, select, [role=option], dialog')].filter((one) => "
            "one.checkVisibility() && !(one.ariaLabel || one.textContent.trim() || one.labels?.length))"
            ".map((one) => one.outerHTML)"
        )
        assert nameless == []
        assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
