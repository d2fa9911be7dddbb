"""The stylise page: pictures come out, bad input gets words, nothing is lost, and nobody else may use it."""

from __future__ import annotations

import io
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from browser import browser, page  # noqa: F401
from local_page import LocalPage
from PIL import Image

from aahq.painted.portraits import paint, style_seed

if TYPE_CHECKING:
    from playwright.sync_api import Page

HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + b"\0" * 400
HEIF = b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic" + b"\0" * 400


class Served(LocalPage):
    """A stylise page in a process of its own."""

    @property
    def out(self) -> Path:
        return Path(self.words[self.words.index("-o") + 1])

    def send(self, kind: str, data: bytes, name: str = "me.png", query: str = "") -> tuple[int, dict[str, Any]]:
        headers = {**self.write_headers(), "Content-Type": "application/octet-stream", "X-File-Name": name}
        status, _, body = self.ask("POST", f"/api/{kind}{query}", headers, data)
        return status, json.loads(body)

    def stylise(self, **wanted: Any) -> tuple[int, dict[str, Any]]:
        status, _, body = self.ask("POST", "/api/stylise", self.write_headers(), wanted)
        return status, json.loads(body)

    def session(self) -> dict[str, Any]:
        return json.loads(self.ask("GET", "/api/session", self.cookie)[2])


def serve(out: Path) -> Served:
    return Served.start(["models", "page", "-o", str(out), "--weights", "painted", "--steps", "2"])


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    opened = serve(tmp_path_factory.mktemp("page") / "out")
    yield opened
    opened.stop()


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Served]:
    opened = serve(tmp_path / "out")
    yield opened
    opened.stop()


def png(pixels: np.ndarray | Image.Image) -> bytes:
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    data = io.BytesIO()
    image.save(data, "PNG")
    return data.getvalue()


def portrait(identity: int, size: int = 256) -> np.ndarray:
    return paint(identity, style_seed("natural", 20), size, 0).rgb


def test_a_face_in_a_style_is_a_file_that_says_how_it_was_made(served: Served) -> None:
    status, made = served.stylise(face="face-1", style="style-ink", strength=0.75)
    assert status == 200
    assert (made["strength"], made["i"], made["theta"]) == (0.75, 2, 0.5), "7.5 of 10 layers"
    with Image.open(served.out / made["file"]) as picture:
        assert picture.size == (64, 64)
        assert picture.text["face"] == "painted face 1"
        assert picture.text["style"] == "ink"
        assert picture.text["theta"] == "0.5"
        assert picture.text["sha256"] == made["sha256"]
        assert float(picture.text["style_similarity"]) == made["style_similarity"]
    assert served.ask("GET", made["src"], served.cookie)[2] == (served.out / made["file"]).read_bytes()


def test_the_same_question_again_is_answered_by_the_same_file(served: Served) -> None:
    made = [served.stylise(face="face-1", style="style-ink", i=3, theta=0.5)[1] for _ in range(2)]
    assert made[0] == made[1]
    assert made[0]["strength"] is None
    assert served.stylise(face="face-1", style="style-ink", i=3, theta=0.25)[1]["id"] != made[0]["id"]


def test_another_tab_sees_what_was_made(served: Served) -> None:
    made = served.stylise(face="face-2", style="style-cel", strength=1)[1]
    assert made["id"] in [one["id"] for one in served.session()["results"]]


@pytest.mark.parametrize("wanted", [{}, {"i": 3}, {"theta": 0.5}, {"i": 11, "theta": 0.5}, {"strength": 1.5}])
def test_a_blend_that_makes_no_sense_is_refused(served: Served, wanted: dict[str, Any]) -> None:
    assert served.stylise(face="face-1", style="style-ink", **wanted)[0] == 422


BAD = {
    "text": (b"dear diary, today I took no photograph\n", "the file is text"),
    "HEIC": (HEIC, "HEIC, as phones take it; export it as JPEG or PNG"),
    "HEIF": (HEIF, "HEIC, as phones take it; export it as JPEG or PNG"),
    "empty": (b"", "an empty file"),
    "cut short": (png(np.full((400, 400, 3), 90, np.uint8))[:200], "damaged"),
    "100 megapixels": (png(Image.new("1", (10_000, 10_000))), "too many pixels; make it smaller first (10000 x 10000"),
}


@pytest.mark.parametrize("kind", ["face", "style"])
@pytest.mark.parametrize("bad", BAD)
def test_what_is_no_picture_gets_words_and_leaves_nothing(served: Served, kind: str, bad: str) -> None:
    before = served.session()
    data, words = BAD[bad]
    status, told = served.send(kind, data, "holiday.jpg")
    assert status == 422
    assert told["detail"].startswith("holiday.jpg: ")
    assert words in told["detail"]
    assert tempfile.gettempdir() not in told["detail"]
    assert served.session() == before


