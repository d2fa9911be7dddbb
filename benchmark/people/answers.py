"""The log of answers: a line of JSON each, on the disk before it is acknowledged, and never rewritten.

A judge's last line about a trial counts. A torn line at the end was never acknowledged and is left out.
"""

from __future__ import annotations

import json
import os
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from suite import portable
from suite.errors import SuiteError
from suite.files import canonical_json

LOG = "answers.jsonl"
JUDGE = r"^[\w][\w .@+-]{0,39}$"
Side = Literal["a", "b"]


class Answer(BaseModel):
    """What one judge says of one trial: a or b for each question, whichever side they stood on.

    Attributes:
        seconds: from the pictures' being shown to the last click.
        left: which result stood on the left.
        time: UTC, set when the line is written.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
    judge: str = Field(pattern=JUDGE)
    trial: int = Field(ge=0)
    better: Side
    person: Side
    left: Side
    seconds: float = Field(ge=0, le=1e6)
    time: str = Field(default="", max_length=40)


def read_answers(folder: Path, trials: int) -> list[Answer]:
    """Every judge's last word on every trial; none where nobody has judged yet.

    Raises:
        SuiteError: a line that is whole and no answer to this study, by its number.
    """
    path = folder / LOG
    if not path.is_file():
        return []
    last: dict[tuple[str, int], Answer] = {}
    lines = path.read_bytes().split(b"\n")
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            answer = Answer(**json.loads(line))
        except (ValueError, TypeError, ValidationError):
            # A power cut leaves a torn line, and the next one begins on a line of its own.
            continue
        if answer.trial >= trials:
            raise SuiteError(
                f"{path}: line {number}: trial {answer.trial}, the study has {trials}; is it of another study?"
            )
        last[answer.judge, answer.trial] = answer
    return list(last.values())


class AnswerLog:
    """The log, open for more lines. Threads may share it.

    Raises:
        SuiteError: the file cannot be opened.
    """

    def __init__(self, folder: Path) -> None:
        try:
            self._handle = os.open(folder / LOG, os.O_RDWR | os.O_CREAT | os.O_APPEND | portable.BINARY, 0o644)
        except OSError as error:
            raise SuiteError(f"STUDY {folder / LOG}: {error.strerror}; give a folder that can be written") from None
        self._lock = threading.Lock()
        size = os.fstat(self._handle).st_size
        self._whole = size == 0 or portable.read_at(self._handle, 1, size - 1) == b"\n"

    def append(self, answer: Answer) -> None:
        """Write a line; when this returns, it is on the disk.

        Raises:
            OSError: the disk is full or gone; the line does not count and may be sent again.
        """
        timed = answer.model_copy(update={"time": datetime.now(UTC).isoformat(timespec="milliseconds")})
        with self._lock:
            data = (b"" if self._whole else b"\n") + canonical_json(timed.model_dump()).encode() + b"\n"
            self._whole = False
            written = os.write(self._handle, data)
            if written != len(data):
                raise OSError(f"wrote {written} of {len(data)} bytes")
            os.fsync(self._handle)
            self._whole = True

    def close(self) -> None:
        """Let the file go."""
        os.close(self._handle)
