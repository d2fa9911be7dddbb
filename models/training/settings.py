"""What every training run is configured by; a method's own settings extend it."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, field_validator
from pydantic_core import PydanticCustomError

from suite.errors import SuiteError
from suite.params import LARGEST_SEED
from suite.profiles import Settings


def ramped(decay: float, ramp: float, done: int) -> float:
    """An average's decay after `done` steps: its half-life is at most `ramp` times the steps so far; `ramp` 0 keeps `decay`."""
    if not ramp:
        return decay
    return min(decay, 0.5 ** (1 / (ramp * done))) if done else 0.0


class LoopSettings(Settings):
    """The shared loop's settings. Counts are in steps; a step is one pass of the method's whole update order.

    Attributes:
        size: side of the training pictures; which sides there are depends on the networks.
        steps: how many steps the run takes in all.
        batch: pictures of each domain in one step, over all ranks: the effective batch.
        micro_batch: pictures that go through the networks at once on one rank; smaller ones accumulate to `batch`.
            0 means all of a rank's share at once.
        seed: of weights, order, flips and every draw.
        flip: mirror half of the pictures.
        split: of a release, and of photographs in any form, "train" leaves out what is held for validation and scoring
            (`models.data.splits`); "all" sees every picture, as BlendGAN's authors do. Plain artistic faces have no splits.
        precision: of the networks' heavy layers; weights and losses stay float32.
        channels_last: memory layout of activations.
        compile: run the networks through `torch.compile`, where the method differentiates only once.
        checkpointing: recompute activations in the backward pass, for memory.
        save_every, keep: steps between checkpoints, and how many are kept.
        sample_every: steps between sample sheets.
        log_every: steps between log lines.
    """

    # What a process's share must be a multiple of: a method that splits it into roles asks for more.
    batch_unit: ClassVar[int] = 1
    # What the side must be: a multiple of this, or a power of two.
    size_unit: ClassVar[int] = 1
    power_of_two: ClassVar[bool] = False

    size: int = Field(ge=32, le=1024)
    steps: int = Field(ge=1)
    batch: int = Field(ge=1)
    micro_batch: int = Field(default=0, ge=0)
    seed: int = Field(default=0, ge=0, le=LARGEST_SEED)
    flip: bool = True
    split: Literal["train", "all"] = "train"
    precision: Literal["float32", "bf16", "fp16"] = "float32"
    channels_last: bool = False
    compile: bool = False
    checkpointing: bool = False
    save_every: int = Field(default=1000, ge=1)
    keep: int = Field(default=2, ge=1)
    sample_every: int = Field(default=1000, ge=1)
    log_every: int = Field(default=50, ge=1)

    @field_validator("size")
    @classmethod
    def _a_side_that_the_networks_have(cls, size: int) -> int:
        if cls.power_of_two and size & (size - 1):
            below = 1 << size.bit_length() - 1
            raise PydanticCustomError("side", f"{size} is no power of two; give {below} or {2 * below}")
        if size % cls.size_unit:
            below = size // cls.size_unit * cls.size_unit
            raise PydanticCustomError("side", f"{size} is no multiple of {cls.size_unit}; give {below + cls.size_unit}")
        return size

    @property
    def load_size(self) -> int:
        """Side at which the pictures are read; a method that cuts random crops of `size` asks for more."""
        return self.size

    def share(self, processes: int) -> int:
        """Pictures of each domain that every one of `processes` takes in a step.

        Raises:
            SuiteError: the batch cannot be shared out evenly.
        """
        unit = self.batch_unit * processes
        if self.batch % unit:
            below = self.batch // unit * unit
            offers = " or ".join(f"--set batch={n}" for n in (below, below + unit) if n)
            among = f"{processes} processes" if processes > 1 else "one process"
            each = f" in multiples of {self.batch_unit}" if self.batch_unit > 1 else ""
            raise SuiteError(f"--set batch={self.batch}: cannot be shared among {among}{each}; give {offers}")
        return self.batch // processes
