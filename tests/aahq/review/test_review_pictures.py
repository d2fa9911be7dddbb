"""Tiles are made in the order in which somebody still looks for them."""

from __future__ import annotations

import os
import sqlite3
import threading
from pathlib import Path

import pytest

from aahq.review import pictures
from aahq.review.catalog import Item
from suite.errors import SuiteError


def item(number: int, row: sqlite3.Row) -> Item:
    return Item(f"{number:04}-00", "kept", "", "", "faces/x.png", "0" * 12, "x.png", "met", row)


@pytest.fixture
def row() -> sqlite3.Row:
    db = sqlite3.connect(":memory:")
    db.row_factory = sqlite3.Row
    return db.execute("SELECT 1 AS one").fetchone()


def test_the_newest_tile_is_made_first_and_the_oldest_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, row: sqlite3.Row
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    monkeypatch.setattr(pictures, "MOST_WAITING", 3)
    here = pictures.Pictures(tmp_path)
    begun, go, made = threading.Event(), threading.Event(), []

    def tile(wanted: Item) -> bytes:
        begun.set()
        assert go.wait(20)
        made.append(wanted.id)
        return wanted.id.encode()

    monkeypatch.setattr(here, "tile", tile)
    first = here.make_tile(item(0, row))
    assert begun.wait(20)
    later = [here.make_tile(item(number, row)) for number in (1, 2, 3, 4)]
    with pytest.raises(SuiteError, match="moved on"):
        later[0].result(20)
    go.set()
    assert first.result(20) == b"0000-00"
    assert [one.result(20) for one in later[1:]] == [b"0002-00", b"0003-00", b"0004-00"]
    here.close()
    assert made == ["0000-00", "0004-00", "0003-00", "0002-00"]
    assert here.made_tile(item(4, row)) == b"0004-00", "kept for the next visit"


def test_a_picture_that_cannot_be_read_is_told(tmp_path: Path, row: sqlite3.Row) -> None:
    here = pictures.Pictures(tmp_path)
    with pytest.raises(SuiteError, match=r"'aahq release .*' cuts lost faces again"):
        here.make_tile(item(1, row)).result(20)
    here.close()
