"""The columns of a release's two tables: one place that writer, cards, documentation and tests read."""

from __future__ import annotations

from typing import Any, NamedTuple

import pyarrow as pa

SCHEMA_VERSION = 1
FORMS = ("folder", "shards", "links")
SPLITS = ("train", "val", "test")
# The name by which Hugging Face's `datasets` knows the rows of a folder of pictures.
LOADER_TABLE = "metadata.parquet"
DATASHEET, CROISSANT = "DATASHEET.md", "croissant.json"
CARD_FILES = (DATASHEET, CROISSANT)
MANIFEST, REJECTS, METADATA, SUMS = "manifest.parquet", "rejects.parquet", "release.json", "SHA256SUMS"
# Over the checksums, by `aahq sign`: see suite/signing.py. No checksum covers it.
SIGNATURE = SUMS + ".sig"
# What a release may hold after a removal, and what tells of it: see aahq/remove and aahq/release/cards.
EXTRAS = ("superseded.json", "removals.json")
# The list of what is own, while a release is written: see aahq/release/own.py.
UNFINISHED = ".unfinished"
OWN_FILES = frozenset((MANIFEST, REJECTS, METADATA, SUMS, SIGNATURE, *EXTRAS, *CARD_FILES, "images", "shards"))


class Column(NamedTuple):
    """One column: its Arrow type, whether a cell may be null, and what it holds."""

    type: pa.DataType
    nullable: bool
    what: str


def _text(what: str, nullable: bool = False) -> Column:
    return Column(pa.string(), nullable, what)


def _whole(what: str, nullable: bool = False) -> Column:
    return Column(pa.int64(), nullable, what)


COLUMNS: dict[str, Column] = {
    "id": _text("the face's name, unique in the release; rows are sorted by it"),
    "file": _text(
        "relative path of the aligned PNG; `shards/train-00000.tar#id.png` in a shard; empty where only the link is given"
    ),
    "offset": _whole("byte offset of the PNG in its file (0 in a folder)"),
    "bytes": _whole("length of the PNG in bytes"),
    "sha256": _text("SHA-256 of the PNG's bytes"),
    "pixel_sha256": _text("SHA-256 of `rgb8 <height> <width>\\n` and the decoded RGB bytes, row by row"),
    "phash": _text("64-bit perceptual hash of the aligned face, 16 hex digits"),
    "domain": _text("`art` or `photo`"),
    "split": _text("`train`, `val` or `test`; a cluster never straddles two"),
    "cluster": _text("the near-duplicate cluster's name"),
    "width": _whole("of the aligned picture, pixels"),
    "height": _whole("of the aligned picture, pixels"),
    "source": _text("the adapter that found the work"),
    "key": _text("the picture's name at its source"),
    "page_url": _text("the work's page"),
    "image_url": _text("the address that the picture was fetched from"),
    "artist": _text("as the source names them"),
    "title": _text("as the source names it"),
    "license": _text("the terms of this one picture, as stated by its source"),
    "published": _text("date of the work as stated by its source, or empty"),
    "medium": _text("what it is made with, as stated by its source, or empty"),
    "made": _text("when it was made, as stated by a museum, or empty"),
    "tags": _text("JSON list of the source's tags"),
    "consent": _text("JSON: why the picture may be used, with the evidence"),
    "face": _whole("number of the face in its picture, from 0"),
    "response_sha256": _text("SHA-256 of the bytes that the source sent"),
    "source_pixel_sha256": _text("SHA-256 of the whole picture's canonical RGB bytes"),
    "source_phash": _text("perceptual hash of the whole picture, 16 hex digits"),
    "source_width": _whole("of the whole picture, pixels"),
    "source_height": _whole("of the whole picture, pixels"),
    "recipe": _text("the alignment recipe's name, filters included"),
    "landmarks": _text("JSON list of [x, y] in the whole picture: 68 points, or the list's 4"),
    "detector": _text("what found the face"),
    "quality": _text("JSON object of the measured figures"),
    "factors": _text("JSON object of a painted portrait's true factors, null for anything else", nullable=True),
}

# What lies beside the pictures for others' loaders: the manifest's rows, without where the picture is.
LOADER_COLUMNS: dict[str, Column] = {
    "file_name": _text("relative path of the picture"),
    **{name: column for name, column in COLUMNS.items() if name not in ("file", "offset")},
}

REJECT_COLUMNS: dict[str, Column] = {
    "id": _text("picture or face"),
    "source": _text("the adapter that found the work"),
    "key": _text("the picture's name at its source"),
    "page_url": _text("the work's page"),
    "image_url": _text("the first address of the picture"),
    "artist": _text("as the source names them"),
    "title": _text("as the source names it"),
    "license": _text("the terms as stated by the source"),
    "stage": _text("which stage dropped it"),
    "reason": _text("a word; the documentation lists them"),
    "detail": _text("the evidence or number behind it"),
}

# What a row may leave out, and what stands there then. Everything else must be given or is computed by the writer.
DEFAULTS: dict[str, Any] = {
    "key": "",
    "page_url": "",
    "image_url": "",
    "artist": "",
    "title": "",
    "published": "",
    "medium": "",
    "made": "",
    "tags": "[]",
    "consent": "{}",
    "face": 0,
    "response_sha256": "",
    "source_pixel_sha256": "",
    "source_phash": "",
    "source_width": 0,
    "source_height": 0,
    "landmarks": "[]",
    "detector": "",
    "quality": "{}",
    "factors": None,
}


def arrow_schema(columns: dict[str, Column]) -> pa.Schema:
    """The Arrow schema of a table, in column order and without metadata (which would change its bytes)."""
    return pa.schema([pa.field(name, column.type, nullable=column.nullable) for name, column in columns.items()])
