"""Take the pictures of the suite's pages, `docs/images/*-desk.webp` and `*-phone.webp`, with a real browser. Takes minutes.

The stylise page, the judging page, the review page and the report of a small build of painted portraits, and the board of the
records that are kept: at a desk in light colours, on a phone in dark ones (the review page is dark everywhere). Needs Chromium,
and the extras `align`, `page` and `dev`.
"""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

sys.path.insert(0, str(Path(__file__).parents[1]))

from aahq.painted.portraits import FAMILIES, paint, style_seed
from speed.review import served
from suite.files import whole_file

IMAGES = Path(__file__).resolve().parent / "images"
DESK, PHONE = {"width": 1280, "height": 800}, {"width": 390, "height": 780}
# Pictures of pages are for a look at them: text stays sharp at this quality.
QUALITY = 82
# In containers Chromium's own sandbox has no rights to start.
CHROMIUM = ("--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu")
PORTRAITS = 18


def run(*words: str) -> None:
    subprocess.run([sys.executable, "-m", *words], check=True, stdout=subprocess.DEVNULL)


def keep(page: Page, name: str) -> None:
    """What the window shows, as `docs/images/<name>.webp`."""
    page.wait_for_timeout(500)
    with Image.open(io.BytesIO(page.screenshot())) as shot, whole_file(IMAGES / f"{name}.webp") as part:
        shot.convert("RGB").save(part, format="WEBP", quality=QUALITY, method=6)


def opened(browser: Browser, phone: bool) -> Page:
    size: Any = PHONE if phone else DESK
    return browser.new_page(viewport=size, color_scheme="dark" if phone else "light")


def stylise(browser: Browser) -> None:
    with served("models", "page", "--weights", "painted", "--offline") as address:
        desk = opened(browser, False)
        desk.set_default_timeout(300_000)
        desk.goto(address)
        desk.wait_for_selector("body[data-ready]")
        desk.get_by_role("button", name="painted face 4").click()
        for style in ("stained glass", "ink"):
            desk.get_by_role("button", name=style, exact=True).click()
        desk.get_by_role("button", name="Stylise in 3 styles").click()
        desk.wait_for_function(
            "() => document.querySelectorAll('.card').length === 3 && !document.getElementById('go').disabled"
        )
        keep(desk, "stylise-desk")
        phone = opened(browser, True)
        phone.goto(address)
        phone.wait_for_selector(".card")
        keep(phone, "stylise-phone")


def review(browser: Browser, build: Path) -> None:
    with served("aahq", "review", str(build), "--reviewer", "ann") as address:
        for phone, name in ((False, "review-desk"), (True, "review-phone")):
            page = opened(browser, phone)
            page.goto(address)
            page.wait_for_selector("body[data-ready]")
            for key in ("ArrowRight", "k", "d", "3", "k"):
                page.keyboard.press(key)
            keep(page, name)


def judge(browser: Browser, place: Path) -> None:
    """Two methods of the package on painted faces; the first question answered."""
    data, inputs = str(place / "release"), str(place / "inputs")
    run(
        "aahq",
        "portraits",
        data,
        "--count",
        "60",
        "--size",
        "64",
        "--domain",
        "both",
        "--styles",
        "15",
        "--workers",
        "1",
    )
    run("benchmark", "inputs", inputs, "--data", data, "--set", "faces=4", "--set", "styles=3")
    results = []
    for name in ("AdaIN", "MUNIT"):
        run("benchmark", "answer", name, "--inputs", inputs, "-o", str(place / name), "--work", str(place / "work"))
        results += ["--results", f"{name}={place / name}"]
    study = ("benchmark", "judge", str(place / "study"), "--judge", "ann")
    with served(*study, "--inputs", inputs, *results, "--trials", "12") as address:
        for phone, name in ((False, "judge-desk"), (True, "judge-phone")):
            page = opened(browser, phone)
            page.goto(address)
            page.wait_for_selector("#trial[aria-busy=false]")
            page.keyboard.press("2")
            page.locator("#steps .done").wait_for()
            keep(page, name)


def files(browser: Browser, pages: dict[str, Path]) -> None:
    for name, file in pages.items():
        for phone, size in ((False, "desk"), (True, "phone")):
            page = opened(browser, phone)
            page.goto(file.as_uri())
            keep(page, f"{name}-{size}")


def portraits(folder: Path) -> None:
    """Painted portraits, and two files that a build drops."""
    folder.mkdir()
    for number in range(PORTRAITS):
        family = FAMILIES[number % len(FAMILIES)]
        picture = paint(500 + 7 * number, style_seed(family, number), 256, number)
        Image.fromarray(picture.rgb).save(folder / f"portrait-{number:02}.png")
    shutil.copy(folder / "portrait-00.png", folder / "copy.png")
    Image.linear_gradient("L").convert("RGB").save(folder / "nobody.png")


def main() -> None:
    program = next(path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name)))
    with tempfile.TemporaryDirectory() as name, sync_playwright() as play:
        place = Path(name)
        portraits(place / "paintings")
        build = place / "build"
        run(
            "aahq",
            "build",
            str(build),
            "--source",
            "folder",
            str(place / "paintings"),
            "--size",
            "256",
            "--workers",
            "1",
        )
        run("benchmark", "site", "--out", str(place / "site"))
        browser = play.chromium.launch(executable_path=program, args=list(CHROMIUM))
        files(browser, {"report": build / "report.html", "board": place / "site" / "index.html"})
        review(browser, build)
        judge(browser, place)
        stylise(browser)
        browser.close()


if __name__ == "__main__":
    main()
