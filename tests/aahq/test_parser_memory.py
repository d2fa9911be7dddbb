"""Whatever a stranger sends, reading it takes memory within one total: 64 MiB and the bytes themselves (pages: 16 MiB).

Beside it stand `consent/test_rights_memory.py` (rights inside of files) and `web/test_client.py` (packed answers, robots.txt of
many hosts). Each body is as large as its reader takes; forms whose time would grow with the square would never end here.
"""

from __future__ import annotations

import json
import struct
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from aahq.consent.reservations import page_findings
from aahq.consent.site_reservations import FILE_MAX, SiteReservations, _tdmrep, rsl_findings
from aahq.reasons import Rejected
from aahq.release.own import has_card
from aahq.release.store import Pictures, decode_png
from aahq.release.tables import read_rows
from aahq.remove.tombstones import Tombstones
from aahq.sources.aahq_list import read_list
from aahq.sources.urls import read_rows as read_urls
from aahq.web.limits import Limits
from aahq.web.pages import challenge_body, why_no_page
from aahq.web.response import Response
from aahq.web.robots import Robots
from suite.errors import SuiteError

MOST = 64 << 20
TEXT = Limits().text_bytes
# What reading a page takes grows with its length alone; a quarter of the largest tells the same.
PAGE = TEXT // 4
SITE = "https://x.org"


