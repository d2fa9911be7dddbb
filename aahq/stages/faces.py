"""Faces stage: `screened` pictures become `faced`, and every face in them a row; none found is kept for a person."""

from __future__ import annotations

import json
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from aahq.candidates import Candidate
from aahq.faces.align import checked_quad
from aahq.faces.find import FaceFinder
from aahq.images import decode
from aahq.ledger import Ledger, face_id
from aahq.reasons import Rejected, guarded
from aahq.stages.engine import BATCH, Engine, StageStats
from aahq.stages.rows import Answers, Task, run_rows

NAME = "faces"


def run(ledger: Ledger, engine: Engine) -> StageStats:
    """Find the faces of every screened picture."""
    batches = ledger.pending("pictures", "screened", "id, file, candidate", BATCH)
    total, work = ledger.count("pictures", "screened"), partial(_work, ledger.folder)
    before = ledger.count("faces")

    def accept(id: str, faces: list[dict[str, Any]]) -> None:
        for number, face in enumerate(faces):
            ledger.insert("faces", {"id": face_id(id, number), "picture": id, "number": number, **face})
        ledger.update("pictures", id, state="faced")

    stats = run_rows(ledger, engine, NAME, "pictures", total, batches, work, accept)
    stats.notes["faces"] = ledger.count("faces") - before
    return stats


@cache
def _finder() -> FaceFinder:
    return FaceFinder()


def _work(folder: Path, tasks: list[Task]) -> Answers[list[dict[str, Any]]]:
    return [(task["id"], guarded(_faces_of, folder / task["file"], task["candidate"])) for task in tasks]


def _faces_of(file: Path, candidate: str) -> list[dict[str, Any]]:
    rgb = decode.canonical(file).rgb
    points = Candidate.from_json(candidate).landmarks
    faces = [_listed_face(np.asarray(points, np.float32))] if points is not None else _detected(rgb)
    if not faces:
        raise Rejected("no_face", "no detector found a face; a person may place one")
    return faces


def _detected(rgb: np.ndarray) -> list[dict[str, Any]]:
    return [
        {
            "box": rounded(face.box),
            "landmarks": rounded(face.landmarks),
            "detector": face.detector,
            "score": face.score,
            "inter_ocular": face.inter_ocular,
            "yaw": face.yaw,
            "pitch": face.pitch,
            "roll": face.roll,
        }
        for face in _finder().find(rgb)
    ]


def _listed_face(points: np.ndarray) -> dict[str, Any]:
    """A face whose four points the source's list carries. Raises Rejected("bad_points") where they make no crop."""
    checked_quad(points)
    across = points[1] - points[0]
    low, high = points.min(axis=0), points.max(axis=0)
    return {
        "box": rounded([*low, *high]),
        "landmarks": rounded(points),
        "detector": "list",
        "score": 1.0,
        "inter_ocular": float(np.hypot(*across)),
        "roll": float(np.degrees(np.arctan2(across[1], across[0]))),
    }


def rounded(values: Any) -> str:
    """JSON with a thousandth of a pixel: shorter than float32's repr, and far below what any detector knows."""
    return json.dumps(np.round(np.asarray(values, np.float64), 3).tolist(), separators=(",", ":"))
