"""The long fault suite: killed at random moments of every stage, a full disk, a read-only folder, a rotten ledger, two at
once, a clock that jumps. The resumed release is byte for byte the undisturbed one.

A hundred kills of every stage: `KILLS=1000 python -m pytest tests/aahq/test_faults_long.py -k random_moments -s`."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import killed_build
import pytest
from killed_build import SIZE, files_of

from aahq.pipeline import STAGES, open_build, run_all
from suite.errors import SuiteError

pytestmark = pytest.mark.slow
KILLS = int(os.environ.get("KILLS", "16"))


def copied(folder: Path, into: Path, names: tuple[str, ...]) -> Path:
    into.mkdir(exist_ok=True)
    for name in names:
        shutil.copy(folder / name, into / name)
    return into


@pytest.fixture(scope="module")
def few(painted_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A folder of three pictures, one of them a copy and one cut short, and its undisturbed build."""
    source = copied(painted_folder, tmp_path_factory.mktemp("few"), ("p0.png", "p2.png", "q_copy.png", "s_cut.png"))
    out = tmp_path_factory.mktemp("truth") / "out"
    ask = {"source": "folder", "target": str(source)}
    with open_build(out, source=ask, release={"size": SIZE}, workers=1, create=True) as build:
        run_all(build)
    return source, out


def aahq(*words: str, **how: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "aahq", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=250, **how)  # type: ignore[call-overload, no-any-return]


def one_line(done: subprocess.CompletedProcess[str]) -> str:
    assert "Traceback" not in done.stderr, done.stderr
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1, done.stderr
    return errors[0]


@pytest.mark.timeout(900 + 10 * KILLS)
def test_killed_at_random_moments_of_every_stage(painted_folder: Path, tmp_path: Path) -> None:
    source = copied(painted_folder, tmp_path / "source", ("p0.png", "p2.png", "p3.png", "q_copy.png", "s_cut.png"))
    (tmp_path / "work").mkdir()
    arguments = [str(tmp_path / "work"), str(source), str(KILLS), "11"]
    command = [sys.executable, "-P", killed_build.__file__, "many", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    print(told)
    assert told["kills"] >= KILLS
    assert set(told["stages"]) == {*STAGES, killed_build.REMOVE}
    assert min(told["stages"].values()) >= max(1, KILLS // 20), told


@pytest.mark.parametrize("kilobytes", [48, 200])
def test_a_full_disk_is_one_line_and_the_build_goes_on_with_room(
    few: tuple[Path, Path], tmp_path: Path, kilobytes: int
) -> None:
    """No file may grow beyond a size: pictures fail at the small one, the ledger or the release at the larger one."""
    source, truth = few
    out = tmp_path / "out"
    words = ("build", str(out), "--source", "folder", str(source), "--size", str(SIZE), "--workers", "1")
    limited = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({kilobytes << 10},) * 2); "
        "from aahq.cli import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", limited, *words], capture_output=True, text=True, check=False)
    if done.returncode:
        assert done.returncode == 1
        assert "free some space" in one_line(done)
    else:
        assert kilobytes > 48, "the pictures are larger than that"
    assert aahq(*words).returncode == 0
    assert files_of(out / "release") == files_of(truth / "release")


