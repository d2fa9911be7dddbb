"""Values of options that are checked when the command line is read: outputs that can be written, devices, seeds."""

from __future__ import annotations

import math
import os
import re
from pathlib import Path
from typing import Any, Literal

import click

from suite.ownership import output_fault

# PyTorch's generators take 64 bits; the upper half of them is negative elsewhere.
LARGEST_SEED = 2**63 - 1
# C libraries count with 32 bits.
LARGEST_COUNT = 2**31 - 1


class Output(click.Path):
    """A place that the command will write, checked before any work: nothing is made yet.

    Args:
        kind: "folder" (made if absent; may exist) or "file" (replaced if it exists).
    """

    def __init__(self, kind: Literal["folder", "file"]) -> None:
        super().__init__(path_type=Path)
        self.kind = kind

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        path = Path(os.fsdecode(super().convert(value, param, ctx)))
        if fault := output_fault(path, self.kind):
            self.fail(f"{path}: {fault}", param, ctx)
        return path


class Count(click.IntRange):
    """A whole number of `least` or more, and small enough for every library that counts with 32 bits."""

    def __init__(self, least: int = 1) -> None:
        super().__init__(least, LARGEST_COUNT)

    def _describe_range(self) -> str:
        return f"x>={self.min}"


class Number(click.FloatRange):
    """A number in a range; neither NaN, which every comparison lets through, nor infinity."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value!r} is no number in the range {self._describe_range()}", param, ctx)
        return number


class Rate(Number):
    """A number of things a second, 0 or more."""

    name = "rate"

    def __init__(self) -> None:
        super().__init__(min=0)

    def _describe_range(self) -> str:
        return "x>=0, where 0 means no limit"


class Device(click.ParamType):
    """`auto` (where the command decides), `cpu`, `cuda`, `cuda:N` or `mps` (Apple's GPU), and that it is there."""

    name = "device"

    def __init__(self, auto: bool = True) -> None:
        self.auto = auto

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not re.fullmatch(r"cpu|mps|cuda(:[0-9]{1,3})?", value) and not (self.auto and value == "auto"):
            self.fail(f"{value!r}; expected {'auto, ' if self.auto else ''}cpu, cuda, cuda:N or mps", param, ctx)
        if value == "mps" and (fault := _apple_fault()):
            self.fail(f"mps: {fault}", param, ctx)
        if value.startswith("cuda"):
            if fault := _gpu_fault(int(value.partition(":")[2] or 0)):
                self.fail(f"{value}: {fault}", param, ctx)
            if ":" in value and int(os.environ.get("WORLD_SIZE", "1")) > 1:
                self.fail(f"{value}: under torchrun every process takes a GPU of its own; use cuda", param, ctx)
        return value


def _apple_fault() -> str:
    import torch

    if not torch.backends.mps.is_available():
        return "PyTorch sees no Apple GPU here; use --device cpu"
    several = int(os.environ.get("WORLD_SIZE", "1")) > 1
    return "one process alone uses it; run without torchrun" if several else ""


def _gpu_fault(number: int) -> str:
    import torch

    if not torch.cuda.is_available():
        return "PyTorch sees no GPU here; use --device cpu"
    count = torch.cuda.device_count()
    return "" if number < count else f"there are {count} GPUs here, the first is cuda:0"


device_or_auto = Device()
device_given = Device(auto=False)
output_folder = Output("folder")
output_file = Output("file")
seed_range = click.IntRange(0, LARGEST_SEED)
share = Number(0, 1)
processes = click.IntRange(1, 1024)
