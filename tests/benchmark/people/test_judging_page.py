"""The judging page in a real browser: two clicks a pair, nothing lost, no method's name told, nobody else may use it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from browser import browser, page  # noqa: F401
from local_page import LocalPage

from benchmark.people.answers import read_answers
from benchmark.people.showing import showings
from benchmark.people.study import Design, make

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture(scope="module")
def study(handed: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Design]:
    folder = tmp_path_factory.mktemp("judging") / "study"
    results = {"good": handed / "good", "plain": handed / "plain"}
    return folder, make(folder, handed / "inputs", results, 12, "0")


@pytest.fixture(scope="module")
def served(study: tuple[Path, Design]) -> Iterator[LocalPage]:
    found = LocalPage.start(["benchmark", "judge", str(study[0]), "--judge", "ann"])
    yield found
    found.stop()


def opened(page: Page, served: LocalPage, judge: str) -> None:  # noqa: F811
    page.goto(served.url)
    page.wait_for_selector("#question:not(:empty)")
    shown(page)
    if page.input_value("#judge") != judge:
        page.fill("#judge", judge)
        with page.expect_response(lambda answer: "/api/session" in answer.url):
            page.press("#judge", "Enter")
        page.locator("#judge").blur()
    page.locator("#question", has_text="better picture").wait_for()
    shown(page)


def shown(page: Page) -> None:  # noqa: F811
    page.wait_for_selector("#trial[aria-busy=false]")


def test_two_questions_a_pair_by_keys_and_by_clicks(page: Page, served: LocalPage, study: tuple[Path, Design]) -> None:  # noqa: F811
    folder, design = study
    opened(page, served, "ann")
    order = showings(design, "ann")
    for place, side in enumerate(("left", "right")):
        key = {"left": "1", "right": "2"}[side]
        assert "better picture" in page.inner_text("#question")
        page.keyboard.press(key)
        page.locator("#question", has_text="same person").wait_for()
        page.click("#right")
        page.locator("#count", has_text=f"{place + 1} of 13").wait_for()
        shown(page)
    said = {one.trial: one for one in read_answers(folder, len(design.trials)) if one.judge == "ann"}
    for place, side in enumerate(("left", "right")):
        one, left = said[order[place].trial], "b" if order[place].swapped else "a"
        assert (one.better == left) == (side == "left")
        assert one.person != left
        assert one.left == left
    # Back to the last pair: what was chosen is shown, and another word takes its place.
    page.keyboard.press("u")
    shown(page)
    assert page.locator("#right.chosen").count() == 1
    page.keyboard.press("1")
    page.keyboard.press("1")
    page.locator("#saved", has_text="saved").wait_for()
    again = {one.trial: one for one in read_answers(folder, len(design.trials)) if one.judge == "ann"}
    assert again[order[1].trial].better != said[order[1].trial].better
    # A reload goes on where the judge was.
    page.reload()
    page.locator("#count", has_text="2 of 13").wait_for()


def test_a_judge_comes_to_the_end_and_is_told(page: Page, served: LocalPage, study: tuple[Path, Design]) -> None:  # noqa: F811
    folder, design = study
    opened(page, served, "ben")
    for place in range(len(design.trials)):
        for _ in range(2):
            page.keyboard.press("1")
        page.locator("#count", has_text=f"{place + 1} of 13").wait_for()
        if place + 1 < len(design.trials):
            shown(page)
    page.wait_for_selector("#done:not([hidden])")
    assert sum(one.judge == "ben" for one in read_answers(folder, len(design.trials))) == len(design.trials)


def test_nothing_that_the_page_hears_names_a_method(served: LocalPage, study: tuple[Path, Design]) -> None:
    for path in ("/api/session", "/", "/static/judge.js"):
        body = served.ask("GET", path, served.cookie)[2].decode()
        assert not any(f'"{name}"' in body for name in study[1].methods)
    heard = json.loads(served.ask("GET", "/api/session", served.cookie)[2])
    assert set(heard) == {"token", "judge", "questions", "answered"}


def test_nobody_else_may_look_or_answer(served: LocalPage) -> None:
    assert served.ask("GET", "/api/session")[0] == 403
    assert served.ask("GET", "/picture/0/left")[0] == 403
    body = {"judge": "eve", "place": 0, "better": "left", "person": "left", "seconds": 1}
    assert served.ask("POST", "/api/answer", {**served.cookie, "Content-Type": "application/json"}, body)[0] == 403
    status, _, answer = served.ask("POST", "/api/answer", served.write_headers(), body | {"place": 999})
    assert (status, json.loads(answer)["detail"]) == (404, "no trial 999; there are 13")
    assert served.ask("POST", "/api/answer", served.write_headers(), body | {"judge": "<b>"})[0] == 422
    assert served.ask("GET", "/picture/0/method", served.cookie)[0] == 422


def test_an_answer_that_is_not_saved_is_not_taken_for_saved(page: Page, served: LocalPage) -> None:  # noqa: F811
    opened(page, served, "cem")
    page.route("**/api/answer", lambda route: route.abort())
    page.keyboard.press("1")
    page.keyboard.press("1")
    page.wait_for_selector("#saved.trouble")
    assert "not saved" in page.inner_text("#saved")
    assert page.inner_text("#count").startswith("0 of ")
    page.unroute("**/api/answer")
    page.keyboard.press("1")
    page.locator("#count", has_text="1 of 13").wait_for()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [(390, 780), (780, 390), (1280, 800)])
def test_everything_is_seen_at_once(
    page: Page,  # noqa: F811
    served: LocalPage,
    size: tuple[int, int],
    scheme: str,
) -> None:
    page.set_viewport_size({"width": size[0], "height": size[1]})
    page.emulate_media(color_scheme=scheme)
    opened(page, served, f"judge {size[0]} {scheme}")
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
    assert page.evaluate("document.documentElement.scrollHeight") <= size[1], "a pair needs no scrolling"
    boxes = [page.locator(one).bounding_box() for one in ("#left", "#right")]
    assert boxes[0] is not None
    assert boxes[1] is not None
    assert boxes[0]["width"] == pytest.approx(boxes[1]["width"], abs=1)
    assert boxes[0]["y"] == pytest.approx(boxes[1]["y"], abs=1)
    assert min(boxes[0]["width"], boxes[0]["height"]) >= 120
    nameless = page.evaluate(
        "() => [...document.querySelectorAll('button, input, img')].filter((one) => one.checkVisibility() && "
        "!(one.ariaLabel || one.alt || one.textContent.trim() || one.labels?.length || one.querySelector('img[alt]')))"
        ".map((one) => one.outerHTML)"
    )
    assert nameless == []