def many(part: bytes, size: int) -> bytes:
    return part * (size // len(part))


def page(body: bytes) -> None:
    page_findings(body)
    why_no_page(f"{SITE}/a", f"{SITE}/a", 200, {"Content-Type": "text/html"}, body)
    challenge_body(body.decode("latin-1"))


def answer(body: bytes) -> None:
    Response(SITE, 200, {}, body).json()


def tdmrep(body: bytes) -> None:
    assert _tdmrep(f"{SITE}/.well-known/tdmrep.json", body)("/a")


def ai_txt(body: bytes) -> None:
    SiteReservations(lambda url: None, lambda url: (), "aahq")._ai_txt(f"{SITE}/ai.txt", body)("/a")  # type: ignore[arg-type, return-value]


def rsl(body: bytes) -> None:
    rsl_findings(body, f"{SITE}/license.xml", SITE, "/a")


def robots(body: bytes) -> None:
    class Reply:
        status = 200

    Reply.body = body  # type: ignore[attr-defined]
    Robots(lambda url: Reply(), "aahq").check(f"{SITE}/a")  # type: ignore[arg-type, return-value]


FORMS: dict[str, tuple[Callable[[bytes], None], bytes]] = {
    "JSON: empty lists": (answer, b"[" + many(b"[],", TEXT) + b"1]"),
    "JSON: small objects": (answer, b"[" + many(b'{"a":1},', TEXT) + b"1]"),
    "JSON: lists in lists": (answer, b"[" + many(b"[[[[[[]]]]]],", TEXT) + b"1]"),
    "JSON: short texts": (answer, b"[" + many(b'"ab",', TEXT) + b"1]"),
    "JSON: many keys": (answer, b"{" + b",".join(b'"%x":1' % n for n in range(600_000)) + b"}"),
    "JSON: deep": (answer, many(b"[", 150_000)),
    "page: one tag of many attributes": (page, b"<meta name=robots content=noai " + many(b"a%d=b ", PAGE) + b">"),
    "page: tags that never close": (page, many(b"<meta name='robots' content='noai", PAGE)),
    "page: comments that never close": (page, many(b"<!--", PAGE) + b"<meta content=noai>"),
    "page: titles that never close": (page, many(b"<title", PAGE)),
    "page: noscript that never closes": (page, many(b"<noscript>", PAGE)),
    "page: refreshes": (page, many(b"<meta http-equiv=refresh ", PAGE)),
    "page: escapes": (page, many(b"<link title='&#110;oai'>", PAGE)),
    "tdmrep.json: empty lists": (tdmrep, b"[" + many(b"[],", FILE_MAX)[:-1] + b"]"),
    "tdmrep.json: rules": (tdmrep, b"[" + many(b'{"location":"/"},', FILE_MAX)[:-1] + b"]"),
    "ai.txt: rules": (ai_txt, b"User-agent: *\n" + many(b"Allow: /\n", FILE_MAX)),
    "ai.txt: patterns": (ai_txt, b"User-agent: *\n" + many(b"Disallow: /*a*b*c*d\n", FILE_MAX)),
    "RSL: deep": (rsl, many(b"<a>", FILE_MAX)),
    "RSL: attributes": (rsl, b"<rsl " + b" ".join(b'a%x=""' % n for n in range(FILE_MAX // 12)) + b"/>"),
    "RSL: licences": (rsl, b"<rsl><content>" + many(b"<license/>", FILE_MAX) + b"</content></rsl>"),
    "robots.txt: rules": (robots, b"User-agent: *\n" + many(b"Allow: /\n", FILE_MAX)),
    "robots.txt: one line": (robots, b"User-agent: " + many(b"aahq,", PAGE)),
    "robots.txt: names": (robots, many(b"User-agent: aahq\n", FILE_MAX)),
}


def peak(work: Callable[[], Any]) -> int:
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("name", FORMS)
def test_an_answer_is_read_within_a_total(name: str) -> None:
    read, body = FORMS[name]

    def work() -> None:
        try:
            read(body)
        except Rejected as refused:
            assert refused.reason == "bad_record"  # noqa: PT017

    assert peak(work) < (MOST // 4 if read is page else MOST) + 3 * len(body)


def test_a_long_listing_is_read() -> None:
    """The Met's list of all its objects, and some more."""
    body = json.dumps({"total": 500_000, "objectIDs": list(range(500_000))}).encode()
    assert len(Response(SITE, 200, {}, body).json()["objectIDs"]) == 500_000


@pytest.mark.parametrize(
    ("tag", "no"),
    [
        (b"<meta name=robots content=noai>", True),
        (b"<META NAME='robots' CONTENT='&#110;oai'>", True),
        (b"<meta content='noai' a=\"x>\" name='robots'", True),
        (b"<link rel=license type=application/rsl+xml href=/l.xml>", True),
        (b"<meta name=googlebot content=noindex>", False),
        (b"<!-- <meta name=robots content=noai> -->", False),
    ],
)
def test_a_long_page_reserves_as_a_short_one(tag: bytes, no: bool) -> None:
    filler = b"<p>The works of None and a rsl.</p>" * 10_000
    assert bool(page_findings(b"<html>" + tag + b"<p>")) == no or b">" not in tag[-1:]
    assert bool(page_findings(b"<html>" + filler + tag + b"<meta name=end content=x>")) == no


def test_a_page_of_nothing_but_reserving_tags_is_a_no() -> None:
    assert page_findings(many(b"<meta name=x content='none' y", 400_000))[-1].no


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_no_encoding_hides_a_document_type(encoding: str) -> None:
    entities = "".join(f'<!ENTITY e{n + 1} "{f"&e{n};" * 10}">' for n in range(6))
    text = f'<?xml version="1.0" encoding="{encoding}"?><!DOCTYPE r [<!ENTITY e0 "x">{entities}]><r>&e6;</r>'
    (said,) = rsl_findings(text.encode(encoding), f"{SITE}/l.xml", SITE, "/a")
    assert (said.no, "a document type" in said.value) == (True, True)


def table(path: Path, rows: int, value: str) -> Path:
    texts = pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), [value])
    pq.write_table(pa.table({"id": [f"{n:x}" for n in range(rows)], "title": texts}), path)
    return path


@pytest.mark.parametrize(("rows", "length"), [(4096, 1 << 20), (64, 1 << 24)])
def test_a_table_that_unpacks_to_gigabytes_is_refused(tmp_path: Path, rows: int, length: int) -> None:
    bomb = table(tmp_path / "manifest.parquet", rows, "x" * length)
    assert bomb.stat().st_size < 3 << 20
    before = pa.total_allocated_bytes()

    def work() -> None:
        with pytest.raises(SuiteError, match="rows of more than 64 MiB"):
            list(read_rows(bomb))

    assert peak(work) < MOST
    assert pa.total_allocated_bytes() - before < MOST


@pytest.mark.parametrize("entry", ['"x"', '[0, 0, "x"]', '{"x": 1, "image_url": "x"}'])
def test_an_entry_of_a_list_that_would_fill_the_memory_is_refused(tmp_path: Path, entry: str) -> None:
    path = tmp_path / "list.json"
    first, _, last = entry.rpartition("x")
    path.write_text(f'{{"1.png": {first}{"x" * (64 << 20)}{last}}}')

    def work() -> None:
        with pytest.raises(SuiteError, match="an entry of more than 1 MiB"):
            list(read_list(path))

    assert peak(work) < MOST // 8


def test_a_list_of_any_length_is_read(tmp_path: Path) -> None:
    path = tmp_path / "list.json"
    path.write_text("{" + ",".join(f'"{n}.png": {{"raw_name": "{"x" * 1000}"}}' for n in range(3000)) + "}")
    assert sum(1 for _ in read_list(path)) == 3000


def test_a_table_in_one_large_group_is_read_in_parts(tmp_path: Path) -> None:
    path = table(tmp_path / "t.parquet", 40_000, "x" * 1000)
    assert peak(lambda: [None for row in read_rows(path, ("title",))]) < MOST // 4
    assert sum(row["title"] == "x" * 1000 for row in read_rows(path)) == 40_000


@pytest.mark.parametrize("file", ["images/ab/x.png", "shards/s-00000.tar#x.png"])
@pytest.mark.parametrize(("offset", "size"), [(0, 1 << 40), (-1, 5), (0, -1), (1 << 40, 5)])
def test_a_manifests_sizes_take_no_memory(tmp_path: Path, file: str, offset: int, size: int) -> None:
    path = tmp_path / file.partition("#")[0]
    path.parent.mkdir(parents=True)
    path.write_bytes(b"short")

    def work() -> None:
        with Pictures(tmp_path) as pictures:
            assert len(pictures.read(file, offset, size) or b"") <= 5

    assert peak(work) < MOST


def test_a_face_of_impossible_size_is_no_face() -> None:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    rows = zlib.compress(bytes(1 << 20), 9)
    head = struct.pack(">IIBBBBB", 12_000, 12_000, 8, 2, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    with pytest.raises(OSError, match="more than any face"):
        decode_png(bomb)


def test_a_list_without_lines_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_bytes(b"url,artist\n" + b"https://x.org/a.jpg," + b"a" * (32 << 20))

    def work() -> None:
        with pytest.raises(SuiteError, match="line 2: longer than"):
            list(read_urls(path))

    assert peak(work) < 16 << 20


@pytest.mark.parametrize("part", [b"[],", b'"ab",'])
def test_notes_of_a_strangers_release_are_read_within_a_total(tmp_path: Path, part: bytes) -> None:
    path = tmp_path / "removals.json"
    path.write_bytes(b'{"schema": 1, "salt": "' + b"0" * 32 + b'", "hashes": [' + many(part, TEXT)[:-1] + b"]}")

    def work() -> None:
        with pytest.raises(SuiteError, match="not usable as tombstones"):
            Tombstones.read(path)
        assert not has_card(path)

    assert peak(work) < 3 * MOST


def test_many_tombstones_are_read(tmp_path: Path) -> None:
    stones = Tombstones()
    stones.hashes = {f"{n:064x}" for n in range(20_000)}
    stones.write(tmp_path / "removals.json")
    assert Tombstones.read(tmp_path / "removals.json").hashes == stones.hashes
