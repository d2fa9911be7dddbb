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
from aahq.reasons import Refusal, Rejected, guarded
from aahq.stages.engine import BATCH, Engine, Tally, run_batches, stage_run

NAME = "faces"
# id, file, candidate as JSON
Task = tuple[str, str, str]
Result = tuple[str, list[dict[str, Any]] | Refusal]


def run(ledger: Ledger, engine: Engine) -> Tally:
    """Find the faces of every screened picture."""
    batches = (
        [(row["id"], row["file"], row["candidate"]) for row in rows]
        for rows in ledger.pending("pictures", "screened", "id, file, candidate", BATCH)
    )
    with stage_run(ledger, NAME, ledger.count("pictures", "screened"), "pictures") as (tally, step):
        faces = 0

        def commit(results: list[Result]) -> None:
            nonlocal faces
            with ledger.transaction():
                for id, found in results:
                    if isinstance(found, Refusal):
                        ledger.reject("pictures", id, NAME, found.reason, found.detail, found.trace)
                        tally.drop(found.reason)
                        continue
                    for number, face in enumerate(found):
                        ledger.insert("faces", {"id": face_id(id, number), "picture": id, "number": number, **face})
                    ledger.update("pictures", id, state="faced")
                    tally.keep()
                    faces += len(found)
            step(len(results))

        run_batches(engine, batches, partial(_work, ledger.folder), commit, _died)
        tally.notes["faces"] = faces
    return tally


@cache
def _finder() -> FaceFinder:
    return FaceFinder()


def _work(folder: Path, tasks: list[Task]) -> list[Result]:
    return [(id, guarded(_faces_of, folder / file, candidate)) for id, file, candidate in tasks]


def _faces_of(file: Path, candidate: str) -> list[dict[str, Any]]:
    rgb = decode.canonical(file).rgb
    points = Candidate.from_json(candidate).landmarks
    faces = [_given(np.asarray(points, np.float32))] if points is not None else _found(rgb)
    if not faces:
        raise Rejected("no_face", "no detector found a face; a person may place one")
    return faces


def _died(task: Task, refusal: Refusal) -> list[Result]:
    return [(task[0], refusal)]


def _found(rgb: np.ndarray) -> list[dict[str, Any]]:
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


def _given(points: np.ndarray) -> dict[str, Any]:
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
