"""What is not the same on Linux, macOS and Windows is asked for in one file; the rest imports without POSIX."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from suite import portable

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("suite", "ops", "models", "baselines", "benchmark", "aahq")
POSIX_MODULES = {"fcntl", "resource", "termios", "tty", "pty", "pwd", "grp", "syslog", "posix", "crypt"}
POSIX_NAMES = {
    *("pread", "pwrite", "preadv", "fork", "forkpty", "nice", "sync", "getuid", "geteuid", "getgid", "getpgid"),
    *("sched_getaffinity", "sched_setaffinity", "getpriority", "mkfifo", "mknod", "statvfs", "uname", "wait3", "wait4"),
    *("fchmod", "fchdir", "O_CLOEXEC", "O_DIRECTORY", "O_NOFOLLOW", "O_NONBLOCK", "O_SYNC", "getloadavg", "sysconf"),
    *("SIGKILL", "SIGUSR1", "SIGUSR2", "SIGALRM", "SIGHUP", "SIGPIPE", "SIGSTOP", "SIGCONT", "alarm", "setitimer"),
    *("killpg", "setsid", "chown", "posix_fallocate"),
}  # fmt: skip

# A stranger's method is shut in by what Linux has for that; elsewhere it is refused, or said to run without.
LINUX_ALONE = "benchmark/plugin/"


def files() -> list[Path]:
    return [path for room in ROOMS for path in sorted((ROOT / room).rglob("*.py")) if path.name != "portable.py"]


def asks_for_posix(path: Path) -> set[str]:
    """Modules that are imported, and names of `os` and `signal` that are used, which POSIX alone has."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names} & POSIX_MODULES
        elif isinstance(node, ast.ImportFrom):
            found |= {node.module or ""} & POSIX_MODULES
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in ("os", "signal"):
            found |= {node.attr} & POSIX_NAMES
    return found


def test_posix_is_asked_for_in_one_file() -> None:
    found = {path.relative_to(ROOT).as_posix(): names for path in files() if (names := asks_for_posix(path))}
    assert {path for path in found if not path.startswith(LINUX_ALONE)} == set(), found
    assert {"fcntl", "pread", "sync", "nice"} <= asks_for_posix(ROOT / "suite" / "portable.py")


# Other people's libraries decide by the system's name and are loaded first; then nothing of POSIX is there.
WITHOUT_POSIX = """
import importlib, importlib.util, os, pathlib, signal, sys
for name in ("torch", "torchvision", "numpy", "scipy.ndimage", "scipy.stats", "scipy.spatial", "pandas", "pyarrow.parquet",
             "PIL.Image", "requests", "urllib3", "click", "tqdm", "pydantic", "multiprocessing.pool", "sklearn.metrics",
             "concurrent.futures.process", "fastapi", "uvicorn", "cv2", "lpips", "safetensors.torch", "matplotlib.pyplot",
             "jinja2", "protego", "bs4", "webbrowser", "getpass", "sqlite3", "asyncio", "transformers", "numba", "dask"):
    if importlib.util.find_spec(name.split(".")[0]):
        importlib.import_module(name)
for name in {modules}:
    sys.modules[name] = None
for name in {names}:
    for module in (os, signal):
        if hasattr(module, name):
            delattr(module, name)
failed = {{}}
for module in {wanted}:
    try:
        importlib.import_module(module)
    except (ImportError, AttributeError) as error:
        failed[module] = repr(error)
print(failed)
"""


@pytest.mark.slow
def test_everything_imports_where_posix_is_missing() -> None:
    wanted = [
        path.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".").removesuffix(".__init__")
        for path in files()
        if path.name not in ("__main__.py", "triton.py")  # kernels are for CUDA
    ]
    code = WITHOUT_POSIX.format(modules=sorted(POSIX_MODULES), names=sorted(POSIX_NAMES), wanted=wanted)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=280)
    assert done.stdout.strip() == "{}", done.stdout + done.stderr[-2000:]
    assert len(wanted) > 200


class Windows:
    """What msvcrt does, on files of this system: a byte of a file is locked by one handle."""

    LK_NBLCK = 2
    held: dict[tuple[int, int], int] = {}  # noqa: RUF012 - shared by all handles on purpose

    @classmethod
    def locking(cls, handle: int, mode: int, count: int) -> None:
        file = (os.fstat(handle).st_ino, os.lseek(handle, 0, os.SEEK_CUR))
        if cls.held.setdefault(file, handle) != handle:
            raise PermissionError(13, "Permission denied")


@pytest.fixture(params=["as it is", "as on Windows"])
def system(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "as on Windows":
        monkeypatch.setattr(portable, "_posix", None)
        monkeypatch.setattr(portable.importlib, "import_module", lambda name: {"msvcrt": Windows}[name])
        monkeypatch.setattr(Windows, "held", {})
        for name in ("pread", "sync", "sched_getaffinity", "nice", "sysconf"):
            monkeypatch.delattr(os, name)
    return str(request.param)


def test_a_lock_is_held_by_one(system: str, tmp_path: Path) -> None:
    (tmp_path / "lock").write_bytes(b"12345")
    first, second = (os.open(tmp_path / "lock", os.O_RDWR) for _ in range(2))
    assert portable.lock(first)
    assert not portable.lock(second)
    assert portable.read_at(second, 3, 1) == b"234", "the holder's name can be read beside the lock"
    os.close(first)
    os.close(second)


def test_a_folder_is_held_by_one_and_nothing_is_written_into_it(system: str, tmp_path: Path) -> None:
    with portable.locked_folder(tmp_path) as first, portable.locked_folder(tmp_path) as second:
        assert (first, second) == (True, False)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(FileNotFoundError), portable.locked_folder(tmp_path / "none"):
        pass


def test_threads_read_one_file_at_many_places(system: str, tmp_path: Path) -> None:
    data = bytes(range(256)) * 64
    (tmp_path / "data").write_bytes(data)
    handle = os.open(tmp_path / "data", os.O_RDONLY | portable.BINARY)
    wrong: list[int] = []

    def read(start: int) -> None:
        for offset in range(start, len(data) - 16, 97):
            if portable.read_at(handle, 16, offset) != data[offset : offset + 16]:
                wrong.append(offset)

    threads = [threading.Thread(target=read, args=(start,)) for start in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    os.close(handle)
    assert wrong == []


def test_what_a_system_lacks_is_left_out(system: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    portable.sync_folder(tmp_path)
    portable.sync_disks()
    assert portable.processors() >= 1
    if system == "as on Windows":
        assert portable.processors() == 1
        assert portable.memory_bytes() == 0
        portable.give_way(10)
