"""Checkpoints: everything a run needs to go on, written whole, rotated, and refused under another configuration."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import tempfile
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from models.training import rng
from models.training.training_module import TrainingModule
from models.weights.loading import check_finite
from models.weights.writing import write_tensors, write_torch
from suite.errors import SuiteError
from suite.files import write_json

STATE = "state.json"
OTHER = "optimizers.pt"


def save(
    folder: Path, module: TrainingModule, step: int, config: dict[str, Any], keep: int, roll_backs: int = 0
) -> Path:
    """Write `folder/step-<n>/` (weights as safetensors, the rest beside them) and drop all but the newest `keep`.

    The checkpoint appears under its name only when every byte of it is on disk.

    Args:
        step: how many steps are done; the data order and every draw follow from it.
        config: the resolved settings, compared on resume.
        keep: how many checkpoints stay.
        roll_backs: how often the run went back so far; the draws that follow depend on it.

    Raises:
        OSError: the disk is full or cannot be written; earlier checkpoints stay as they were.
    """
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"step-{step:08d}"
    part = Path(tempfile.mkdtemp(prefix=".part-", dir=folder))
    before = all_checkpoints(folder)
    try:
        for name, network in module.networks.items():
            file = f"{name}.safetensors"
            if not (name in module.constant and before and _linked(before[-1] / file, part / file)):
                write_tensors(part / file, network.state_dict())
        optimizers = {name: optimizer.state_dict() for name, optimizer in module.optimizers.items()}
        write_torch(
            part / OTHER, {"optimizers": optimizers, "memory": module.state, "torch_rng": torch.get_rng_state()}
        )
        state = {"step": step, "config": config, "networks": sorted(module.networks)}
        write_json(part / STATE, state | {"rng": rng.SCHEME, "roll_backs": roll_backs})
        if target.exists():
            shutil.rmtree(target)
        part.rename(target)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    for old in all_checkpoints(folder)[:-keep]:
        shutil.rmtree(old)
    return target


def _linked(before: Path, now: Path) -> bool:
    """Give a file that is written already a second name; False where it is missing or the disk knows no second names."""
    try:
        os.link(before, now)
    except OSError:
        return False
    return True


def all_checkpoints(folder: Path) -> list[Path]:
    """The whole checkpoints in `folder`, oldest first."""
    return sorted(path for path in folder.glob("step-*") if (path / STATE).is_file())


def load(checkpoint: Path, module: TrainingModule, config: dict[str, Any]) -> tuple[int, int]:
    """Restore `module` from `checkpoint`.

    Returns:
        The number of steps done, and how often the run had been rolled back.

    Raises:
        SuiteError: the checkpoint's random numbers are of another kind; it was made with another configuration (the
            differences are listed; the number of steps and how often to save, sample and log may change); it does not
            fit the networks.
    """
    state = _state(checkpoint)
    if state.get("rng") != rng.SCHEME:
        raise SuiteError(
            f"--resume {checkpoint}: written by a version whose random numbers repeat; start again without --resume, "
            "in a new folder"
        )
    changed = differences(state["config"], config)
    if changed:
        raise SuiteError(f"--resume {checkpoint}: other configuration: {'; '.join(changed)}")
    device = next(iter(module.networks.values())).parameters().__next__().device
    for name, network in module.networks.items():
        load_network(checkpoint, name, network)
    other = _other(checkpoint, device)
    for name, optimizer in module.optimizers.items():
        optimizer.load_state_dict(other["optimizers"][name])
    module.state.clear()
    module.state.update(other["memory"])
    torch.set_rng_state(other["torch_rng"].cpu())
    return int(state["step"]), int(state["roll_backs"])


def load_network(checkpoint: Path, name: str, network: torch.nn.Module) -> None:
    """Load one network of a checkpoint, strictly."""
    path = checkpoint / f"{name}.safetensors"
    if not path.is_file():
        raise SuiteError(f"--resume {checkpoint}: has no network {name!r}")
    try:
        state = load_file(path)
    except (OSError, SafetensorError) as error:
        raise SuiteError(f"--resume {path}: damaged ({error}); {_INSTEAD}") from None
    check_finite(state, f"--resume {path}")
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        raise SuiteError(f"--resume {path}: {error}") from None


def load_memory(checkpoint: Path, device: torch.device) -> dict[str, Any]:
    """What a module remembered beside its networks and optimisers."""
    memory: dict[str, Any] = _other(checkpoint, device)["memory"]
    return memory


def _state(checkpoint: Path) -> dict[str, Any]:
    try:
        state: dict[str, Any] = json.loads((checkpoint / STATE).read_text())
        dict(state["config"]), int(state["step"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SuiteError(f"--resume {checkpoint / STATE}: damaged ({error}); {_INSTEAD}") from None
    return state


def _other(checkpoint: Path, device: torch.device) -> dict[str, Any]:
    try:
        other: dict[str, Any] = torch.load(checkpoint / OTHER, map_location=device, weights_only=True)
    except (OSError, RuntimeError, EOFError, ValueError, KeyError, pickle.UnpicklingError):
        raise SuiteError(f"--resume {checkpoint / OTHER}: missing or damaged; {_INSTEAD}") from None
    return other


_INSTEAD = "delete this checkpoint's folder and --resume goes on from the one before"
MAY_CHANGE = {"steps", "save_every", "keep", "sample_every", "log_every"}


def differences(old: dict[str, Any], new: dict[str, Any], at: str = "") -> list[str]:
    """`key: old -> new` for every setting that differs and would change the result."""
    lines = []
    for key in sorted(old.keys() | new.keys()):
        a, b, name = old.get(key), new.get(key), f"{at}{key}"
        if isinstance(a, dict) and isinstance(b, dict):
            lines += differences(a, b, f"{name}.")
        elif a != b and name.rpartition(".")[2] not in MAY_CHANGE:
            lines.append(f"{name}: {a!r} -> {b!r}")
    return lines
