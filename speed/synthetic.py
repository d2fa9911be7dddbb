"""A build's ledger of any size: rows as the stages leave them, with planted copies among them, and tiny faces."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

import numpy as np

from aahq.candidates import Candidate
from aahq.dedup.embedding import WIDTH, flip
from aahq.folder import content_path
from aahq.ledger import Ledger, face_id, picture_id
from aahq.release.store import encode_png
from aahq.remove.spellings import keep_spellings
from suite.files import canonical_json, sha256_bytes, write_whole

# Of so many faces one is a copy of an earlier one, and every third copy is mirrored.
COPIES = 20
# Directions in which descriptors differ: as many as hold four fifths of those of painted portraits.
DIRECTIONS = 96
# Face files that all rows share, and their side.
FILES, SIDE = 97, 16
CONSENT = canonical_json([{"check": "source", "value": "synthetic", "time": "2026-01-01T00:00:00+00:00"}])
POINTS = json.dumps([[40, 50], [80, 50], [45, 90], [75, 90]])
_SCORES = {
    "quad_side": 400.0, "inter_ocular": 100.0, "sharpness": 0.4, "blockiness": 1.0, "brightness": 120.0,
    "contrast": 50.0, "yaw": 5.0, "pitch": 5.0, "outside": 0.0,
}  # fmt: skip


def descriptors(count: int, seed: int = 0, batch: int = 4096, room: Path | None = None) -> np.ndarray:
    """float16 (count, WIDTH) of length one; `copy_of(n)` says which is near which. In the file `room`, if it is given."""
    shape = (count, WIDTH)
    out = np.empty(shape, np.float16) if room is None else np.memmap(room, np.float16, "w+", shape=shape)
    base = np.random.default_rng(seed).standard_normal((DIRECTIONS, WIDTH)).astype(np.float32)
    for start in range(0, count, batch):
        rows = min(batch, count - start)
        rng = np.random.default_rng((seed, start))
        made = rng.standard_normal((rows, DIRECTIONS)).astype(np.float32) @ base
        made += rng.standard_normal(made.shape).astype(np.float32) * 3
        made /= np.linalg.norm(made, axis=1, keepdims=True)
        for row in range(rows):
            of = copy_of(start + row)
            if of is not None:
                source = made[of - start] if of >= start else out[of].astype(np.float32)
                source = flip(source) if mirrored(start + row) else source
                near = source + made[row] * rng.uniform(0.1, 0.5)
                made[row] = near / np.linalg.norm(near)
        out[start : start + rows] = made
    return out


def copy_of(number: int) -> int | None:
    """The earlier face of which this one is a copy."""
    return number // 2 if number % COPIES == COPIES - 1 else None


def mirrored(number: int) -> bool:
    """Whether the copy is mirrored."""
    return number // COPIES % 3 == 0


def make_ledger(out: Path, count: int, seed: int = 0, state: str = "aligned", embed: bool = True) -> None:
    """A ledger in `out` of `count` pictures with a face each; the faces' files are a few tiny pictures, over and over.

    Args:
        out: the build's folder.
        count: of faces.
        seed: of all that is random.
        state: of the faces.
        embed: with a descriptor each.
    """
    out.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    values = descriptors(count, seed, room=out / "descriptors.tmp") if embed else None
    files = [_tiny(out, number) for number in range(FILES)]
    with Ledger(out, create=True) as ledger:
        # Nothing to fill in: the same form as in the ledger.
        keep_spellings(ledger)
        with _without_indexes(ledger):
            for start in range(0, count, 10_000):
                numbers = range(start, min(start + 10_000, count))
                hashes = rng.integers(0, 2**64, (len(numbers), 3), dtype=np.uint64).tolist()
                rows = [_rows(n, drawn, state, files[n % FILES]) for n, drawn in zip(numbers, hashes, strict=True)]
                with ledger.transaction():
                    _insert(ledger, "pictures", [picture for picture, _, _ in rows])
                    _insert(ledger, "faces", [face for _, face, _ in rows])
                    ledger.db.executemany(
                        "INSERT INTO spellings VALUES (?, ?)", [pair for _, _, all_ in rows for pair in all_]
                    )
                    if values is not None:
                        kept = [
                            (face["id"], values[n].tobytes()) for n, (_, face, _) in zip(numbers, rows, strict=True)
                        ]
                        ledger.db.executemany("INSERT INTO descriptors (id, embedding) VALUES (?, ?)", kept)
    if values is not None:
        del values
        (out / "descriptors.tmp").unlink()


@contextmanager
def _without_indexes(ledger: Ledger) -> Iterator[None]:
    """Indexes and triggers away while rows are added: made at the end, they take a tenth of the time."""
    query = "SELECT type, name, sql FROM sqlite_master WHERE type IN ('index', 'trigger') AND sql IS NOT NULL"
    made = [tuple(row) for row in ledger.rows(query)]
    for kind, name, _ in made:
        ledger.db.execute(f"DROP {kind} {name}")
    ledger.db.execute("PRAGMA foreign_keys = OFF")
    yield
    for _, _, sql in made:
        ledger.db.execute(sql)
    ledger.db.execute("PRAGMA foreign_keys = ON")


def _tiny(out: Path, number: int) -> tuple[str, str]:
    """A face's file of `SIDE` pixels: its path in the folder and its digest."""
    png = encode_png(np.random.default_rng(number).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8))
    digest = sha256_bytes(png)
    path = content_path("faces", digest, ".png")
    write_whole(out / path, png)
    return path, digest


