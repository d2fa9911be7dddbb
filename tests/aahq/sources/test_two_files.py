"""A new source is a file and a row: nothing else in the house knows it by name."""

from __future__ import annotations

import re
from pathlib import Path

from aahq.sources import SOURCES

ROOM = Path(__file__).resolve().parents[3] / "aahq"
# Sources with a part of their own: local files, a list of addresses, the paper's list, and the site that the demo imitates.
KNOWN_BY_NAME = {"folder", "urls", "aahq-list", "artstation"}


def test_a_source_stands_in_two_files() -> None:
    texts = {
        path.relative_to(ROOM).as_posix(): path.read_text()
        for path in ROOM.rglob("*.py")
        if path.relative_to(ROOM).parts[0] != "painted"
    }
    for name in SOURCES.keys() - KNOWN_BY_NAME:
        module = SOURCES[name].partition(":")[0].rpartition(".")[2]
        mention = re.compile(rf"[\"']{name}[\"']|sources\.{module}\b")
        assert {path for path, text in texts.items() if mention.search(text)} == {
            f"sources/{module}.py",
            "sources/__init__.py",
        }