@pytest.mark.slow
def test_a_picture_with_five_faces_is_told_and_the_largest_can_be_taken(served: Served) -> None:
    pytest.importorskip("dlib")
    small, large = (portrait(3000, 200), portrait(3001, 300))
    row = np.full((320, 4 * 200 + 300, 3), 90, np.uint8)
    for place in range(4):
        row[60:260, place * 200 : place * 200 + 200] = portrait(3010 + place, 200) if place else small
    row[10:310, 800:1100] = large
    status, told = served.send("face", png(row), "party.png")
    assert (status, told["faces"]) == (422, 5)
    assert told["detail"] == "party.png: 5 faces were found. Crop it to one, or take the largest."
    status, told = served.send("face", png(row), "party.png", "?largest=true")
    assert (status, told["name"]) == (200, "party.png")
    made = served.stylise(face=told["id"], style="style-ink", strength=0.5)[1]
    assert 0 < made["face_similarity"] < 1


@pytest.mark.slow
def test_a_picture_without_a_face_is_told_and_can_be_taken_as_it_is(served: Served) -> None:
    pytest.importorskip("dlib")
    grass = np.random.default_rng(0).integers(60, 120, (200, 300, 3), np.uint8)
    status, told = served.send("face", png(grass), "grass.png")
    assert (status, told["faces"]) == (422, 0)
    status, told = served.send("face", png(grass), "grass.png", "?cut=true")
    assert status == 200
    made = served.stylise(face=told["id"], style="style-ink", strength=0.5)[1]
    assert made["face_similarity"] is None, "nobody knows where its face is"


def test_an_own_style_is_taken_at_the_models_scale(served: Served) -> None:
    large = portrait(3005, 256)
    small = np.asarray(Image.fromarray(large).resize((64, 64), Image.Resampling.LANCZOS))
    told = [served.send("style", png(one), "art.png")[1] for one in (large, small)]
    made = [served.stylise(face="face-1", style=one["id"], strength=0.8)[1] for one in told]
    pictures = [(served.out / one["file"]).read_bytes() for one in made]
    with Image.open(io.BytesIO(pictures[0])) as first, Image.open(io.BytesIO(pictures[1])) as second:
        assert np.array_equal(np.asarray(first), np.asarray(second))


def test_a_files_name_leads_nowhere(served: Served) -> None:
    status, told = served.send("face", png(portrait(3006)), "..%2F..%2Fetc%2Fpass%0Awd.png", "?cut=true")
    assert (status, told["name"]) == (200, "passwd.png")
    made = served.stylise(face=told["id"], style="style-ink", strength=0.5)[1]
    assert (served.out / made["file"]).parent == served.out
    for path in ("/result/..%2f..%2fsession.py", "/static/..%2fapp.py", "/face/face-1%2f..", f"/result/{'0' * 16}"):
        assert served.ask("GET", path, served.cookie)[0] == 404


