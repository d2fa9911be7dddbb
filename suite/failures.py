"""Exceptions of libraries as messages: one line for what files and machines cause, a report for a bug.

Readers and writers name the file themselves (`SuiteError`); this is the last net, under every command. Exceptions are
known by name, so that no library is imported to look for its errors.
"""

from __future__ import annotations

import errno
import os
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path

# Root package and class of an exception -> what it means. A subclass counts as its nearest known base.
_KINDS = {
    "PIL.UnidentifiedImageError": "not a picture",
    "PIL.DecompressionBombError": "a picture with too many pixels",
    "PIL.DecompressionBombWarning": "a picture with too many pixels",
    "binascii.Error": "damaged base64 text",
    "builtins.ImportError": "a package is missing or does not fit; `pip install 'aahq-blendgan[dev]'` installs all",
    "builtins.MemoryError": "not enough memory",
    "builtins.UnicodeError": "text that is not UTF-8",
    "concurrent.BrokenProcessPool": "a worker process was killed (often for want of memory)",
    "csv.Error": "a damaged CSV file",
    "gzip.BadGzipFile": "not a gzip file",
    "json.JSONDecodeError": "not JSON",
    "lzma.LZMAError": "a damaged compressed file",
    "pandas.EmptyDataError": "an empty table",
    "pandas.ParserError": "a damaged table",
    "pickle.PickleError": "a damaged or refused pickle",
    "pyarrow.ArrowException": "a damaged or foreign table",
    "pydantic_core.ValidationError": "a value that is not allowed",
    "requests.RequestException": "the web did not answer",
    "safetensors.SafetensorError": "a safetensors file could not be read or written",
    "safetensors_rust.SafetensorError": "a safetensors file could not be read or written",
    "sqlite3.Error": "a database could not be read or written",
    "struct.error": "a file that is damaged or ends too early",
    "subprocess.SubprocessError": "a command that was started failed",
    "tarfile.TarError": "not a whole tar file",
    "tomllib.TOMLDecodeError": "not TOML",
    "torch.DistError": "the processes of this run lost each other",
    "torch.OutOfMemoryError": "not enough memory on the GPU; a smaller batch needs less",
    "urllib3.HTTPError": "the web did not answer",
    "xml.ParseError": "not XML",
    "zipfile.BadZipFile": "not a whole zip file",
    "zipfile.LargeZipFile": "a zip file that is too large",
    "zlib.error": "damaged compressed data",
}
# Said with a bare RuntimeError (PyTorch) or ValueError.
_TEXTS = {
    "Symlink loop": "a link that leads back to itself",
    "embedded null byte": "a path with a NUL in it",
    "PytorchStreamWriter": "a file could not be written; is the disk full?",
    "unexpected pos": "a file could not be written; is the disk full?",
    "PytorchStreamReader": "a damaged torch file",
    "can't allocate memory": "not enough memory; a smaller batch needs less",
    "out of memory": "not enough memory; a smaller batch needs less",
    "No CUDA GPUs": "no GPU is to be seen; use --device cpu",
    "no NVIDIA driver": "no GPU is to be seen; use --device cpu",
}
_LONGEST = 240


def explain(error: BaseException, arguments: Sequence[str] = ()) -> str | None:
    """One line for an exception that files or the machine cause, with the file or the flags; None for a bug.

    Args:
        error: what a library raised.
        arguments: the command line, whose files are named where the exception names none.
    """
    kind = _kind(error)
    if isinstance(error, OSError) and error.errno is not None and kind is None:
        return _of_system(error, arguments)
    if kind is None and isinstance(error, OSError):
        kind = "a file or connection failed"
    if kind is None and isinstance(error, (RuntimeError, ValueError)):
        kind = next((words for text, words in _TEXTS.items() if text in str(error)), None)
    if kind is None:
        return None
    files = ", ".join(_files(arguments))
    message = _short(str(error))
    return f"{kind}{f': {message}' if message else ''}{f' (given: {files})' if files else ''}"


def report(error: BaseException) -> str:
    """One line for a bug: what was raised where."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return (
        f"this is a bug, please report it: {type(error).__name__}: {_short(str(error))}{where}; "
        "run the command again with --traceback for all of it"
    )


def _kind(error: BaseException) -> str | None:
    for one in type(error).__mro__:
        root = one.__module__.partition(".")[0]
        for name in (root, root.lstrip("_")):
            if words := _KINDS.get(f"{name}.{one.__name__}"):
                return words
    return None


def _of_system(error: OSError, arguments: Sequence[str]) -> str:
    name = error.filename if error.filename is not None else error.filename2
    # Libraries that write through C report the file's number, or nothing.
    path = os.fsdecode(name) if isinstance(name, (str, bytes, os.PathLike)) else ""
    flag = next((flag for flag, value in _pairs(arguments) if flag and path and _holds(value, path)), "")
    fix = {
        errno.ENOSPC: "; make room on the disk and run the command again",
        errno.EDQUOT: "; make room in your quota and run the command again",
        errno.EMFILE: "; raise `ulimit -n`",
    }.get(error.errno or 0, "")
    files = "" if path else ", ".join(_files(arguments))
    subject = " ".join(filter(None, (flag, path)))
    return (
        f"{subject}{': ' if subject else ''}{_short(error.strerror or str(error))}"
        f"{fix}{f' (given: {files})' if files else ''}"
    )


def _holds(value: str, path: str) -> bool:
    folder, inside = Path(value), Path(path)
    return folder == inside or folder in inside.parents or inside in folder.parents


def _pairs(arguments: Sequence[str]) -> Iterator[tuple[str, str]]:
    """(flag or "", value) of every word of a command line that is no flag itself."""
    flag = ""
    for word in arguments:
        if word.startswith("-") and len(word) > 1:
            flag, equals, value = word.partition("=")
            if equals:
                yield flag, value
                flag = ""
            continue
        yield flag, word
        flag = ""


def _files(arguments: Sequence[str]) -> Iterator[str]:
    for flag, value in _pairs(arguments):
        if os.path.lexists(value):
            yield f"{flag} {value}".strip()


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}..."
