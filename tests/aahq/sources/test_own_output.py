"""A build inside its source, and a source inside its build: what is written is no source, and no source is written over."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from aahq import pipeline
from aahq.ledger import Ledger
from aahq.pipeline import open_build
from aahq.remove.releases import RELEASES
from suite.errors import SuiteError


@pytest.fixture
def paintings(tmp_path: Path) -> Path:
    folder = tmp_path / "paintings"
    (folder / "old").mkdir(parents=True)
    for number, name in enumerate(("p0.png", "p1.png", "old/p2.png")):
        Image.new("RGB", (96, 96), (40 * number, 90, 60)).save(folder / name)
    return folder


def keys(out: Path) -> set[str]:
    with Ledger(out) as ledger:
        return {row["key"] for row in ledger.rows("SELECT key FROM pictures")}


def crawl(out: Path, source: Path) -> set[str]:
    with open_build(out, source={"source": "folder", "target": str(source)}, workers=1, create=True) as build:
        pipeline.crawl(build, again=True)
        pipeline.screen(build)
    return keys(out)


MINE = {"p0.png", "p1.png", "old/p2.png"}


@pytest.mark.parametrize("where", ["set", "old/set", "."])
def test_what_a_build_writes_is_not_its_source(paintings: Path, where: str) -> None:
    out = paintings / where
    assert crawl(out, paintings) == MINE
    with Ledger(out) as ledger:
        ledger.put(RELEASES, [str(paintings / "public")])
    for place in (out / "release" / "images" / "ab", paintings / "public" / "images", out / "review" / "tiles" / "ab"):
        place.mkdir(parents=True)
        Image.new("RGB", (96, 96)).save(place / "crop.png")
    (paintings / "link.png").symlink_to(out / "release" / "images" / "ab" / "crop.png")
    (paintings / "linked").symlink_to(out / "release")
    (out / "report.html").write_text("a page")
    assert crawl(out, paintings) == MINE


def test_a_link_to_the_build_is_left_out_too(paintings: Path, tmp_path: Path) -> None:
    (paintings / "set").symlink_to(tmp_path / "big-disk")
    (tmp_path / "big-disk").mkdir()
    assert crawl(paintings / "set", paintings) == MINE
    assert crawl(paintings / "set", paintings) == MINE


@pytest.mark.parametrize("name", ["pictures", "faces", "release", "review/tiles"])
def test_a_source_in_what_the_build_keeps_is_refused_before_anything(tmp_path: Path, name: str) -> None:
    mine = tmp_path / name / "2019" / "1.png"
    mine.parent.mkdir(parents=True)
    Image.new("RGB", (96, 96)).save(mine)
    data = mine.read_bytes()
    for source in (tmp_path / name, mine.parent):
        with pytest.raises(SuiteError, match="the build's own"):
            crawl(tmp_path, source)
    assert mine.read_bytes() == data
    assert sorted(path.name for path in tmp_path.iterdir()) == [name.split("/")[0]]
