"""The report's page: what it says of a list's survival, and that it fits a phone whole."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from browser import browser, page  # noqa: F401

from aahq.ledger import Ledger
from aahq.report import gather, write_report

if TYPE_CHECKING:
    from playwright.sync_api import Page


@pytest.fixture
def of_the_list(built: Path, tmp_path: Path) -> Path:
    """The report of a build whose works came from the list; one picture was gone and one was refused."""
    out = tmp_path / "out"
    shutil.copytree(built, out)
    with Ledger(out) as ledger, ledger.transaction():
        ledger.db.execute("UPDATE pictures SET source = 'aahq-list'")
        ids = [row["id"] for row in ledger.rows("SELECT id FROM pictures ORDER BY id LIMIT 2")]
        for id, reason in zip(ids, ("gone", "robots")):
            ledger.reject("pictures", id, "crawl", reason, "")
            ledger.update("pictures", id, fetched_at=None)
    with Ledger(out) as ledger:
        return write_report(ledger)


def test_no_list_no_word_about_it(built: Path) -> None:
    with Ledger(built) as ledger:
        assert gather(ledger)["survival"] == {}


@pytest.mark.browser
@pytest.mark.slow
def test_what_is_left_of_a_list_is_drawn(page: Page, of_the_list: Path) -> None:  # noqa: F811
    with Ledger(of_the_list.parent) as ledger:
        every = ledger.count("pictures")
    page.goto(of_the_list.as_uri())
    bars = page.locator("h2:has-text('What is left of the list') ~ .funnel").first
    assert bars.inner_text().split() == ["alive", str(every - 2), "gone", "1", "refused", "1"]
    wide, gone = (bars.locator(".track i").nth(n).bounding_box() for n in (0, 1))
    assert wide is not None
    assert gone is not None
    # Bars are drawn to whole pixels, and none is thinner than three.
    assert gone["width"] == pytest.approx(max(3, wide["width"] / (every - 2)), abs=1)


@pytest.mark.browser
@pytest.mark.slow
def test_the_page_fits_a_phone_and_shows_every_picture(page: Page, of_the_list: Path) -> None:  # noqa: F811
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(of_the_list.as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    # Nobody has scrolled: a page that is printed or saved shows all.
    assert page.evaluate(
        "[...document.images].length > 0 && [...document.images].every((one) => one.complete && one.naturalWidth > 0)"
    )
