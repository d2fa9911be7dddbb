"""The lists of the review page: names by the ledger's indexes, rows in windows, filters as over all rows."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from browser import browser, page  # noqa: F401
from local_page import LocalPage
from PIL import Image

from aahq.candidates import Candidate
from aahq.ledger import Ledger, face_id, picture_id
from aahq.review.catalog import BUCKETS, Catalog, Item
from aahq.review.log import Decision, Decisions, read_log
from aahq.review.views import MOST_VIEWS, Filters, View, Views, select
from suite.files import sha256_file

if TYPE_CHECKING:
    from playwright.sync_api import Page

STATES = ("kept", "rejected", "duplicate", "unique", "aligned", "found")


def make(out: Path, count: int) -> None:
    """Faces in every state, some flagged, some moved by review, some without a file; every seventh picture without a face."""
    file = out / "faces" / "one.png"
    file.parent.mkdir(parents=True)
    Image.new("RGB", (32, 32), (200, 120, 40)).save(file)
    digest = sha256_file(file)
    with Ledger(out, create=True) as ledger, ledger.transaction():
        for number in range(count):
            source, key = ("met", "artic", "folder")[number % 3], str(number)
            ledger.add_candidate(Candidate(source, key, None, (), title=f"Work {number}"))
            picture = picture_id(source, key)
            ledger.update("pictures", picture, state="faced", file="faces/one.png", width=32, height=32)
            if number % 7 == 0:
                ledger.reject("pictures", picture, "faces", ("no_face", "tiny")[number % 2], "none")
                continue
            state = STATES[number % 11 if number % 11 < 6 else 0]
            made = state not in ("found", "rejected") or number % 2 == 0
            row = {
                "id": face_id(picture, 0), "picture": picture, "number": 0, "box": "[0,0,1,1]", "landmarks": "[]",
                "detector": "hog", "score": 1.0, "inter_ocular": 9.0, "state": state,
                "stage": "quality" if state == "rejected" else "", "reason": "blurred" if state == "rejected" else "",
                "flag": "quality_pose: turned" if number % 5 == 0 and state in ("kept", "unique") else "",
                "file": "faces/one.png" if made else None, "sha256": digest if made else None,
                "quality": json.dumps({"sharpness": number % 13 / 10}) if number % 3 else "broken",
            }  # fmt: skip
            ledger.insert("faces", row)
            if number % 4 == 0 and state in ("kept", "rejected"):
                was = {name: row[name] for name in ("id", "state", "stage", "reason", "flag")}
                ledger.insert("before_review", {**was, "detail": ""})
                ledger.update("faces", row["id"], state="rejected", stage="review", reason="reviewer", flag="")


def all_rows(out: Path) -> list[tuple[str, str, str]]:
    """(bucket, name, reason) of everything, by looking at every row."""
    found: list[tuple[str, str, str]] = []
    with Ledger(out) as ledger:
        for row in ledger.rows(
            "SELECT f.*, b.state AS s, b.reason AS r, b.flag AS g FROM faces f LEFT JOIN before_review b USING (id)"
        ):
            if row["file"] is None:
                continue
            state, reason, flag = (
                (row["s"], row["r"], row["g"])
                if row["stage"] == "review"
                else (row["state"], row["reason"], row["flag"])
            )
            if state == "kept" and flag:
                found.append(("borderline", row["id"], flag.partition(":")[0]))
            elif state in ("kept", "rejected", "duplicate"):
                found.append((state, row["id"], reason))
            else:
                found.append(("unfinished", row["id"], ""))
        faceless = ledger.rows("SELECT id, reason FROM pictures WHERE state = 'rejected'")
        found += [("no face", face_id(row["id"], 0), row["reason"]) for row in faceless]
    return sorted(found, key=lambda one: (BUCKETS.index(one[0]), one[1]))


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("many") / "out"
    make(out, 600)
    return out


def names(rows: list[tuple[str, str, str]]) -> list[str]:
    return [id for _, id, _ in rows]


def test_the_list_is_that_of_all_rows(many: Path) -> None:
    catalog, rows = Catalog.read(many), all_rows(many)
    assert {bucket for bucket, _, _ in rows} == set(BUCKETS), "else this shows little"
    assert catalog.ids == names(rows)
    assert [(item.bucket, item.id, item.reason) for item in catalog.items] == rows
    assert catalog.counts == {bucket: sum(one[0] == bucket for one in rows) for bucket in BUCKETS}
    assert catalog.words()["reason"] == {
        reason: sum(one[2] == reason for one in rows) for reason in sorted({reason for _, _, reason in rows})
    }
    assert sum(catalog.words()["source"].values()) == len(rows)
    assert {catalog.source(item.id) == item.source for item in catalog.items} == {True}


def test_the_list_is_read_from_indexes_alone(many: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    opened = Ledger.__init__

    def watched(self: Ledger, folder: Path) -> None:
        opened(self, folder)
        self.db.set_trace_callback(asked.append)

    monkeypatch.setattr(Ledger, "__init__", watched)
    Catalog.read(many)
    monkeypatch.undo()
    with Ledger(many) as ledger:
        plans = [row["detail"] for sql in asked for row in ledger.rows(f"EXPLAIN QUERY PLAN {sql}")]
    assert len(asked) > 5
    assert not [step for step in plans if step.startswith("SCAN") and "USING" not in step], plans
    assert not [step for step in plans if "TEMP B-TREE" in step]
    # The others hold few names: what is flagged, moved, without a file or without a face.
    large = ("USING INDEX faces_by_", "USING INDEX pictures_by_")
    assert not [step for step in plans if any(name in step for name in large)], "an index of all rows has to be enough"


def test_filters_choose_what_fits(many: Path) -> None:
    catalog, rows = Catalog.read(many), all_rows(many)
    items = {item.id: item for item in catalog.items}
    said = Decisions()

    def decide(nonce: int, id: str, who: str, act: str, **more: object) -> None:
        said.add(Decision(act=act, nonce=f"nonce-{nonce:04}", reviewer=who, id=id, **more))  # type: ignore[arg-type]

    placed = ((1, 1), (9, 1), (5, 4), (2, 8), (8, 8))
    for n, id in enumerate(catalog.ids[::5]):
        decide(n, id, "ann", *(("keep",) if n % 2 else ("drop",)), **({} if n % 2 else {"reason": "blurred"}))
    for n, id in enumerate(catalog.ids[::50]):
        decide(1000 + n, id, "ann", "keep", points=placed)
        decide(2000 + n, id, "ben", "keep")
    own = said.own("ann")

    def fits(asked: Filters, item: Item) -> bool:
        line = own.get(item.id)
        mine = {
            "any": True, "open": line is None, "keep": line is not None and line.act == "keep",
            "drop": line is not None and line.act == "drop", "placed": line is not None and line.points is not None,
        }[asked.mine]  # fmt: skip
        value = item.scores.get("sharpness")
        scored = asked.score == "" or (value is not None and (asked.low or 0) <= value <= (asked.high or 9))
        shown = asked.bucket is None or item.bucket in asked.bucket
        off = item.reason in asked.reason_off or item.source in asked.source_off
        return mine and scored and shown and not off and (not asked.by or item.id in said.own(asked.by))

    for asked in (
        Filters(),
        Filters(bucket=["kept", "no face"]),
        Filters(bucket=[]),
        Filters(reason_off=["", "no_face"]),
        Filters(source_off=["met"]),
        Filters(source_off=["artic", "folder"], reason_off=["blurred"]),
        *(Filters(reviewer="ann", mine=mine) for mine in ("open", "keep", "drop", "placed")),
        Filters(reviewer="ann", by="ben"),
        Filters(score="sharpness", low=0.3, high=0.7),
    ):
        assert select(catalog, asked, said) == [id for id in names(rows) if fits(asked, items[id])], asked
    for order in ("up", "down"):
        sorted_ = select(catalog, Filters(score="sharpness", order=order), said)
        values = [items[id].scores["sharpness"] for id in sorted_]
        assert values == sorted(values, reverse=order == "down")
        assert len(sorted_) == sum("sharpness" in item.scores for item in items.values())


def test_a_view_finds_places_and_what_is_next() -> None:
    line = Decision(act="keep", nonce="nonce-01", reviewer="ann", id="b")
    drop = Decision(act="drop", nonce="nonce-02", reviewer="ann", id="c", reason="other")
    view = View(1, ["a", "b", "c", "d"])
    own = {"b": line, "c": drop, "x": line}
    assert (view.place("c"), view.place("x")) == (2, None)
    assert view.tally(own) == (1, 1)
    assert [view.next_open(after, own) for after in range(4)] == [3, 3, 3, 0]
    assert view.next_open(0, dict.fromkeys("abcd", line)) is None
    assert View(2, []).next_open(0, {}) is None


def test_the_last_lists_are_kept() -> None:
    views = Views()
    first = views.add(["a"])
    for _ in range(MOST_VIEWS - 1):
        views.add(["b"])
    assert views.get(first.name) is first
    views.add(["c"])
    assert views.get(first.name) is first, "what is asked for stays"
    assert views.get(first.name + 1) is None


def test_a_face_that_was_taken_out_meanwhile_is_no_longer_there(many: Path, tmp_path: Path) -> None:
    make(tmp_path / "out", 60)
    catalog = Catalog.read(tmp_path / "out")
    gone, kept = catalog.ids[20], catalog.ids[21]
    with sqlite3.connect(tmp_path / "out" / "ledger.sqlite") as db:
        db.execute("DELETE FROM faces WHERE id = ?", (gone,))
    assert [item.id for item in catalog.page([gone, kept])] == [kept]
    assert catalog.item(gone) is None


@pytest.fixture
def served(tmp_path: Path) -> Iterator[LocalPage]:
    make(tmp_path / "out", 1500)
    here = LocalPage.start(["aahq", "review", str(tmp_path / "out"), "--reviewer", "ann"])
    yield here
    here.stop()


@pytest.mark.browser
@pytest.mark.slow
def test_many_faces_come_in_windows(page: Page, served: LocalPage, tmp_path: Path) -> None:  # noqa: F811
    rows = [one for one in all_rows(tmp_path / "out") if one[0] != "duplicate"]
    sent: list[str] = []
    page.on("response", lambda answer: sent.append(answer.url) if "/api/tiles" in answer.url else None)
    page.goto(served.url)
    page.wait_for_selector("body[data-ready]")
    shown = page.locator("#shown").text_content()
    assert shown is not None
    assert shown.startswith(f"{len(rows):,} of ")
    assert len(sent) <= 1, "the first sheet needs no more than the window that it lies in"

    def here(number: int) -> None:
        page.wait_for_selector(f".tile.here[aria-label^='Face {number}: ']")

    page.keyboard.press("End")
    here(len(rows))
    # An ordinary keep at the other end, and the next undecided one from there is the first of all.
    page.keyboard.press("k")
    page.keyboard.press("n")
    here(1)
    page.wait_for_function("() => document.getElementById('tally').textContent.includes('✓ 1')")
    # Back to what is taken back, wherever it is.
    page.keyboard.press("u")
    here(len(rows))
    page.wait_for_function("() => document.getElementById('tally').textContent.includes('✓ 0')")
    page.keyboard.press("ArrowLeft")
    here(len(rows) - 1)
    # The cursor stays at its face when the filters change.
    label = page.locator(".tile.here .label").text_content()
    page.get_by_role("group", name="State").get_by_label("kept").uncheck()
    fewer = [one for one in rows if one[0] != "kept"]
    here(len(fewer) - 1)
    assert page.locator(".tile.here .label").text_content() == label
    page.get_by_role("group", name="Source").get_by_label("met").uncheck()
    page.wait_for_function(f"() => !document.getElementById('shown').textContent.startsWith('{len(fewer):,} ')")
    page.wait_for_function("() => document.getElementById('saved').textContent === 'all saved'")
    assert read_log(tmp_path / "out").own("ann") == {}
