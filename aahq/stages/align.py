"""Align stage: `found` faces become `aligned`: a PNG named by its content, cut by the recipe that the row names.

While picture and crop are at hand, what dedup compares and what quality judges is measured too: those stages then only
decide, and deciding again with other thresholds takes seconds.
"""

from __future__ import annotations

import json
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from aahq.dedup.embedding import embed
from aahq.faces.align import align as align_face
from aahq.faces.align import is_aligned
from aahq.faces.find import FoundFace
from aahq.folder import content_path
from aahq.images import decode
from aahq.images.hashes import phash64, phash_hex, pixel_sha256
from aahq.ledger import Ledger
from aahq.quality import assess
from aahq.reasons import Rejection, guarded
from aahq.release.store import encode_png
from aahq.remove.tombstones import Tombstones
from aahq.stages.engine import BATCH, Engine, StageStats
from aahq.stages.rows import Answers, Task, run_rows
from suite.files import canonical_json, sha256_bytes, write_whole

NAME = "align"
FACE_COLUMNS = ("id", "box", "landmarks", "detector", "score", "inter_ocular", "yaw", "pitch", "roll")


def run(ledger: Ledger, engine: Engine, size: int, tombstones: Tombstones | None = None) -> StageStats:
    """Align every found face to `size` pixels; pictures with a face that was taken out on request are forgotten."""
    total, work = ledger.count("faces", "found"), partial(_work, ledger.folder, size)

    def accept(id: str, made: dict[str, Any]) -> Rejection | None:
        if tombstones is not None and (
            tombstones.holds((made["pixel_sha256"],)) or tombstones.near_face(made["phash"])
        ):
            return Rejection("removed", "")
        keep_aligned(ledger, id, size, made)
        return None

    return run_rows(ledger, engine, NAME, "faces", total, _pending(ledger), work, accept, tombstones)


def keep_aligned(ledger: Ledger, id: str, size: int, made: dict[str, Any]) -> None:
    """Move a face to `aligned`, with what was measured of it; inside a transaction."""
    columns = {name: value for name, value in made.items() if name != "embedding"}
    ledger.update("faces", id, state="aligned", size=size, **columns)
    ledger.db.execute("DELETE FROM copy_descriptors WHERE id = ?", (id,))
    ledger.db.execute("INSERT OR REPLACE INTO descriptors (id, embedding) VALUES (?, ?)", (id, made["embedding"]))


def _pending(ledger: Ledger) -> Any:
    last = ""
    columns = ", ".join(f"f.{name}" for name in FACE_COLUMNS)
    query = (
        f"SELECT {columns}, p.file AS source FROM faces f JOIN pictures p ON p.id = f.picture "
        "WHERE f.state = 'found' AND f.id > ? ORDER BY f.id LIMIT ?"
    )
    while rows := list(ledger.rows(query, (last, BATCH))):
        last = rows[-1]["id"]
        yield rows


def recipe(size: int) -> str:
    """The recipe's name at a size; at 1024 it is the published one."""
    return f"ffhq-quad{4 * size}-bilinear-lanczos{size}-v1"


def cut(rgb: np.ndarray, landmarks: np.ndarray, size: int) -> tuple[np.ndarray, str]:
    """The aligned face (size, size, 3) uint8 and the recipe's name; a picture that is aligned already is only resized."""
    if is_aligned(rgb, landmarks):
        if rgb.shape[:2] == (size, size):
            return rgb, "already-aligned"
        resized = Image.fromarray(rgb).resize((size, size), Image.Resampling.LANCZOS)
        return np.asarray(resized), f"already-aligned-lanczos{size}"
    return align_face(rgb, landmarks, size=size, transform_size=4 * size), recipe(size)


def found_face(row: Task) -> FoundFace:
    """The face as the finder gave it, from its row."""
    left, top, right, bottom = json.loads(row["box"])
    return FoundFace(
        box=(left, top, right, bottom),
        score=row["score"],
        detector=row["detector"],
        landmarks=np.clip(np.asarray(json.loads(row["landmarks"]), np.float64), -1e30, 1e30).astype(np.float32),
        inter_ocular=row["inter_ocular"],
        yaw=row["yaw"] or 0.0,
        pitch=row["pitch"] or 0.0,
        roll=row["roll"] or 0.0,
    )


def _work(folder: Path, size: int, tasks: list[Task]) -> Answers[dict[str, Any]]:
    answers: Answers[dict[str, Any]] = []
    # Faces of one picture stand together: it is decoded once.
    for source, rows in groupby(tasks, key=lambda task: str(task["source"])):
        picture = guarded(decode.canonical, folder / source)
        for row in rows:
            made = picture if isinstance(picture, Rejection) else guarded(_make, folder, picture.rgb, row, size)
            answers.append((row["id"], made))
    return answers


def _make(folder: Path, rgb: np.ndarray, row: Task, size: int) -> dict[str, Any]:
    """Cut one face, write it whole, and measure it."""
    face = found_face(row)
    aligned, name = cut(rgb, face.landmarks, size)
    png = encode_png(aligned)
    digest = sha256_bytes(png)
    path = content_path("faces", digest, ".png")
    write_whole(folder / path, png)
    return {
        "file": path,
        "sha256": digest,
        "pixel_sha256": pixel_sha256(aligned),
        "phash": phash_hex(phash64(aligned)),
        "phash_mirror": phash_hex(phash64(np.ascontiguousarray(aligned[:, ::-1]))),
        "embedding": embed(aligned).astype(np.float16).tobytes(),
        "quality": canonical_json(assess(rgb, face, aligned).as_dict()),
        "recipe": name,
    }
