"""A build that is killed on its way, as `kill -9` does it; a script, since what it kills is its own process.

    python -P killed_build.py once OUT SOURCE STAGE AT    die before event AT of STAGE; 0 for not at all
    python -P killed_build.py many WORK SOURCE KILLS SEED

An event is a file that takes its name or goes, a folder that is renamed, or a transaction that has ended. `many` also looks
through a list of hashes, which names p3.png, and takes p2.png out when the release is written: the stage `remove`. It forks a
child a try from one warm process, so that a hundred of them take minutes and not an hour. Every try has a stage to die in, in
turn: half of the children before one of its events, half after a random part of the time that it takes. Each folder is then
built to its end and its release compared with an undisturbed one, byte for byte. Prints how often each stage was killed.
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
REMOVE = "remove"


def files_of(folder: Path) -> dict[str, bytes]:
    """Relative path -> bytes of everything in a folder."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def build(
    out: Path,
    source: str,
    die_in: str = "",
    at: int = 0,
    told: Callable[[str], Any] = lambda stage: None,
    lists: Path | None = None,
) -> dict[str, tuple[int, float]]:
    """Every stage, a row a batch; dies before event `at` of stage `die_in`. Returns stage -> (events, seconds).

    Args:
        told: called with each stage's name before it begins.
        lists: of pictures' hashes; with it the folder is screened, and p2.png is taken out at the end.
    """
    import aahq.stages.align
    import aahq.stages.faces
    import aahq.stages.safety
    import aahq.stages.screen
    from aahq import ledger, pipeline
    from aahq.remove.remove import Wanted, remove
    from suite.files import sha256_file
    from suite.progress import set_quiet

    set_quiet(True)
    for stage in (aahq.stages.screen, aahq.stages.faces, aahq.stages.align, aahq.stages.safety):
        stage.BATCH = 1
    now, events, said = "", 0, {}

    def event() -> None:
        nonlocal events
        events += 1
        if now == die_in and events == at:
            os.kill(os.getpid(), signal.SIGKILL)

    def counted(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            event()
            return real(*args, **kwargs)

        return call

    transaction = ledger.Ledger.transaction

    @contextmanager
    def transaction_or_die(self: ledger.Ledger) -> Iterator[None]:
        with transaction(self):
            yield
            event()

    Path.replace, Path.unlink, os.rename = counted(Path.replace), counted(Path.unlink), counted(os.rename)  # type: ignore[method-assign]
    ledger.Ledger.transaction = transaction_or_die  # type: ignore[method-assign, assignment]
    ask = {"source": "folder", "target": source}
    with pipeline.open_build(out, source=ask, release={"size": SIZE}, workers=1, create=True) as opened:
        run = {name: lambda name=name: pipeline.RUN[name](opened) for name in pipeline.STAGES}
        if lists is not None:
            look_through(opened.ledger, lists)
            # Named by its digest: asked again for a picture that is gone, the tombstones are the same.
            gone = Wanted(digests=(sha256_file(Path(source) / "p2.png"),))
            run[REMOVE] = lambda: remove(opened.ledger, gone)
        for now in run:
            events, start = 0, time.monotonic()
            told(now)
            run[now]()
            said[now] = (events, time.monotonic() - start)
    return said


def look_through(ledger: Any, lists: Path) -> None:
    """Screen by a list of perceptual hashes; the folder's salt is a fixed one, or no two releases were the same."""
    from aahq.remove.tombstones import TOMBSTONES, Tombstones
    from aahq.safety.screens import HashScreen
    from aahq.stages.safety import choose_screens
    from suite.files import sha256_file

    if not (ledger.folder / TOMBSTONES).exists():
        Tombstones(bytes(16)).write(ledger.folder / TOMBSTONES)
    screen = HashScreen(hashes=str(lists), sha256=sha256_file(lists), algorithm="phash", distance=2)
    choose_screens(ledger, {"takedown": screen})


def list_of(picture: Path, out: Path) -> Path:
    """A list with the hash of one picture."""
    from aahq.images.decode import canonical
    from aahq.images.hashes import phash64, phash_hex

    out.write_text(phash_hex(phash64(canonical(picture).rgb)) + "\n")
    return out


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


def many(work: Path, source: str, kills: int, seed: int) -> dict[str, Any]:
    """Kill until each stage has died its share, finish each folder, and compare."""
    import aahq.stages.faces
    from aahq.pipeline import STAGES

    aahq.stages.faces._finder()
    note, counted, draw = work / "stage", work / "told", random.Random(seed)
    lists = list_of(Path(source) / "p3.png", work / "hashes.txt")

    def kill_within(pid: int, stage: str, seconds: float) -> None:
        while note.read_text() != stage and os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            time.sleep(0.001)
        time.sleep(seconds)
        os.kill(pid, signal.SIGKILL)

    def names(out: Path) -> set[str]:
        return {name for name in files_of(out) if name.startswith(("pictures/", "faces/"))}

    truth = work / "truth"
    assert ended(child(lambda: counted.write_text(json.dumps(build(truth, source, lists=lists))))) == 0
    told, theirs = json.loads(counted.read_text()), files_of(truth / "release")
    # A stage that writes nothing is over before it can be killed.
    order = [name for name in (*STAGES, REMOVE) if told[name][0]]
    killed, folders = dict.fromkeys(order, 0), 0
    while sum(killed.values()) < kills:
        out = work / f"out{folders}"
        # A build goes forward only, so the stages to die in are those of the least killed, in their order.
        least = sorted(order, key=lambda name: (killed[name], draw.random()))[:5]
        for stage in sorted(least, key=order.index):
            events, seconds = told[stage]
            at = draw.randrange(1, events + 1) if (folders + order.index(stage)) % 2 == 0 else 0
            note.write_text("")
            pid = child(lambda out=out, stage=stage, at=at: build(out, source, stage, at, note.write_text, lists))
            if not at:
                kill_within(pid, stage, draw.uniform(0, seconds))
            code = ended(pid)
            assert code in (0, -signal.SIGKILL), code
            if code:
                now = note.read_text() or "crawl"
                killed[now] = killed.get(now, 0) + 1
        folders += 1
        assert ended(child(lambda out=out: build(out, source, lists=lists))) == 0
        ours = files_of(out / "release")
        assert ours == theirs, sorted(n for n in ours.keys() | theirs.keys() if ours.get(n) != theirs.get(n))
        assert not list(out.rglob("*.part")), "nothing half-written is left"
        assert names(out) == names(truth), sorted(names(out) ^ names(truth))
        shutil.rmtree(out)
    return {"kills": sum(killed.values()), "folders": folders, "stages": killed}


if __name__ == "__main__":
    what, first, source, *rest = sys.argv[1:]
    if what == "once":
        build(Path(first), source, rest[0], int(rest[1]))
    else:
        print(json.dumps(many(Path(first), source, int(rest[0]), int(rest[1]))))
