"""The log of decisions: a line of JSON each, on the disk before it is acknowledged, and never rewritten.

What a person decided about a face is the last of their lines that no later line undoes. A process killed at any moment
leaves whole lines and at most one torn tail, which was never acknowledged; the next line starts on a line of its own.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from suite import portable
from suite.errors import SuiteError
from suite.files import canonical_json

FOLDER = "review"
LOG = "decisions.jsonl"
DROP_REASONS: dict[str, str] = {
    "not_a_face": "no face, or not a human one",
    "misplaced": "a face, but the crop is misplaced or badly turned",
    "not_art": "not a painting or drawing (or, for photographs, not a photograph)",
    "blurred": "too blurred, small or damaged",
    "covered": "the face is covered or cut off",
    "text": "text, a watermark or a frame over the face",
    "copy": "a copy of another face",
    "unsuitable": "unsuitable: it should not be in a dataset",
    "other": "another reason",
}
Point = tuple[float, float]


class Decision(BaseModel):
    """One line: somebody keeps or drops a face, or takes an earlier line of theirs back.

    Attributes:
        act: `keep`, `drop` or `undo`.
        nonce: the line's name, made by the page: a line sent twice is kept once.
        reviewer: who.
        id: the face; for a picture without a face, the name that its first face would have.
        reason: for `drop`, a key of `DROP_REASONS`.
        points: for `keep`, five points in pixels of the picture (0 is the first pixel's centre): left eye, right eye,
            nose, left and right mouth corner as they lie in the picture. None leaves the landmarks as they are.
        settle: the line settles a disagreement, over everybody's own lines.
        group: lines made by one keystroke share it.
        undoes: for `undo`, the nonce of the line taken back.
        time: UTC, set when the line is written.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    act: Literal["keep", "drop", "undo"]
    nonce: str = Field(pattern=r"^[A-Za-z0-9_-]{8,40}$")
    reviewer: str = Field(pattern=r"^[\w][\w .@+-]{0,39}$")
    id: str = Field(pattern=r"^[A-Za-z0-9._-]{1,90}$")
    reason: str = ""
    points: tuple[Point, Point, Point, Point, Point] | None = None
    settle: bool = False
    group: str = Field(default="", pattern=r"^[A-Za-z0-9_-]{0,40}$")
    undoes: str = ""
    time: str = ""

    @model_validator(mode="after")
    def _fits(self) -> Decision:
        if (self.act == "drop") != (self.reason in DROP_REASONS):
            raise ValueError(f"reason: a drop needs one of {', '.join(DROP_REASONS)}, anything else none")
        if self.points is not None and self.act != "keep":
            raise ValueError("points: only a keep carries them")
        if (self.act == "undo") != bool(self.undoes):
            raise ValueError("undoes: an undo names the line that it takes back, anything else none")
        return self


class Decisions:
    """The current decisions, replayed from the log. Threads may share it: a reader sees all of a decision or nothing of it.

    Attributes:
        lines: how many there are.
        torn: lines that are not whole; such a line was never acknowledged.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self.lines = 0
        self.torn = 0
        self._named: dict[str, Decision] = {}
        # (face, reviewer, settle) -> the lines in force, oldest first
        self._live: dict[tuple[str, str, bool], list[Decision]] = {}

    def add(self, decision: Decision) -> None:
        """Take one more line into account."""
        with self._lock:
            self.lines += 1
            self._named[decision.nonce] = decision
            if decision.act != "undo":
                self._live.setdefault(_key(decision), []).append(decision)
                return
            undone = self._named[decision.undoes]
            self._live[_key(undone)].remove(undone)

    def known(self, nonce: str) -> bool:
        """Whether a line of that name is there."""
        return nonce in self._named

    def in_force(self, nonce: str) -> Decision | None:
        """The line of that name unless it is taken back."""
        with self._lock:
            found = self._named.get(nonce)
            return found if found is not None and found in self._live.get(_key(found), ()) else None

    def word(self, id: str, reviewer: str) -> Decision | None:
        """The reviewer's own word about one face."""
        with self._lock:
            lines = self._live.get((id, reviewer, False))
            return lines[-1] if lines else None

    def own(self, reviewer: str) -> dict[str, Decision]:
        """face -> the reviewer's own word."""
        return {id: line for id, who, settle, line in self._last() if who == reviewer and not settle}

    def words(self) -> dict[str, dict[str, Decision]]:
        """face -> reviewer -> their own word."""
        out: dict[str, dict[str, Decision]] = {}
        for id, who, settle, line in self._last():
            if not settle:
                out.setdefault(id, {})[who] = line
        return out

    def settled(self) -> dict[str, Decision]:
        """face -> the last word that settles a disagreement."""
        out: dict[str, Decision] = {}
        for id, _, settle, line in self._last():
            if settle and (id not in out or line.time >= out[id].time):
                out[id] = line
        return out

    def recent(self, reviewer: str, count: int) -> list[Decision]:
        """The reviewer's last lines in force, oldest first: what `undo` takes back after the page is opened again."""
        with self._lock:
            mine = [line for (_, who, _), lines in self._live.items() if who == reviewer for line in lines]
        return sorted(mine, key=lambda line: line.time)[-count:]

    def reviewers(self) -> list[str]:
        """Everybody with a word in force."""
        return sorted({who for _, who, _, _ in self._last()})

    def _last(self) -> list[tuple[str, str, bool, Decision]]:
        """(face, reviewer, settle, the last line in force), as they stand at this moment."""
        with self._lock:
            return [(*key, lines[-1]) for key, lines in self._live.items() if lines]


def _key(decision: Decision) -> tuple[str, str, bool]:
    return (decision.id, decision.reviewer, decision.settle)


def log_path(out: Path) -> Path:
    """Where the log of a build's folder is."""
    return out / FOLDER / LOG


def read_log(out: Path) -> Decisions:
    """What is decided about a build's faces; nothing where nobody has reviewed yet."""
    decisions = Decisions()
    path = log_path(out)
    if path.is_file():
        for decision in _lines(path.read_bytes(), decisions):
            decisions.add(decision)
    return decisions


def _lines(data: bytes, decisions: Decisions) -> Iterator[Decision]:
    for line in data.split(b"\n"):
        if not line.strip():
            continue
        try:
            decision = Decision(**json.loads(line))
        except (ValueError, TypeError, ValidationError):
            decisions.torn += 1
            continue
        takes_back_nothing = decision.act == "undo" and decisions.in_force(decision.undoes) is None
        if not decisions.known(decision.nonce) and not takes_back_nothing:
            yield decision


class DecisionLog:
    """The log, open for more lines. One process at a time holds it (see `aahq.folder`); its threads may share it.

    Raises:
        SuiteError: the file cannot be opened.
    """

    def __init__(self, out: Path) -> None:
        path = log_path(out)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | portable.BINARY, 0o644)
            portable.sync_folder(path.parent)
        except OSError as error:
            raise SuiteError(f"OUT {path}: {error.strerror}; give a folder that can be written") from None
        self.decisions = read_log(out)
        self._lock = threading.Lock()
        size = os.fstat(self._handle).st_size
        self._whole = size == 0 or portable.read_at(self._handle, 1, size - 1) == b"\n"

    def append(self, wanted: Iterable[Decision]) -> list[str]:
        """Write lines; when this returns, they are on the disk.

        A line that is there already, and an undo of what is no longer in force, count as done.

        Returns:
            The nonces of all that was asked for.

        Raises:
            OSError: the disk is full or gone; nothing of it counts then, and the same lines may be sent again.
            SuiteError: an undo of somebody else's line.
        """
        with self._lock:
            asked = list(wanted)
            new: list[Decision] = []
            names: set[str] = set()
            for decision in asked:
                if self.decisions.known(decision.nonce) or decision.nonce in names:
                    continue
                if decision.act == "undo":
                    line = self.decisions.in_force(decision.undoes)
                    line = line or next((one for one in new if one.nonce == decision.undoes), None)
                    if line is None:
                        continue
                    if line.reviewer != decision.reviewer:
                        raise SuiteError(f"undo: that was decided by {line.reviewer}, who alone can take it back")
                names.add(decision.nonce)
                new.append(decision.model_copy(update={"time": datetime.now(UTC).isoformat(timespec="microseconds")}))
            if new:
                self._write(new)
                for decision in new:
                    self.decisions.add(decision)
            return [decision.nonce for decision in asked]

    def _write(self, new: list[Decision]) -> None:
        text = "".join(canonical_json(_slim(decision)) + "\n" for decision in new)
        data = (b"" if self._whole else b"\n") + text.encode()
        self._whole = False
        written = os.write(self._handle, data)
        if written != len(data):
            raise OSError(f"wrote {written} of {len(data)} bytes")
        os.fsync(self._handle)
        self._whole = True

    def close(self) -> None:
        """Let the file go."""
        os.close(self._handle)


def _slim(decision: Decision) -> dict[str, Any]:
    return {key: value for key, value in decision.model_dump(mode="json").items() if value not in ("", None, False)}
