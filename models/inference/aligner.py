"""Aligned faces from any photograph, by asking `aahq align-picture` in a process of its own (it holds dlib)."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from suite.errors import SuiteError


@dataclass(frozen=True)
class AlignedFace:
    """One aligned face.

    Attributes:
        picture: the photograph.
        file: the aligned face, square.
        already: the photograph was aligned already.
        quad: (4, 2) corners of the cut, top left, bottom left, bottom right, top right, in pixels of the photograph
            (0, 0 is the outer corner of the first pixel).
        landmarks: (68, 2) in pixels of `file`.
    """

    picture: Path
    file: Path
    already: bool
    quad: np.ndarray
    landmarks: np.ndarray


class NotOneFace(SuiteError):
    """A picture without a face, or with several where one is asked for: `count` of them."""

    def __init__(self, message: str, count: int) -> None:
        super().__init__(message)
        self.count = count


class Aligner:
    """A context manager round one serving process; pictures go through it one at a time, in flat memory.

    Args:
        size: side of the aligned faces.
        largest: take the largest of several faces instead of refusing the picture.
    """

    def __init__(self, size: int, largest: bool = False) -> None:
        self._command = [sys.executable, "-m", "aahq", "align-picture", "-", "-o", ".", "--size", str(size)]
        self._command += ["--largest"] if largest else []
        self._process: subprocess.Popen[str] | None = None
        # A file, not a pipe: a full pipe that nobody reads would stop the process.
        self._told = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed in __exit__

    def __enter__(self) -> Aligner:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process:
            self._process.communicate()
        self._told.close()

    def align(self, picture: Path, out: Path, largest: bool = False) -> AlignedFace:
        """Write the aligned face of `picture` to `out`; with `largest` that of the largest of several faces.

        Raises:
            SuiteError: no face, several faces, an unreadable picture, or no dlib; one line.
        """
        got = self._ask({"picture": str(picture), "out": str(out), "largest": largest})
        return AlignedFace(picture, out, got["aligned"], np.array(got["quad"]), np.array(got["landmarks"]))

    def describe(self, picture: Path, landmarks: np.ndarray) -> np.ndarray:
        """dlib's 128 numbers for the face at `landmarks` in `picture`."""
        return np.array(self._ask({"picture": str(picture), "landmarks": np.asarray(landmarks).tolist()})["descriptor"])

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        if self._process is None:
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._told, text=True
            )
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        line = ""
        try:
            process.stdin.write(json.dumps(request) + "\n")
            process.stdin.flush()
            line = process.stdout.readline()
        except BrokenPipeError:
            pass
        if not line:
            process.wait()
            self._told.seek(0)
            message = self._told.read().strip().rpartition("\n")[2]
            raise SuiteError(f"face alignment stopped: {message or 'no message'}")
        answer: dict[str, Any] = json.loads(line)
        if "faces" in answer:
            raise NotOneFace(answer["error"], answer["faces"])
        if "error" in answer:
            raise SuiteError(answer["error"])
        return answer


def face_similarity(a: np.ndarray, b: np.ndarray) -> float:
    """1 minus the distance of two dlib descriptors: 1 is the same picture; above 0.4 dlib's authors say same person."""
    return float(1 - np.linalg.norm(a - b))
