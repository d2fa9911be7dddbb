"""Tensors to files, with the system's own errors: a full disk is an OSError whoever writes."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor


def write_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None) -> None:
    """Write a safetensors file (not atomically: see `suite.files.whole_file`). Raises OSError."""
    with as_system_error(path):
        held = {key: value.detach().contiguous() for key, value in tensors.items()}
        save_file(held, str(path), None if metadata is None else dict(metadata))


def write_torch(path: Path, value: Any) -> None:
    """Write a file of `torch.save` (not atomically). Raises OSError."""
    with as_system_error(path):
        torch.save(value, path)


@contextmanager
def as_system_error(path: Path) -> Iterator[None]:
    """Turn what safetensors and PyTorch raise of a file that cannot be written into the OSError that it was."""
    try:
        yield
    except SafetensorError as error:
        number = re.search(r"os error (\d+)", str(error))
        if not number:
            raise
        raise OSError(int(number[1]), os.strerror(int(number[1])), str(path)) from None
    except RuntimeError as error:
        # PyTorch does not keep the number; a write that was cut short is a full disk or a quota.
        if "inline_container" not in str(error) and "PytorchStreamWriter" not in str(error):
            raise
        raise OSError(errno.ENOSPC, "cannot be written (is the disk full?)", str(path)) from None