def _insert(ledger: Ledger, table: str, rows: list[dict[str, object]]) -> None:
    names = ", ".join(rows[0])
    marks = ",".join("?" * len(rows[0]))
    ledger.db.executemany(f"INSERT INTO {table} ({names}) VALUES ({marks})", [tuple(row.values()) for row in rows])


def _rows(
    number: int, drawn: list[int], state: str, file: tuple[str, str]
) -> tuple[dict[str, object], dict[str, object], list[tuple[str, str]]]:
    """A picture's row, its face's, and the spellings of the picture."""
    key, artist = f"work-{number:08}", f"artist {number % 10_007}"
    page, image = f"https://example.org/{key}", f"https://example.org/{key}.jpg"
    id = picture_id("synthetic", key)
    digest = sha256_bytes(key.encode())
    hashes = [f"{value:016x}" for value in drawn]
    picture = {
        "id": id, "source": "synthetic", "key": key, "page_url": page, "image_url": image, "artist": artist,
        "title": key, "license": "CC0", "published": "",
        "candidate": _candidate().replace("KEY", key).replace("ARTIST", artist),
        "state": "faced", "consent": CONSENT, "file": f"pictures/{digest[:2]}/{digest}", "response_sha256": digest,
        "pixel_sha256": sha256_bytes(digest.encode()), "phash": hashes[0], "width": 512, "height": 512,
    }  # fmt: skip
    face = {
        "id": face_id(id, 0), "picture": id, "number": 0, "box": "[30,40,90,100]", "landmarks": POINTS, "detector": "list",
        "score": 1.0, "inter_ocular": 40.0, "state": state, "recipe": "synthetic", "size": SIDE, "file": file[0],
        "sha256": file[1], "pixel_sha256": sha256_bytes(f"face {key}".encode()), "phash": hashes[1],
        "phash_mirror": hashes[2], "quality": _quality(number % 97),
        "cluster": face_id(id, 0) if state == "kept" else None, "keeper": int(state == "kept"),
        "split": ("val", "test", "train")[min(number % 20, 2)],
    }  # fmt: skip
    spelt = (key, artist, f"example.org/{key}", f"example.org/{key}.jpg")
    return picture, face, [(id, text) for text in spelt]


@lru_cache
def _candidate() -> str:
    return Candidate(
        "synthetic", "KEY", "https://example.org/KEY", ("https://example.org/KEY.jpg",), title="KEY", artist="ARTIST"
    ).to_json()


@lru_cache
def _quality(number: int) -> str:
    return canonical_json({**_SCORES, "quad_side": float(300 + number)})
