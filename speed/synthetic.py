"""A build's ledger of any size without its pictures: rows as the stages leave them, with planted copies among them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from aahq.candidates import Candidate
from aahq.dedup.embedding import WIDTH, flip
from aahq.ledger import Ledger, face_id, picture_id
from suite.files import canonical_json, sha256_bytes

# Of so many faces one is a copy of an earlier one, and every third copy is mirrored.
COPIES = 20
# Directions in which descriptors differ: as many as hold four fifths of those of painted portraits.
DIRECTIONS = 96
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


def make_ledger(out: Path, count: int, seed: int = 0, state: str = "aligned") -> None:
    """A ledger in `out` of `count` pictures with a face each, all aligned; no file of theirs exists.

    Args:
        out: the build's folder.
        count: of faces.
        seed: of all that is random.
        state: of the faces.
    """
    out.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    values = descriptors(count, seed, room=out / "descriptors.tmp")
    consent = canonical_json([{"check": "source", "value": "synthetic", "time": "2026-01-01T00:00:00+00:00"}])
    points = json.dumps([[40, 50], [80, 50], [45, 90], [75, 90]])
    with Ledger(out, create=True) as ledger:
        for start in range(0, count, 10_000):
            with ledger.transaction():
                for number in range(start, min(start + 10_000, count)):
                    _add(ledger, number, values[number], rng, consent, points, state)
    del values
    (out / "descriptors.tmp").unlink()


def _add(
    ledger: Ledger, number: int, descriptor: np.ndarray, rng: np.random.Generator, consent: str, points: str, state: str
) -> None:
    key = f"work-{number:08}"
    artist = f"artist {number % 10_007}"
    picture = picture_id("synthetic", key)
    ledger.add_candidate(
        Candidate(
            "synthetic",
            key,
            f"https://example.org/{key}",
            (f"https://example.org/{key}.jpg",),
            title=key,
            artist=artist,
        )
    )
    digest = sha256_bytes(key.encode())
    hashes = [f"{int(value):016x}" for value in rng.integers(0, 2**64, 3, dtype=np.uint64)]
    ledger.update(
        "pictures", picture, state="faced", consent=consent, file=f"pictures/{digest[:2]}/{digest}", response_sha256=digest,
        pixel_sha256=sha256_bytes(digest.encode()), phash=hashes[0], width=512, height=512, license="CC0",
    )  # fmt: skip
    face, own = face_id(picture, 0), sha256_bytes(f"face {key}".encode())
    ledger.insert(
        "faces",
        {
            "id": face, "picture": picture, "number": 0, "box": "[30,40,90,100]", "landmarks": points, "detector": "list",
            "score": 1.0, "inter_ocular": 40.0, "state": state, "recipe": "synthetic", "size": 64,
            "file": f"faces/{own[:2]}/{own}.png", "sha256": own, "pixel_sha256": own, "phash": hashes[1],
            "phash_mirror": hashes[2], "quality": canonical_json({**_SCORES, "quad_side": float(300 + number % 97)}),
        },
    )  # fmt: skip
    ledger.db.execute("INSERT INTO descriptors (id, embedding) VALUES (?, ?)", (face, descriptor.tobytes()))
