"""A build that is killed on its way, as `kill -9` does it; a script, since what it kills is its own process.

    python -P killed_build.py once OUT SOURCE STAGE AT     die before event AT of STAGE; 0 for not at all
    python -P killed_build.py many WORK SOURCE TRUTH KILLS SEED

An event is a file that takes its name, or a transaction that has ended. `many` forks a child a try from one warm process, so
that a hundred of them take a minute and not ten. Every try has a stage to die in, in turn: half of the children before one of
its events, half after a random part of the time that it takes. Each folder is then built to its end and compared with the
release TRUTH, byte for byte. Prints how often each stage was killed.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

SIZE = 64


def files_of(folder: Path) -> dict[str, bytes]:
    """Relative path -> bytes of everything in a folder."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def build(
    out: Path, source: str, die_in: str = "", at: int = 0, told: Callable[[str], Any] = lambda stage: None
) -> dict[str, tuple[int, float]]:
    """Every stage, a row a batch; dies before event `at` of stage `die_in`. Returns stage -> (events, seconds).

    Args:
        told: called with each stage's name before it begins.
    """
    import aahq.stages.align
    import aahq.stages.faces
    import aahq.stages.screen
    from aahq import ledger, pipeline
    from suite.progress import set_quiet

    set_quiet(True)
    aahq.stages.screen.BATCH = aahq.stages.faces.BATCH = aahq.stages.align.BATCH = 1
    now, events, said = "", 0, {}
    replace, transaction = Path.replace, ledger.Ledger.transaction

    def event() -> None:
        nonlocal events
        events += 1
        if now == die_in and events == at:
            os.kill(os.getpid(), signal.SIGKILL)

    def replace_or_die(self: Path, target: Path) -> Path:
        event()
        return replace(self, target)

    @contextmanager
    def transaction_or_die(self: ledger.Ledger) -> Iterator[None]:
        with transaction(self):
            yield
            event()

    Path.replace, ledger.Ledger.transaction = replace_or_die, transaction_or_die  # type: ignore[method-assign, assignment]
    ask = {"source": "folder", "target": source}
    with pipeline.open_build(out, source=ask, release={"size": SIZE}, workers=1, create=True) as opened:
        for now in pipeline.STAGES:
            events, start = 0, time.monotonic()
            told(now)
            pipeline.RUN[now](opened)
            said[now] = (events, time.monotonic() - start)
    return said


def child(work: Callable[[], object]) -> int:
    """The number of a forked process that does `work` and nothing else."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
            os._exit(0)
        except BaseException as error:
            print(repr(error), file=sys.stderr)
            os._exit(3)
    return pid


def ended(pid: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def many(work: Path, source: str, truth: Path, kills: int, seed: int) -> dict[str, Any]:
    """Kill until each stage has died its share, finish each folder, and compare."""
    import aahq.stages.faces
    from aahq.pipeline import STAGES

    aahq.stages.faces._finder()
    note, counted, draw = work / "stage", work / "told", random.Random(seed)

    def kill_within(pid: int, stage: str, seconds: float) -> None:
        while note.read_text() != stage and os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            time.sleep(0.001)
        time.sleep(seconds)
        os.kill(pid, signal.SIGKILL)

    assert ended(child(lambda: counted.write_text(json.dumps(build(work / "count", source))))) == 0
    told = json.loads(counted.read_text())
    # A stage that writes nothing here (no screen is chosen) is over before it can be killed.
    stages = [name for name in STAGES if told[name][0]]
    killed, folders = dict.fromkeys(stages, 0), 0
    while sum(killed.values()) < kills:
        out = work / f"out{folders}"
        # A build goes forward only, so the stages to die in are those of the least killed, in their order.
        least = sorted(stages, key=lambda name: (killed[name], draw.random()))[:5]
        for stage in sorted(least, key=STAGES.index):
            events, seconds = told[stage]
            by_event = events > 0 and (folders + STAGES.index(stage)) % 2 == 0
            at = draw.randrange(1, events + 1) if by_event else 0
            note.write_text("")
            pid = child(lambda out=out, stage=stage, at=at: build(out, source, stage, at, note.write_text))
            if not at:
                kill_within(pid, stage, draw.uniform(0, seconds))
            code = ended(pid)
            assert code in (0, -signal.SIGKILL), code
            if code:
                now = note.read_text() or "crawl"
                killed[now] = killed.get(now, 0) + 1
        folders += 1
        assert ended(child(lambda out=out: build(out, source))) == 0
        ours, theirs = files_of(out / "release"), files_of(truth)
        assert ours == theirs, sorted(n for n in ours.keys() | theirs.keys() if ours.get(n) != theirs.get(n))
        assert not list(out.rglob("*.part")), "nothing half-written is left"
        shutil.rmtree(out)
    return {"kills": sum(killed.values()), "folders": folders, "stages": killed}


if __name__ == "__main__":
    what, first, source, *rest = sys.argv[1:]
    if what == "once":
        build(Path(first), source, rest[0], int(rest[1]))
    else:
        print(json.dumps(many(Path(first), source, Path(rest[0]), int(rest[1]), int(rest[2]))))
