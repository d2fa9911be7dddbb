"""Who opted out is named nowhere in what is handed on: every byte of every form of release is searched, unpacked too."""

from __future__ import annotations

import json
import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pyarrow.parquet as pq
import pytest

from aahq import pipeline
from aahq.ledger import Ledger
from aahq.pipeline import open_build
from aahq.remove.remove import Wanted, remove

ARTIST, ACCOUNT, TITLE = "Wilhelmina Żółć", "wzolc_paints", "Nocturne with 77 lanterns"
PAGE = f"https://www.artstation.com/artwork/{ACCOUNT}"
KEYS = ("p0.png", "p3.png", "q_copy.png", "q_mirror.png", "r_slope.png", "s_cut.png")
FORMS = ("folder", "shards", "links")


def texts(root: Path) -> Iterator[tuple[str, bytes]]:
    """Every file of a release; tables cell by cell, as their pages are packed, and what lies in shards."""
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        yield "a name", name.encode()
        if not path.is_file():
            continue
        yield name, path.read_bytes()
        if path.suffix == ".parquet":
            for row in pq.read_table(path).to_pylist():
                yield name, "\n".join(str(value) for value in row.values()).encode()
            yield name, repr(pq.ParquetFile(path).metadata.to_dict()).encode()
        if path.suffix == ".tar":
            with tarfile.open(path) as shard:
                for member in shard:
                    yield name, member.name.encode() + shard.extractfile(member).read()  # type: ignore[union-attr]


def spellings(word: str) -> set[bytes]:
    """A word as text, in another case, in JSON's escapes, in an address, and in UTF-16."""
    forms = {word, word.casefold(), word.upper(), json.dumps(word)[1:-1], quote(word), quote(word).lower()}
    return {form.encode() for form in forms} | {word.encode("utf-16-le")}


def found(root: Path) -> list[tuple[str, str]]:
    words = {word: spellings(word) for word in (ARTIST, ACCOUNT, TITLE)}
    return sorted(
        {(name, word) for name, data in texts(root) for word, forms in words.items() if any(f in data for f in forms)}
    )


@pytest.fixture
def out(built: Path, tmp_path: Path) -> Path:
    """A build in which one artist has kept, doubled, rejected and unreadable works, each with their name and page."""
    out = tmp_path / "out"
    shutil.copytree(built, out)
    with Ledger(out) as ledger:
        for key in KEYS:
            row = ledger.db.execute("SELECT id, candidate FROM pictures WHERE key = ?", (key,)).fetchone()
            told = {
                **json.loads(row["candidate"]),
                **{"artist": ACCOUNT, "title": TITLE, "page_url": PAGE, "tags": [ACCOUNT]},
            }
            told["extra"] = {**told["extra"], "artist_name": ARTIST}
            plain = {"artist": ARTIST, "title": TITLE, "page_url": PAGE, "candidate": json.dumps(told)}
            ledger.update("pictures", row["id"], **plain)
    with open_build(out, workers=1) as build:
        for form in FORMS:
            pipeline.release(build, out=tmp_path / form, form=form)
    return out


def test_the_search_finds_what_is_there(out: Path, tmp_path: Path) -> None:
    for form in FORMS:
        named = found(tmp_path / form)
        assert {word for _, word in named} == {ARTIST, ACCOUNT, TITLE}
        assert {name for name, _ in named} >= {"manifest.parquet", "rejects.parquet"}
    assert ("shards/train-00000.tar", ARTIST) in found(tmp_path / "shards")
    assert ("images/train/metadata.parquet", ARTIST) in found(tmp_path / "folder")


def test_who_opts_out_is_in_no_byte_of_a_release(out: Path, tmp_path: Path) -> None:
    (tmp_path / "optouts.txt").write_text(f"artist: {ACCOUNT}\nurl: {PAGE}\n")
    with open_build(out, policy={"optouts": str(tmp_path / "optouts.txt")}, workers=1) as build:
        assert pipeline.crawl(build).reasons["opted_out"] == len(KEYS)
    for form in FORMS:
        assert found(tmp_path / form) == [], form
    with open_build(out, workers=1) as build:
        for stage in pipeline.STAGES[1:-1]:
            pipeline.RUN[stage](build)
        for form in FORMS:
            pipeline.release(build, out=tmp_path / form, form=form, public=form != "links")
    for form in FORMS:
        assert found(tmp_path / form) == [], form


def test_what_is_removed_is_in_no_byte_of_a_release(out: Path, tmp_path: Path) -> None:
    with Ledger(out) as ledger:
        remove(ledger, Wanted(artists=(ACCOUNT, ARTIST), works=(PAGE,)))
    for form in FORMS:
        assert found(tmp_path / form) == [], form
