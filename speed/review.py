"""The review page with 30,000 faces in headless Chromium: time to the first sheet, frames a second while scrolling."""

from __future__ import annotations

import contextlib
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from aahq.candidates import Candidate
from aahq.ledger import Ledger, face_id, picture_id
from aahq.painted.portraits.paint import paint
from speed.run import Row
from suite.errors import SuiteError
from suite.files import sha256_bytes

FACES = 30_000
PAINTED = 16
SIDE = 1024
OPENINGS = 5
SCROLLED_SECONDS = 6
# Looking at each, looking over, and flying to another place.
SPEEDS = (600, 2_400, 12_000)
# A sheet is there when every tile in sight shows its picture.
_SHEET = """() => {
  const box = document.getElementById("sheet").getBoundingClientRect();
  const seen = [...document.querySelectorAll(".tile:not([hidden])")].filter((tile) => {
    const at = tile.getBoundingClientRect();
    return at.bottom > box.top && at.top < box.bottom;
  });
  return seen.length > 0 && seen.every((tile) => tile.firstChild.complete && tile.firstChild.naturalWidth > 0);
}"""
# And it is drawn: every tile in sight is decoded, and two frames have passed.
_DRAWN = """async () => {
  const given = [...document.querySelectorAll(".tile:not([hidden]) img[src]")];
  await Promise.all(given.map((image) => image.decode().catch(() => {})));
  await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
}"""
# Scrolls by the clock, as a held key or a wheel does; tells the length of every frame in milliseconds, and how many tiles in
# sight showed their picture, looked at four times a second.
_SCROLL = """([seconds, speed]) => new Promise((done) => {
  const box = document.getElementById("sheet");
  const start = box.scrollTop;
  const frames = [];
  const view = box.getBoundingClientRect();
  let began, last, seen = 0, there = 0;
  const step = (now) => {
    began ??= now;
    if (last !== undefined) frames.push(now - last);
    last = now;
    if (frames.length % 15 === 14) {
      for (const tile of document.querySelectorAll(".tile:not([hidden])")) {
        const at = tile.getBoundingClientRect();
        if (at.bottom < view.top || at.top > view.bottom) continue;
        seen++;
        there += tile.firstChild.classList.contains("there") && !tile.parentNode.classList.contains("blank");
      }
    }
    box.scrollTop = start + (now - began) / 1000 * speed;
    now - began < seconds * 1000 ? requestAnimationFrame(step) : done([frames, there / seen]);
  };
  requestAnimationFrame(step);
})"""
# The same clock with nothing to draw: what this machine's browser gives at best.
_IDLE = """(seconds) => new Promise((done) => {
  const frames = [];
  let began, last;
  const step = (now) => {
    began ??= now;
    if (last !== undefined) frames.push(now - last);
    last = now;
    now - began < seconds * 1000 ? requestAnimationFrame(step) : done(frames);
  };
  requestAnimationFrame(step);
})"""


def make_build(out: Path, faces: int = FACES) -> None:
    """A ledger with so many kept, flagged and refused faces; their pictures are a few painted ones, over and over."""
    out.mkdir(parents=True)
    files = []
    for number in range(PAINTED):
        rgb = np.asarray(Image.fromarray(paint(number, number, 256).rgb).resize((SIDE, SIDE)))
        path = out / "faces" / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(rgb).save(path)
        files.append((f"faces/{number}.png", sha256_bytes(path.read_bytes())))
    draw = np.random.default_rng(0)
    with Ledger(out, create=True) as ledger, ledger.transaction():
        for number in range(faces):
            source, key = ("artstation", "met")[number % 2], str(number)
            candidate = Candidate(source=source, key=key, page_url=None, image_urls=(), title=f"Portrait {number}")
            ledger.add_candidate(candidate)
            file, digest = files[number % PAINTED]
            picture = picture_id(candidate.source, candidate.key)
            ledger.update("pictures", picture, state="faced", file=file, width=SIDE, height=SIDE)
            ledger.insert("faces", _face(picture, file, digest, number, draw))


def _face(picture: str, file: str, digest: str, number: int, draw: np.random.Generator) -> dict[str, Any]:
    scores = {
        "sharpness": draw.uniform(0, 0.5),
        "quad_side": draw.uniform(128, 2048),
        "blockiness": draw.uniform(1, 2),
        "brightness": draw.uniform(20, 230),
        "contrast": draw.uniform(10, 80),
        "yaw": draw.uniform(0, 40),
        "pitch": draw.uniform(0, 30),
        "outside": draw.uniform(0, 0.2),
    }
    refused = number % 9 == 0
    return {
        "id": face_id(picture, 0),
        "picture": picture,
        "number": 0,
        "box": "[0,0,512,512]",
        "landmarks": "[[200,220],[310,220],[215,340],[295,340]]",
        "detector": "hog",
        "score": 1.0,
        "inter_ocular": 110.0,
        "state": "rejected" if refused else "kept",
        "stage": "quality" if refused else "",
        "reason": "quality_blurred" if refused else "",
        "flag": "quality_pose: yaw 31 > 30" if number % 7 == 0 and not refused else "",
        "file": file,
        "sha256": digest,
        "quality": json.dumps(scores),
    }


