"""Weights in and out: a run's folder, one file of ours, or files as the authors publish them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from baselines.registry import settings_of
from baselines.settings import BaselineSettings
from baselines.training_module import BaselineTraining
from models.training.checkpoint import all_checkpoints
from models.weights import read_checkpoint, save_weights
from suite.errors import SuiteError
from suite.profiles import checked

State = Mapping[str, Tensor]
# Names in published files, and of moving averages, -> names of the networks that inference needs.
ALIASES = {
    "adain": {"vgg_normalised": "vgg", "decoder_iter_160000": "decoder"},
    "munit": {"a": "gen_a", "b": "gen_b"},
    "funit": {"gen_ema": "gen_test"},
    "toonify": {"art_ema": "art"},
    "stargan2": {f"{name}_ema": name for name in ("generator", "mapping_network", "style_encoder")},
}
# MUNIT files of PyTorch 0.3 carry statistics of norms that never used them.
STALE = re.compile(r"^enc_content\..*\.norm\.running_(mean|var)$")


def read(weights: str | Path, name: str) -> tuple[dict[str, State], BaselineSettings | None]:
    """(networks by name, settings where the file tells them).

    Args:
        weights: a run's folder, a `.safetensors`, a published file, or a folder of published files.
        name: the method that they should be of.

    Raises:
        SuiteError: not there, unreadable, or of another method.
    """
    path = Path(weights)
    if (path / "run.json").is_file():
        return _from_run(path, name)
    if path.is_dir() and not list(path.glob("*.safetensors")):
        files = sorted(file for file in path.iterdir() if file.suffix in (".pt", ".pth", ".ckpt", ".tar"))
        if not files:
            raise SuiteError(f"--weights {path}: no weights in this folder; .pt, .pth, .ckpt or .safetensors expected")
        parts: dict[str, State] = {}
        for file in files:
            for part, state in read_checkpoint(file).parts.items():
                parts[file.name.split(".")[0] if part == "weights" else part] = state
        return _renamed(parts, name), None
    checkpoint = read_checkpoint(path)
    method = checkpoint.facts.get("method")
    if method is not None and method != name:
        raise SuiteError(f"--weights {path}: weights of {method!r}; {name!r} was asked for")
    settings = checkpoint.facts.get("settings")
    if settings is None:
        return _renamed(checkpoint.parts, name), None
    return _renamed(checkpoint.parts, name), _settings(name, settings, f"--weights {path}")


def trained_here(weights: str | Path) -> bool:
    """Whether `weights` is a run of `baselines train`, or the file that one wrote."""
    path = Path(weights)
    if path.suffix == ".safetensors":
        return "method" in read_checkpoint(path).facts
    return (path / "run.json").is_file()


def _from_run(path: Path, name: str) -> tuple[dict[str, State], BaselineSettings]:
    try:
        run = json.loads((path / "run.json").read_text())
        other = run["name"]
        run["config"]
    except (OSError, ValueError, KeyError, TypeError):
        raise SuiteError(f"--weights {path}: not a run's folder (no readable run.json)") from None
    if other != name:
        raise SuiteError(f"--weights {path}: a run of {other!r}; {name!r} was asked for")
    final = path / f"{name}.safetensors"
    if final.is_file():
        parts, settings = read(final, name)
        assert settings is not None
        return parts, settings
    kept = all_checkpoints(path / "checkpoints")
    if not kept:
        raise SuiteError(f"--weights {path}: a run without a checkpoint yet")
    settings = _settings(name, run["config"], f"--weights {path}/run.json")
    domains = {"domains": 1 + settings.art_domains, "classes": 1 + settings.art_domains, "crop": settings.size}
    fields = type(settings).model_fields
    settings = settings.model_copy(update={key: value for key, value in domains.items() if key in fields})
    return _renamed(read_checkpoint(kept[-1]).parts, name), settings


def _settings(name: str, values: Any, where: str) -> BaselineSettings:
    if not isinstance(values, dict):
        raise SuiteError(f"{where}: its settings are a {type(values).__name__}; it was not written by this suite")
    return checked(settings_of(name), values, f"{where}: settings of another version")


def _renamed(parts: Mapping[str, State], name: str) -> dict[str, State]:
    aliases = ALIASES.get(name, {})
    out: dict[str, State] = {
        part: {key: value for key, value in state.items() if not STALE.match(key)} for part, state in parts.items()
    }
    # An average stands for its network, whatever the order in the file.
    return out | {aliases[part]: out[part] for part in parts if part in aliases}


def save(module: BaselineTraining, wanted: list[str], name: str, folder: Path) -> Path:
    """Write what inference needs of a trained method, with its settings, to `folder/<name>.safetensors`."""
    held: dict[str, State] = {part: network.state_dict() for part, network in module.networks.items()}
    renamed = _renamed(held, name)
    path = folder / f"{name}.safetensors"
    facts: dict[str, Any] = {"method": name, "settings": module.settings.model_dump()}
    save_weights(path, {part: renamed[part] for part in wanted}, metadata=facts)
    return path