def test_a_disk_that_is_really_full(few: tuple[Path, Path], tmp_path: Path) -> None:
    """The same on a file system of its own, where one may be mounted."""
    source, truth = few
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=420k", "tmpfs", str(disk)]
    if os.geteuid() or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no right to mount a file system here; the limit on file sizes above stands for it")
    try:
        words = ("build", str(disk / "out"), "--source", "folder", str(source), "--size", str(SIZE), "--workers", "1")
        done = aahq(*words)
        assert done.returncode == 1
        assert "free some space" in one_line(done)
        subprocess.run(["mount", "-o", "remount,size=40m", str(disk)], check=True)
        assert aahq(*words).returncode == 0
        assert files_of(disk / "out" / "release") == files_of(truth / "release")
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_read_only_folder_is_one_line(few: tuple[Path, Path]) -> None:
    with tempfile.TemporaryDirectory() as name:
        disk = Path(name) / "disk"
        disk.mkdir()
        # Root may write into any folder; not on a file system that is mounted read-only.
        root = os.geteuid() == 0
        if root and subprocess.run(["mount", "-t", "tmpfs", "tmpfs", str(disk)], capture_output=True).returncode:
            pytest.skip("root, and no right to mount a file system here")
        try:
            shutil.copytree(few[1], disk / "out")
            if root:
                subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
            else:
                (disk / "out").chmod(0o555)
                (disk / "out" / "build.lock").chmod(0o444)
            done = aahq("build", str(disk / "out"), "--workers", "1")
        finally:
            if root:
                subprocess.run(["umount", str(disk)], check=True)
            else:
                (disk / "out").chmod(0o755)
    assert done.returncode in (1, 2)
    assert "writ" in one_line(done)


@pytest.mark.parametrize("harm", ["header", "page", "cut", "text"])
def test_a_rotten_ledger_is_one_line_that_names_the_way_out(few: tuple[Path, Path], tmp_path: Path, harm: str) -> None:
    out = tmp_path / "out"
    shutil.copytree(few[1], out)
    file = out / "ledger.sqlite"
    data = bytearray(file.read_bytes())
    if harm == "header":
        data[:16] = b"not a database!!"
    elif harm == "page":
        for page in range(1, len(data) // 4096):
            data[page * 4096 : page * 4096 + 200] = random.Random(page).randbytes(200)
    elif harm == "cut":
        del data[len(data) // 3 :]
    else:
        data = bytearray(b"<html>" * 2000)
    file.write_bytes(data)
    for extra in ("-wal", "-shm"):
        Path(f"{file}{extra}").unlink(missing_ok=True)
    done = aahq("build", str(out), "--workers", "1")
    assert done.returncode in (1, 2)
    line = one_line(done)
    assert "ledger" in line
    assert "move it away and build again" in line


def test_two_builds_at_once_one_is_told_to_wait(few: tuple[Path, Path], tmp_path: Path) -> None:
    source, truth = few
    out = tmp_path / "out"
    words = ["build", str(out), "--source", "folder", str(source), "--size", str(SIZE), "--workers", "1"]
    both = [
        subprocess.Popen(
            [sys.executable, "-m", "aahq", *words], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
        )
        for _ in range(2)
    ]
    told = [(process.communicate(timeout=250)[1], process.returncode) for process in both]
    assert 0 in [code for _, code in told]
    for text, code in told:
        if code:
            assert code == 2
            assert "is working on it; wait for it" in text
    assert files_of(out / "release") == files_of(truth / "release")


def test_a_clock_that_jumps_changes_nothing(
    few: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, truth = few
    draw = random.Random(2)

    class Jumping(datetime):
        @classmethod
        def now(cls, tz: object = None) -> Jumping:  # type: ignore[override]
            return cls(2000, 1, 1, tzinfo=UTC) + timedelta(days=draw.uniform(-9000, 30000))

    for module in ("aahq.stages.engine", "aahq.web.client"):
        monkeypatch.setattr(f"{module}.datetime", Jumping, raising=False)
    ask = {"source": "folder", "target": str(source)}
    with open_build(tmp_path / "out", source=ask, release={"size": SIZE}, workers=1, create=True) as build:
        run_all(build)
    assert files_of(tmp_path / "out" / "release") == files_of(truth / "release")


def test_other_faults_pass_through_as_they_are(tmp_path: Path) -> None:
    from aahq.folder import explain_disk_errors

    with pytest.raises(FileNotFoundError), explain_disk_errors(tmp_path):
        (tmp_path / "none").read_bytes()
    with pytest.raises(SuiteError, match="free some space"), explain_disk_errors(tmp_path):
        raise OSError(28, "No space left on device", "x")
