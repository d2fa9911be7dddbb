"""What a run has measured so far: one line per piece of work, written at once, so that a cut run keeps what it has."""

from __future__ import annotations

import json
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch

from speed.published.loading import Peers
from speed.run import Row


@dataclass
class Run:
    """One part's process.

    Attributes:
        out: folder of the whole run.
        part: its name; its lines go to `out/<part>.jsonl`.
        seconds: how long the part may begin new work.
        device: CUDA, or the CPU in a rehearsal.
        rehearse: tiny sizes, to see that everything runs; figures mean nothing then.
        peers: published code, where a folder of it was given.
        left: work for which there was no time.
    """

    out: Path
    part: str
    seconds: float
    device: torch.device
    rehearse: bool = False
    peers: Peers | None = None
    left: list[str] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)

    @property
    def lines(self) -> Path:
        return self.out / f"{self.part}.jsonl"

    def remaining(self) -> float:
        """Seconds of the part's time that are left."""
        return self.seconds - (time.monotonic() - self.began)

    def size(self, full: int, tiny: int) -> int:
        """A size of the real run, or of the rehearsal."""
        return tiny if self.rehearse else full

    def spend(self, most: float) -> float:
        """Seconds to spend on one timing; none to speak of in a rehearsal."""
        return 0.0 if self.rehearse else most

    def take(self, work: str, measure: Callable[[], Sequence[Row]]) -> None:
        """Do a piece of work unless it is done already or the time is up; what it raises becomes its line."""
        if work in {line["work"] for line in read(self.lines) if "failed" not in line}:
            return
        if self.remaining() <= 0:
            self.left.append(work)
            print(f"  {work}: no time left; the next call goes on here", flush=True)
            return
        start = time.monotonic()
        try:
            line: dict[str, object] = {"work": work, "rows": [asdict(row) for row in measure()]}
        except Exception as error:
            # One piece of work that fails must not cost the others their minutes; its traceback is kept.
            line = {"work": work, "failed": _first_line(error), "traceback": traceback.format_exc()}
        line["seconds"] = round(time.monotonic() - start, 2)
        with self.lines.open("a") as file:
            file.write(json.dumps(line) + "\n")
        print(f"  {work}: {line.get('failed', 'done')} ({line['seconds']} s)", flush=True)


def _first_line(error: Exception) -> str:
    words = " ".join(str(error).split())
    return f"{type(error).__name__}: {words[:200]}"


def read(lines: Path) -> list[dict[str, object]]:
    """The lines of a part, the last of each work; a half-written last line is left out."""
    by_work: dict[str, dict[str, object]] = {}
    for text in lines.read_text().splitlines() if lines.is_file() else ():
        try:
            line = json.loads(text)
        except ValueError:
            continue
        by_work[line["work"]] = line
    return list(by_work.values())