@contextlib.contextmanager
def served(*words: str) -> Iterator[str]:
    """The secret address of a local page while `python -m ...` serves it."""
    server = subprocess.Popen([sys.executable, "-m", *words, "--no-open", "--json"], stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    text = ""
    for line in server.stdout:
        text += line
        if line.startswith("}"):
            break
    try:
        yield json.loads(text)["url"]
    finally:
        server.terminate()
        server.wait()


def rows() -> list[Row]:
    """Open the page several times, with tiles made on the way and then cached, and scroll it."""
    from playwright.sync_api import sync_playwright

    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        raise SuiteError("bench review: no chromium on this machine; run: apt-get install chromium")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as play:
        out = Path(folder) / "out"
        make_build(out)
        command = ("aahq", "review", str(out), "--reviewer", "bench")
        browser = play.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        firsts, starts = [], []
        for _ in range(OPENINGS):
            # No tile is left, and a fresh context has cached nothing: a person's first visit to a build.
            shutil.rmtree(out / "review" / "tiles", ignore_errors=True)
            begun = time.perf_counter()
            with served(*command) as url:
                starts.append(time.perf_counter() - begun)
                page = browser.new_context(viewport={"width": 1280, "height": 800}).new_page()
                firsts.append(_first_sheet(page, url))
        with served(*command) as url:
            page = browser.new_context(viewport={"width": 1280, "height": 800}).new_page()
            cached = [_first_sheet(page, url) for _ in range(OPENINGS)]
            page.wait_for_selector("body[data-ready]")
            best = _rate(page.evaluate(_IDLE, 2))
            scrolled = {speed: _scrolled(page, speed) for speed in SPEEDS}
        browser.close()
    return [
        _seconds(f"first sheet of {FACES} faces, the server started without a tile", firsts),
        _seconds(f"first sheet of {FACES} faces, tiles made before", cached),
        Row(
            "  the server's own start before that",
            statistics.median(starts),
            "s",
            note="from the command to its address: reading the ledger and making the first sheet's tiles from pictures of "
            f"{SIDE} px included",
        ),
        *(row for speed, frames in scrolled.items() for row in _frames(speed, *frames, best)),
    ]


def _first_sheet(page: Any, url: str) -> float:
    start = time.perf_counter()
    page.goto(url, wait_until="commit")
    page.wait_for_function(_SHEET, polling=10)
    page.evaluate(_DRAWN)
    return time.perf_counter() - start


def _rate(frames: list[float]) -> float:
    return 1000 * len(frames) / sum(frames)


def _seconds(what: str, times: list[float]) -> Row:
    value = statistics.median(times)
    note = f"opening to all tiles in sight drawn; median of {len(times)}, slowest {max(times):.2f} s"
    return Row(what, value, "s", "under 1", note, value < 1)


def _scrolled(page: Any, speed: int) -> tuple[list[float], float, float]:
    """Milliseconds of each frame, share of tiles in sight that showed a picture, and the main thread's own milliseconds.

    The last, a frame, is what waiting for a core is not in.
    """
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})
    before = _busy(session)
    frames, there = page.evaluate(_SCROLL, [SCROLLED_SECONDS, speed])
    cpu = 1000 * (_busy(session) - before) / len(frames)
    session.detach()
    return frames, there, cpu


def _busy(session: Any) -> float:
    metrics = {one["name"]: one["value"] for one in session.send("Performance.getMetrics")["metrics"]}
    return float(metrics["TaskDuration"])


def _frames(speed: int, frames: list[float], there: float, cpu: float, best: float) -> Iterator[Row]:
    value = _rate(frames)
    late = sum(length > 25 for length in frames) / len(frames)
    note = (
        f"{len(frames)} frames, median {statistics.median(frames):.1f} ms, {late:.1%} later than 25 ms; "
        f"an idle page gives {best:.1f} here; software rendering; {there:.0%} of the tiles in sight show their picture, "
        "each made when first asked for"
    )
    # The browser's clock gives 60 at most: a few frames in a thousand that come late are within it.
    yield Row(f"scrolling at {speed:,} px/s", value, "frames/s", "60 (59 counts)", note, value >= 59)
    own = "processor time of the page's main thread; a frame of 60 has 16.7 ms"
    yield Row(f"scrolling at {speed:,} px/s, own time a frame", cpu, "ms", "under 16.7", own, cpu < 16.7)