@pytest.mark.parametrize(
    "wrong",
    [
        {"Origin": "http://evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
        {"X-Page-Token": ""},
        {"Cookie": ""},
        {"Content-Type": "text/plain"},
        {"Content-Type": "multipart/form-data; boundary=x"},
        {"Host": "evil.example"},
    ],
)
def test_a_foreign_page_that_posts_gets_nothing_in(served: Served, wrong: dict[str, str]) -> None:
    before = served.session()
    for path in ("/api/face?cut=true", "/api/style", "/api/stylise"):
        assert served.ask("POST", path, {**served.write_headers(), **wrong}, b"{}")[0] in (403, 415, 421)
    assert served.session() == before


def test_a_file_that_is_too_large_is_refused_before_it_is_sent(served: Served) -> None:
    headers = {**served.write_headers(), "Content-Type": "application/octet-stream", "Content-Length": "200000001"}
    status, _, body = served.ask("POST", "/api/face", headers, b"")
    assert status == 413
    assert b"at most 200000000 bytes" in body


def test_what_is_no_longer_here_is_told(served: Served) -> None:
    assert "give the photograph again" in served.stylise(face="gone", style="style-ink", strength=0.5)[1]["detail"]
    assert "give the picture again" in served.stylise(face="face-1", style="gone", strength=0.5)[1]["detail"]


def opened(page: Page, served: Served) -> None:  # noqa: F811
    page.goto(served.url)
    page.wait_for_selector("body[data-ready]")


def cards(page: Page, count: int) -> None:  # noqa: F811
    page.wait_for_function("(count) => document.querySelectorAll('.card').length === count", arg=count)


@pytest.mark.browser
@pytest.mark.slow
def test_a_person_drops_a_photograph_chooses_and_saves(page: Page, fresh: Served, tmp_path: Path) -> None:  # noqa: F811
    opened(page, fresh)
    assert page.url.endswith(f":{fresh.port}/"), "the secret is not in the address bar"
    # A file dropped on the zone itself, as from the desktop.
    data = list(png(portrait(3007)))
    page.evaluate(
        """(data) => { const moved = new DataTransfer(); moved.items.add(new File([new Uint8Array(data)], "me.png"));
        document.getElementById("drop-face").dispatchEvent(new DragEvent("drop", { dataTransfer: moved, bubbles: true })); }""",
        data,
    )
    page.wait_for_selector("#faces .thumb[aria-pressed=true][aria-label='me.png']")
    page.get_by_role("button", name="ink").click()
    page.get_by_role("button", name="Stylise in 2 styles").click()
    cards(page, 2)
    page.locator("#strength").fill("0.3")
    page.locator("#strength").dispatch_event("change")
    page.wait_for_function("() => document.querySelectorAll('.tried button').length === 4")
    page.locator("#more summary").click()
    page.locator("#i").fill("0")
    page.locator("#i").dispatch_event("change")
    page.wait_for_function("() => document.querySelectorAll('.tried button').length === 6")
    assert page.locator("#strength-value").text_content() == "–", "the slider is set aside"
    ink = page.get_by_role("article", name="me.png in ink")
    ink.get_by_role("button", name="0.70").click()
    with page.expect_download() as saved:
        ink.get_by_role("link", name="Save picture").click()
    saved.value.save_as(tmp_path / "saved.png")
    with Image.open(tmp_path / "saved.png") as picture:
        assert (picture.text["face"], picture.text["style"], picture.text["strength"]) == ("me.png", "ink", "0.7")
    assert len(list(fresh.out.glob("*.png"))) == 6
    # Closed and opened again, and in a second tab: everything is there.
    page.reload()
    cards(page, 2)
    second = page.context.new_page()
    opened(second, fresh)
    cards(second, 2)
    second.get_by_role("button", name="painted face 3").click()
    second.get_by_role("button", name="Stylise").click()
    cards(second, 3)
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    cards(page, 3)
    # The program ends: it is told, and what is shown can still be saved.
    fresh.stop()
    page.get_by_role("button", name="Stylise").click()
    page.wait_for_selector("#gone:not([hidden])")
    with page.expect_download() as saved:
        page.get_by_role("article", name="me.png in ink").get_by_role("link", name="Save picture").click()
    assert Path(saved.value.path()).read_bytes().startswith(b"\x89PNG")


@pytest.mark.browser
@pytest.mark.slow
def test_bad_files_get_words_on_the_page(page: Page, served: Served) -> None:  # noqa: F811
    pytest.importorskip("dlib")
    opened(page, served)
    pair = np.hstack([portrait(3020), portrait(3021)])
    files = [("notes.txt", BAD["text"][0]), ("phone.heic", HEIC), ("pair.png", png(pair))]
    page.set_input_files("#face-file", [{"name": n, "mimeType": "", "buffer": data} for n, data in files[:1]])
    page.get_by_text("notes.txt: not a picture that is read (the file is text").wait_for()
    page.set_input_files("#face-file", [{"name": files[1][0], "mimeType": "", "buffer": files[1][1]}])
    page.get_by_text("export it as JPEG or PNG").wait_for()
    page.set_input_files("#face-file", [{"name": files[2][0], "mimeType": "", "buffer": files[2][1]}])
    page.get_by_role("button", name="Take the largest").click()
    page.wait_for_selector("#faces .thumb[aria-pressed=true][aria-label='pair.png']")
    assert page.locator("#face-notes .note").count() == 2


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [(390, 780), (1280, 800)])
def test_every_control_has_a_name_and_nothing_spills(
    page: Page,  # noqa: F811
    served: Served,
    size: tuple[int, int],
    scheme: str,
) -> None:
    served.stylise(face="face-1", style="style-ink", strength=0.7)
    page.set_viewport_size({"width": size[0], "height": size[1]})
    page.emulate_media(color_scheme=scheme)
    opened(page, served)
    page.wait_for_selector(".card")
    page.locator("#more summary").click()
    nameless = page.evaluate(
        "() => [...document.querySelectorAll('button, input, a, article')].filter((one) => one.checkVisibility() && "
        "!(one.ariaLabel || one.textContent.trim() || one.labels?.length || one.getAttribute('aria-labelledby')))"
        ".map((one) => one.outerHTML)"
    )
    assert nameless == []
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
    dark = page.evaluate("getComputedStyle(document.documentElement).backgroundColor") == "rgb(18, 19, 22)"
    assert dark == (scheme == "dark")
