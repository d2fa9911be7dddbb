"""A training run's folder: configuration, versions, log, TensorBoard scalars, sample sheets and checkpoints."""

from __future__ import annotations

import json
import math
import os
import platform
import shutil
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from models.data.pictures import nearest_uint8
from suite.errors import SuiteError
from suite.files import digest, write_json, write_whole
from suite.pictures.machine_made import save_made
from suite.provenance import commit, versions

LOG = "log.jsonl"
# What a run writes into its folder beside `run.json`, which says that they are its own.
WRITTEN = (LOG, "summary.json", "checkpoints", "sheets", "tensorboard")


class RunFolder:
    """`OUT/run.json`, `log.jsonl`, `tensorboard/`, `sheets/`, `checkpoints/`.

    Only rank 0 writes; on other ranks every method but the readers does nothing.
    """

    def __init__(self, path: Path, writes: bool) -> None:
        self.path, self.writes = path, writes
        self.checkpoints = path / "checkpoints"
        self._board: Any = None

    def begin(self, name: str, config: dict[str, Any], data: dict[str, Any], resumed: bool) -> None:
        """Record what runs, before it runs. A folder that holds another run is refused."""
        if not self.writes:
            return
        self.check_free(resumed)
        self.path.mkdir(parents=True, exist_ok=True)
        write_json(
            self.path / "run.json",
            {
                "name": name,
                "config": config,
                "config_digest": digest(config),
                "data": data,
                "command": sys.argv[1:],
                "versions": versions(),
                "machine": machine(),
                "commit": commit(),
                "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            },
        )

    def check_free(self, resumed: bool) -> None:
        """Refuse a folder that holds another run, before any work."""
        if (self.path / "run.json").exists() and not resumed:
            raise SuiteError(f"--run {self.path}: already holds a run; go on with --resume or name another folder")
        foreign = next((name for name in WRITTEN if os.path.lexists(self.path / name)), None)
        if foreign is not None and not resumed:
            raise SuiteError(f"--run {self.path}: holds {foreign!r} that no run here wrote; name another folder")
        if resumed and not self.checkpoints.is_dir():
            raise SuiteError(f"--resume: no checkpoint in {self.path}; start without --resume")

    def withdraw(self) -> None:
        """Take away what `begin` and the first checkpoint wrote: nothing was trained."""
        if self.writes:
            for name in ("run.json", LOG):
                (self.path / name).unlink(missing_ok=True)
            # None was there when the run began: see `check_free`.
            shutil.rmtree(self.checkpoints, ignore_errors=True)
            if not any(self.path.iterdir()):
                self.path.rmdir()

    def check_data(self, data: dict[str, Any]) -> None:
        """Refuse to go on with other pictures than the run began with.

        Args:
            data: domain -> `ImageArray.fingerprint()`.
        """
        try:
            begun = json.loads((self.path / "run.json").read_text())["data"]
        except (OSError, ValueError, KeyError, TypeError):
            return
        for domain, now in data.items():
            then = begun.get(domain)
            if isinstance(then, dict) and then != now:
                raise SuiteError(
                    f"--resume {self.path}: other {domain} pictures than the run began with ({then['count']} then, "
                    f"{now['count']} now); give the same, or begin a new run"
                )

    def log(self, step: int, scalars: Mapping[str, float]) -> None:
        """Append one line to the log, and the scalars to TensorBoard where it is installed."""
        if not self.writes:
            return
        with (self.path / LOG).open("a") as out:
            out.write(json.dumps({"step": step, **scalars}) + "\n")
        if self._board is None:
            self._board = _board(self.path / "tensorboard", step)
        if self._board:
            for name, value in scalars.items():
                self._board.add_scalar(name, value, step)

    def rewind(self, step: int) -> None:
        """Take the lines after `step` out of the log: these steps are taken again."""
        if not self.writes or not (self.path / LOG).exists():
            return
        lines = (self.path / LOG).read_text().splitlines(keepends=True)
        kept = [line for line in lines if line.endswith("\n") and _step_of(line) <= step]
        if len(kept) < len(lines):
            write_whole(self.path / LOG, "".join(kept))
        if self._board:
            self._board.close()
        self._board = None

    def sheet(self, step: int, images: Tensor, columns: int) -> None:
        """Save (N, 3, S, S) in [-1, 1] as one PNG of `columns` columns."""
        if not self.writes:
            return
        folder = self.path / "sheets"
        folder.mkdir(exist_ok=True)
        save_grid(folder / f"step-{step:08d}.png", images, columns)

    def end(self, summary: dict[str, Any]) -> None:
        """Record how the run ended."""
        if not self.writes:
            return
        write_json(self.path / "summary.json", summary)
        if self._board:
            self._board.close()


def read_config(folder: Path) -> dict[str, Any]:
    """The settings that the run in `folder` had."""
    try:
        config: dict[str, Any] = json.loads((folder / "run.json").read_text())["config"]
        dict(config)
    except (OSError, ValueError, KeyError, TypeError):
        raise SuiteError(f"{folder}: not a run's folder (no readable run.json)") from None
    return config


def _step_of(line: str) -> float:
    """A log line's step; infinity of one that a full disk or a kill has cut."""
    try:
        return float(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):
        return math.inf


def save_grid(path: Path, images: Tensor, columns: int) -> None:
    """Write (N, 3, S, S) in [-1, 1] as a PNG, row by row, `columns` pictures a row."""
    pixels = nearest_uint8(images).permute(0, 2, 3, 1).cpu().numpy()
    rows = [np.concatenate(list(pixels[at : at + columns]), axis=1) for at in range(0, len(pixels), columns)]
    grid = Image.fromarray(np.concatenate([row for row in rows if row.shape == rows[0].shape]))
    # Photographs and paintings stand beside what was made of them.
    save_made(grid, path, "PNG", composite=True)


def machine() -> str:
    """The device in words."""
    if torch.cuda.is_available():
        return f"{torch.cuda.get_device_name(0)} x {torch.cuda.device_count()}"
    return f"CPU {platform.machine()}, {torch.get_num_threads()} threads"


def _board(folder: Path, step: int) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return False
    # What an earlier process wrote of the steps from here on is not shown.
    return SummaryWriter(str(folder), purge_step=step)
