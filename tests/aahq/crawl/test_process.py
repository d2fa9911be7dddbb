"""One candidate's way: a file that may not be kept never gets its name, which another row may point to."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image, PngImagePlugin

from aahq.candidates import FOLDER, Candidate
from aahq.consent.optouts import OptOuts
from aahq.consent.permissions import Permissions
from aahq.crawl.fetch import Fetched
from aahq.crawl.process import FetchContext, process_candidate
from aahq.remove.tombstones import Tombstones
from aahq.stages.engine import Rejection
from aahq.web.client import Http
from suite.files import sha256_file


@pytest.fixture
def reserved(tmp_path: Path) -> Path:
    """A picture whose file forbids training."""
    text = PngImagePlugin.PngInfo()
    text.add_itxt("XML:com.adobe.xmp", "<plus:DataMining>DMI-PROHIBITED-AIMLTRAINING</plus:DataMining>")
    Image.new("RGB", (64, 64), (90, 60, 30)).save(tmp_path / "reserved.png", pnginfo=text)
    return tmp_path / "reserved.png"


def of(path: Path, artist: str) -> Candidate:
    return Candidate(FOLDER, f"{artist}.png", None, (path.as_uri(),), artist=artist)


@pytest.mark.parametrize("first", ["jane", "joan"])
def test_two_rows_with_the_same_bytes_under_other_terms(tmp_path: Path, reserved: Path, first: str) -> None:
    (tmp_path / "p.toml").write_text(
        '[[permission]]\nwho = "Jane"\ndate = 2026-05-01\ntext = "Yes."\nartist = "jane"\n'
    )
    terms = FetchContext(Http(None), OptOuts(), Permissions(tmp_path / "p.toml"))
    second = "joan" if first == "jane" else "jane"
    outcomes = {
        who: process_candidate(who, of(reserved, who), terms, tmp_path / "pictures").outcome for who in (first, second)
    }
    assert isinstance(outcomes["joan"], Rejection)
    assert outcomes["joan"].reason == "embedded_noai"
    kept = outcomes["jane"]
    assert isinstance(kept, Fetched)
    assert kept.path.read_bytes() == reserved.read_bytes()


def test_a_removed_files_twin_leaves_nothing_and_takes_nothing_away(tmp_path: Path, reserved: Path) -> None:
    stones = Tombstones()
    stones.add("sha256", sha256_file(reserved))
    there = tmp_path / "pictures" / sha256_file(reserved)[:2] / sha256_file(reserved)
    there.parent.mkdir(parents=True)
    there.write_bytes(b"another row's")
    outcome = process_candidate(
        "a", of(reserved, "jane"), FetchContext(Http(None), OptOuts(None, stones), Permissions()), tmp_path / "pictures"
    )
    assert isinstance(outcome.outcome, Rejection)
    assert outcome.outcome.reason == "removed"
    assert there.read_bytes() == b"another row's"
    assert not list((tmp_path / "pictures").rglob("*.part"))
