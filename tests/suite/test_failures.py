"""No exception of a library reaches a person as a traceback: every kind, through every command of every room."""

from __future__ import annotations

import binascii
import csv
import errno
import gzip
import importlib
import json
import lzma
import pickle
import sqlite3
import struct
import subprocess
import tarfile
import tomllib
import xml.etree.ElementTree as ElementTree
import zipfile
import zlib
from collections.abc import Callable
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import click
import pydantic
import pytest
import requests
import urllib3
from click.testing import CliRunner

from suite.cli import SuiteGroup
from suite.failures import explain

ROOMS = ("aahq", "models", "baselines", "benchmark")


def _raised(make: Callable[[], Any]) -> Exception:
    with pytest.raises(Exception) as caught:  # noqa: PT011 - any kind
        make()
    return caught.value


def _kinds() -> dict[str, Exception]:
    """Exceptions as libraries raise them: the system's, damaged files, foreign values, memory, and bugs."""
    import pandas as pd
    import pyarrow as pa
    import torch
    from PIL import Image, UnidentifiedImageError
    from safetensors import SafetensorError

    class Foreign(pydantic.BaseModel):
        value: int

    found: list[Exception] = [
        OSError(errno.ENOSPC, "No space left on device", "out/x.png"),
        PermissionError(errno.EACCES, "Permission denied", "/root/x"),
        NotADirectoryError(errno.ENOTDIR, "Not a directory", "file/x"),
        IsADirectoryError(errno.EISDIR, "Is a directory", "folder"),
        FileExistsError(errno.EEXIST, "File exists", "file"),
        OSError("a library's own words"),
        UnidentifiedImageError("cannot identify image file <_io.BytesIO>"),
        Image.DecompressionBombError("too many pixels"),
        zipfile.BadZipFile("File is not a zip file"),
        tarfile.ReadError("invalid header"),
        zlib.error("incorrect header check"),
        lzma.LZMAError("Corrupt input data"),
        gzip.BadGzipFile("Not a gzipped file"),
        EOFError("Ran out of input"),
        struct.error("unpack requires a buffer of 4 bytes"),
        pickle.UnpicklingError("invalid load key, 'x'."),
        csv.Error("line contains NUL"),
        sqlite3.DatabaseError("file is not a database"),
        binascii.Error("Incorrect padding"),
        pa.ArrowInvalid("Parquet magic bytes not found in footer."),
        pd.errors.ParserError("Expected 3 fields, saw 4"),
        pd.errors.EmptyDataError("No columns to parse from file"),
        SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)"),
        requests.ConnectionError("refused"),
        urllib3.exceptions.ReadTimeoutError(None, "x", "slow"),  # type: ignore[arg-type]
        subprocess.CalledProcessError(1, "ffmpeg"),
        BrokenProcessPool("a child died"),
        MemoryError("10 GB"),
        torch.OutOfMemoryError("CUDA out of memory"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:117] . DefaultCPUAllocator: can't allocate memory"),
        RuntimeError("[enforce fail at inline_container.cc:664] . unexpected pos 64 vs 0"),
        RuntimeError("PytorchStreamReader failed reading zip archive"),
        RuntimeError("Symlink loop from '/data/round'"),
        RuntimeError("Found no NVIDIA driver on your system."),
        ModuleNotFoundError("No module named 'dlib'"),
        _raised(lambda: Path("a\0b").read_bytes()),
        _raised(lambda: json.loads("{")),
        _raised(lambda: tomllib.loads("=")),
        _raised(lambda: b"\xff".decode()),
        _raised(lambda: Foreign.model_validate({"value": "many"})),
        _raised(lambda: ElementTree.fromstring("<a>")),
    ]
    return {f"{type(one).__module__}.{type(one).__name__} {number}": one for number, one in enumerate(found)}


BUGS = [
    KeyError("face"),
    ValueError("not enough\nvalues"),
    TypeError("'NoneType'"),
    RuntimeError("mat1 and mat2"),
    IndexError("5"),
    AssertionError(),
]


@pytest.mark.parametrize("room", ROOMS)
def test_no_kind_reaches_a_person_as_a_traceback(room: str, monkeypatch: pytest.MonkeyPatch) -> None:
    group: SuiteGroup = importlib.import_module(f"{room}.cli").main
    kinds = _kinds()
    runner = CliRunner()
    for name in group.list_commands(click.Context(group)):
        command = group.get_command(click.Context(group), name)
        assert command is not None
        for kind, error in [*kinds.items(), *((f"bug {bug!r}", bug) for bug in BUGS)]:

            def fail(ctx: click.Context, error: Exception = error) -> None:
                raise error

            monkeypatch.setattr(command, "params", [])
            monkeypatch.setattr(command, "invoke", fail)
            done = runner.invoke(group, [name])
            where = f"{room} {name}, {kind}: {done.output!r}"
            assert isinstance(done.exception, SystemExit), where
            assert done.output.startswith("error: "), where
            assert done.output.count("\n") == 1, where
            bug = kind.startswith("bug")
            assert done.exit_code == (70 if bug else 2), where
            assert ("this is a bug" in done.output) == bug, where
            assert ("--traceback" in done.output) == bug, where


def test_traceback_shows_all_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    group = importlib.import_module("models.cli").main
    command = group.get_command(click.Context(group), "weights")

    def fail(ctx: click.Context) -> None:
        raise KeyError("face")

    monkeypatch.setattr(command, "invoke", fail)
    for words in (["--traceback", "weights"], ["weights", "--traceback"]):
        assert isinstance(CliRunner().invoke(group, words).exception, KeyError)
    assert "--traceback" in CliRunner().invoke(group, ["--help"]).output


def test_the_file_and_its_flag_are_named(tmp_path: Path) -> None:
    place = tmp_path / "out"
    full = OSError(errno.ENOSPC, "No space left on device", str(place / "a.png"))
    told = explain(full, ["sample", "--seeds", "0", "-o", str(place)])
    assert told is not None
    assert told.startswith(f"-o {place / 'a.png'}: No space left on device")
    assert "make room" in told


def test_an_exception_without_a_file_is_told_with_what_was_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # where no `demo` lies, as it does after `make demo`
    junk = tmp_path / "junk.zip"
    junk.write_bytes(b"x")
    told = explain(zipfile.BadZipFile("File is not a zip file"), ["train", f"--data={junk}", "--profile", "demo"])
    assert told == f"not a whole zip file: File is not a zip file (given: --data {junk})"


def test_a_bug_is_no_known_kind() -> None:
    assert [explain(bug) for bug in BUGS] == [None] * len(BUGS)
